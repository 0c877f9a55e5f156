"""registry -> serving: the champion, loaded once and swapped when the alias moves."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import polars as pl

from iris_ct.core.dataset.columns import (
    can_be_number,
    read_booleans,
    read_categories,
    read_numbers,
)
from iris_ct.core.dataset.times import can_be_time, read_times
from iris_ct.core.errors import NoChampionError
from iris_ct.core.model_version import Champion, ModelVersion
from iris_ct.core.scoring.scorer import Scorer
from iris_ct.core.scoring.signature import signature_of
from iris_ct.core.specification import Feature, Specification
from iris_ct.core.training.encoding import FeatureEncoding
from iris_ct.core.training.predictor import Predictor
from iris_ct.ports import Store

_TYPES: dict[str, pl.DataType] = {
    "numeric": pl.Float64(),
    "boolean": pl.Boolean(),
    "categorical": pl.String(),
    "datetime": pl.Datetime("us", "UTC"),
}


@dataclass(frozen=True)
class LoadedModel:
    """A version ready to predict, with the specification it was trained on."""

    version: ModelVersion
    specification: Specification
    predictor: Predictor

    @cached_property
    def scorer(self) -> Scorer:
        """What scores rows that are said rather than stored."""
        signature = signature_of(self.specification, self.predictor.encoding, self.version.version)
        return Scorer(self.predictor.booster, signature)

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Predict rows; see `Predictor.predict` for the columns.

        The rows may be stored under another specification. A feature that it has dropped is
        missing in every row; one that it has given another kind is read as this version knows it.
        """
        other = [
            _read_again(rows, feature, self.specification.time_zone)
            for feature in self.specification.features
            if rows.schema.get(feature.name) != _TYPES[feature.kind]
        ]
        return self.predictor.predict(rows.with_columns(other) if other else rows)


def _read_again(rows: pl.DataFrame, feature: Feature, time_zone: str) -> pl.Series:
    """Give a feature in its own kind; null where the rows cannot say it."""
    missing = pl.Series(feature.name, [None], dtype=_TYPES[feature.kind])
    if feature.name not in rows.columns:
        return missing.new_from_index(0, rows.height)
    given = rows[feature.name]
    if feature.kind == "categorical":
        return read_categories(given).values
    if feature.kind == "boolean":
        return read_booleans(given).values
    if feature.kind == "numeric" and can_be_number(given.dtype):
        return read_numbers(given).values
    if feature.kind == "datetime" and can_be_time(given.dtype):
        return read_times(given, time_zone=time_zone).values
    return missing.new_from_index(0, rows.height)


def load_version(version: ModelVersion, *, store: Store) -> LoadedModel:
    """Load a version from its files, after their digest was checked; MLflow is not asked."""
    directory = store.models.files(version)
    specification = store.specifications.get(version.spec_digest)
    encoding = _encoding(directory)
    text = (directory / "model.txt").read_text("utf-8")
    return LoadedModel(version, specification, Predictor(text, encoding, specification))


def known_classes(specification: Specification, store: Store) -> tuple[str, ...]:
    """Give the two classes of a binary target once a champion has learned them, else nothing.

    A third one is a slip of the pen: it must not reach a training, which could not end.
    """
    if specification.task != "binary":
        return ()
    champion = store.models.champion(specification.name)
    if champion is None:
        return ()
    version = store.models.get(specification.name, champion.version)
    if not specification.predicts_like(store.specifications.get(version.spec_digest)):
        return ()
    return _encoding(store.models.files(version)).classes


def _encoding(directory: Path) -> FeatureEncoding:
    return FeatureEncoding.from_json((directory / "encoding.json").read_text("utf-8"))


# Appointments by processes of this home are noticed within the first, those by processes that do
# not share its files within the second. One look costs a system call, a question milliseconds.
_LOOKED_AGAIN_S = 0.02
_ASKED_AGAIN_S = 1.0


@dataclass
class _Held:
    champion: Champion
    loaded: LoadedModel
    appointments: int
    asked_at: float
    looked_at: float


class Champions:
    """The champions of this process, each loaded once.

    Who serves is asked of the store once a second, and a moment after a process of this home has
    appointed somebody; asking it for every row would take many times as long as predicting one.
    The loaded model is swapped in one assignment, so threads see the old or the new one, never a
    mixture. Owned by the composition root; safe to use from several threads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: dict[str, _Held] = {}

    def serving(self, model: str) -> LoadedModel | None:
        """Give the loaded champion, or None if nothing serves yet."""
        held, now = self._held.get(model), time.monotonic()
        if held is not None and now - held.looked_at < _LOOKED_AGAIN_S:
            return held.loaded
        # Before the question, so that an appointment during it is noticed by the next look.
        appointments = self._store.models.appointments()
        if (
            held is not None
            and held.appointments == appointments
            and now - held.asked_at < _ASKED_AGAIN_S
        ):
            held.looked_at = now
            return held.loaded
        champion = self._store.models.champion(model)
        if champion is None:
            return None
        if held is not None and held.champion.seq == champion.seq:
            loaded = held.loaded
        else:
            version = self._store.models.get(model, champion.version)
            loaded = load_version(version, store=self._store)
        self._held[model] = _Held(champion, loaded, appointments, now, now)
        return loaded

    def require(self, model: str) -> LoadedModel:
        """Give the loaded champion; `NoChampionError` if nothing serves yet."""
        loaded = self.serving(model)
        if loaded is None:
            raise NoChampionError(
                f"No version of '{model}' serves yet: a first model needs labelled rows and a "
                f"passed gate. See 'ct status {model}' and 'ct explain {model}'."
            )
        return loaded
