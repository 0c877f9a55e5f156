"""registry -> serving: the champion, loaded once and swapped when the alias moves."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from iris_ct.core.errors import NoChampionError
from iris_ct.core.model_version import Champion, ModelVersion
from iris_ct.core.specification import Specification
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

    def predict(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Predict rows; see `Predictor.predict` for the columns.

        A feature that the rows' own specification has dropped since is missing in every row.
        """
        absent = [
            pl.lit(None, _TYPES[feature.kind]).alias(feature.name)
            for feature in self.specification.features
            if feature.name not in rows.columns
        ]
        return self.predictor.predict(rows.with_columns(absent) if absent else rows)


def load_version(version: ModelVersion, *, store: Store) -> LoadedModel:
    """Load a version from its files, after their digest was checked; MLflow is not asked."""
    directory = store.models.files(version)
    specification = store.specifications.get(version.spec_digest)
    encoding = FeatureEncoding.from_json((directory / "encoding.json").read_text("utf-8"))
    text = (directory / "model.txt").read_text("utf-8")
    return LoadedModel(version, specification, Predictor(text, encoding, specification))


class Champions:
    """The champions of this process, each loaded once.

    Every call asks the store who serves (one indexed row) and swaps the loaded model in one
    assignment, so threads see the old or the new one, never a mixture. Owned by the composition
    root; safe to use from several threads.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._loaded: dict[str, tuple[Champion, LoadedModel]] = {}

    def serving(self, model: str) -> LoadedModel | None:
        """Give the loaded champion, or None if nothing serves yet."""
        champion = self._store.models.champion(model)
        if champion is None:
            return None
        held = self._loaded.get(model)
        if held is None or held[0].seq != champion.seq:
            version = self._store.models.get(model, champion.version)
            held = (champion, load_version(version, store=self._store))
            self._loaded[model] = held
        return held[1]

    def require(self, model: str) -> LoadedModel:
        """Give the loaded champion; `NoChampionError` if nothing serves yet."""
        loaded = self.serving(model)
        if loaded is None:
            raise NoChampionError(
                f"No version of '{model}' serves yet: a first model needs labelled rows and a "
                f"passed gate. See 'ct status {model}' and 'ct explain {model}'."
            )
        return loaded
