"""serving -> observation: predictions that wait in the journal move into the log, once each."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

import numpy as np
import polars as pl

from iris_ct.core.audit import Severity
from iris_ct.core.dataset.batch import KEY, POSITION
from iris_ct.core.errors import ModelVersionNotFoundError, StoreError
from iris_ct.core.evaluation.losses import CLASS_PREFIX
from iris_ct.core.scoring.record import Record, Truth
from iris_ct.core.specification import Specification
from iris_ct.core.training.predictor import positive_class
from iris_ct.flow.identify import audit_event
from iris_ct.flow.predict_row import key_parts
from iris_ct.ports import Clock, Store
from iris_ct.ports.observation import PLACE_IN_REQUEST, PREDICTED_AT, PUID

# Segments folded at once. Single rows need some fifteen times their bytes while it lasts: 250 MB.
_MOST_BYTES = 16 << 20
# Waiting longer makes fewer files, and the log later.
DUE_BYTES = 8 << 20
DUE_S = 60.0

# A request is sent again when the process that had it is killed, within its timeout.
_SENT_AGAIN_US = 300_000_000

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Folded:
    """What moved.

    Attributes
    ----------
    n_rows : int
        Predictions that are in the log now.
    torn_bytes : int
        Ends of segments that are no whole record: their writer was killed before it answered.
    set_aside : tuple of str
        Segments that hold something which cannot be logged; they are kept in ``set-aside``.
    n_labels : int
        Rows whose truth, which feedback said, went to the inbox as labels.
    n_unmatched : int
        Rows whose truth cannot be a label: their request is not in the log, or they have no key.
    """

    n_rows: int = 0
    torn_bytes: int = 0
    set_aside: tuple[str, ...] = ()
    n_labels: int = 0
    n_unmatched: int = 0


def is_due(store: Store, clock: Clock) -> bool:
    """Tell whether enough waits, or long enough, for a file of the log."""
    waiting = store.journal.segments()
    if not waiting:
        return bool(store.journal.begun())
    made_at = _EPOCH + timedelta(microseconds=waiting[0].made_at_us)
    is_old = clock.now() - made_at >= timedelta(seconds=DUE_S)
    return is_old or sum(segment.size_bytes for segment in waiting) >= DUE_BYTES


def fold_journal(store: Store, clock: Clock) -> Folded:
    """Move everything that waits in the journal into the log of predictions.

    Each prediction is logged once, whenever the process ends: what is folded together is planned
    first, its requests of the log are named by the plan, and the segments are removed after the
    log has them. A plan that was begun is carried out first. Predictions made while this runs
    wait for the next time.
    """
    if not store.journal.segments() and not store.journal.begun():
        return Folded()
    done = Folded()
    with store.journal.folding():
        plans = store.journal.begun()
        planned = {name for names in plans.values() for name in names}
        plans |= {store.journal.begin(names): names for names in _portions(store, planned)}
        logged: list[_Logged] = []
        try:
            for fold_id, names in plans.items():
                logged.append(_log_segments(fold_id, names, store))
        finally:
            # Only now is every answer in the log that a truth among them may be of. A fold that
            # fails is tried again, and does not keep the segments of the others here.
            for step in logged:
                done = _joined(done, _end(step, store, clock))
    return done


def _portions(store: Store, planned: Collection[str]) -> list[list[str]]:
    """Share what waits, and is not planned yet, among folds that memory can hold."""
    portions: list[list[str]] = []
    size = _MOST_BYTES
    for segment in store.journal.segments():
        if segment.name in planned:
            continue
        if size + segment.size_bytes > _MOST_BYTES:
            portions.append([])
            size = 0
        portions[-1].append(segment.name)
        size += segment.size_bytes
    return portions


@dataclass(frozen=True)
class _Logged:
    """A fold whose predictions are in the log; ``model`` is one of theirs."""

    fold_id: str
    model: str
    n_rows: int
    torn_bytes: int
    aside: list[str]
    truths: list[Truth]


def _log_segments(fold_id: str, names: Sequence[str], store: Store) -> _Logged:
    torn, aside = 0, []
    records: list[Record] = []
    truths: list[Truth] = []
    is_known = _Versions(store)
    for name in names:
        try:
            content = store.journal.read(name)
        except StoreError:
            aside.append(name)
            continue
        if content is None:
            # The log has all of this fold: its segments are being removed.
            continue
        torn += content.torn_bytes
        if content.damaged_bytes:
            aside.append(name)
        known = [record for record in content.records if is_known(record)]
        if len(known) < len(content.records):
            aside.append(name)
        records += known
        truths += content.truths
    n_rows = _log(fold_id, records, store)
    return _Logged(fold_id, records[0].model if records else "", n_rows, torn, aside, truths)


def _end(step: _Logged, store: Store, clock: Clock) -> Folded:
    """Make labels of the truths of a fold, and remove its segments."""
    n_labels = _label(step.fold_id, step.truths, store)
    store.journal.finish(step.fold_id, kept=step.aside)
    n_unmatched = sum(len(truth.values) for truth in step.truths) - n_labels
    aside = tuple(dict.fromkeys(step.aside))
    done = Folded(step.n_rows, step.torn_bytes, aside, n_labels, n_unmatched)
    _tell(step.fold_id, step.model, done, store, clock)
    return done


class _Versions:
    """Which versions the store knows; each is asked for once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[tuple[str, int], bool] = {}

    def __call__(self, record: Record) -> bool:
        named = record.model, record.version
        if named not in self._known:
            try:
                self._store.models.get(*named)
            except ModelVersionNotFoundError:
                self._known[named] = False
            else:
                self._known[named] = True
        return self._known[named]


def _log(fold_id: str, records: Iterable[Record], store: Store) -> int:
    """Log records, a file for each model version."""
    parted: dict[tuple[str, int, bool], list[Record]] = defaultdict(list)
    for record in records:
        parted[record.model, record.version, record.shadow].append(record)
    n_rows = 0
    for (model, version, shadow), mine in sorted(parted.items()):
        specification = _specification(model, version, store)
        fresh = _without_repeated(mine, model, store, shadow=shadow)
        if not fresh:
            continue
        frame = frame_of(fresh, specification)
        store.predictions.record(
            specification,
            request_id=f"journal:{fold_id}:{version}{':shadow' if shadow else ''}",
            version=version,
            frame=frame,
            at=_EPOCH + timedelta(microseconds=fresh[-1].at_us),
            shadow=shadow,
        )
        n_rows += frame.height
    return n_rows


def _specification(model: str, version: int, store: Store) -> Specification:
    return store.specifications.get(store.models.get(model, version).spec_digest)


# When a request was logged, and what of it: service, keys and predictions of its rows.
_Found = tuple[int, tuple[object, ...]]


def _without_repeated(
    records: list[Record], model: str, store: Store, *, shadow: bool
) -> list[Record]:
    """Order records by time, without those that repeat one that was logged before.

    Only records that say so may be repetitions: ids that callers choose need not differ.
    """
    asked_again = {record.puid for record in records if record.once}
    logged: dict[str, list[_Found]] = defaultdict(list)
    if asked_again:
        found = store.predictions.find(model, asked_again, shadow=shadow)
        # The rows of a request stand one behind the other, from place 0.
        requests = found.with_columns((pl.col(PLACE_IN_REQUEST) == 0).cum_sum().alias("request"))
        for rows in requests.partition_by("request"):
            content = (rows["_service"][0], tuple(rows[KEY]), tuple(rows["prediction"]))
            at = rows[PREDICTED_AT].to_physical()[0]
            logged[rows[PUID][0]].append((at, content))
    kept = []
    for record in sorted(records, key=lambda record: record.at_us):
        if record.once and _is_repeated(record, logged[record.puid]):
            continue
        if record.puid in asked_again:
            logged[record.puid].append((record.at_us, _content(record)))
        kept.append(record)
    return kept


def _content(record: Record) -> tuple[object, ...]:
    """Give what a record says, as the log finds it."""
    said = record.prediction
    texts = pl.Series(record.numbers()).cast(pl.String) if isinstance(said, bytes) else said
    keys = [None] * record.n_rows if record.keys is None else record.keys
    return record.service, tuple(keys), tuple(texts)


def _is_repeated(record: Record, logged: Sequence[_Found]) -> bool:
    """Tell whether a request is one of those that were logged under its id.

    One that a service was sent again came a moment after the first and has the same answer; one
    that has no service was named by its caller so that it is logged once.
    """
    if not record.service:
        return bool(logged)
    near = [what for at, what in logged if abs(record.at_us - at) < _SENT_AGAIN_US]
    return bool(near) and _content(record) in near


def frame_of(records: Sequence[Record], specification: Specification) -> pl.DataFrame:
    """Give the rows of records of one model version, as the log takes them.

    Returns
    -------
    polars.DataFrame
        ``_puid``, ``_place``, ``_predicted_at``, ``_service``, ``_branch``, ``_key``,
        ``_position`` (null) and the columns of `Predictor.predict`.
    """
    sizes = np.array([record.n_rows for record in records])

    def spread(said: list[str], dtype: pl.DataType) -> pl.Series:
        return pl.Series(said, dtype=dtype).gather(of_row)

    of_row = np.repeat(np.arange(len(records)), sizes)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    times = np.array([record.at_us for record in records], dtype=np.int64)
    keys = chain.from_iterable(
        record.keys if record.keys is not None else [None] * record.n_rows for record in records
    )
    return pl.DataFrame(
        {
            PUID: spread([record.puid for record in records], pl.String()),
            PLACE_IN_REQUEST: np.arange(len(of_row)) - starts,
            PREDICTED_AT: pl.Series(times[of_row]).cast(pl.Datetime("us", "UTC")),
            "_service": spread([record.service for record in records], pl.Categorical()),
            "_branch": spread([record.branch for record in records], pl.Categorical()),
            KEY: pl.Series(list(keys), dtype=pl.String),
            POSITION: pl.Series([None] * len(of_row), dtype=pl.Int64),
            **_predictions(records, specification),
        }
    )


def _predictions(records: Sequence[Record], specification: Specification) -> dict[str, pl.Series]:
    if specification.task == "regression":
        return {"prediction": pl.Series(np.concatenate([r.numbers() for r in records]))}
    labels = chain.from_iterable(record.prediction for record in records)
    said = {"prediction": pl.Series(list(labels), dtype=pl.String)}
    classes = tuple(records[0].classes)
    shares = np.concatenate([record.shares() for record in records])
    if specification.task == "binary":
        positive = positive_class(specification, classes)
        return said | {"probability": pl.Series(shares[:, classes.index(str(positive))])}
    return said | {
        f"{CLASS_PREFIX}{name}": pl.Series(shares[:, place]) for place, name in enumerate(classes)
    }


def _label(fold_id: str, truths: Sequence[Truth], store: Store) -> int:
    """Hand the truths of logged rows over as labels, a file for each model; give their number."""
    n_labels = 0
    missing = {truth.puid: truth for truth in truths}
    # Another branch of the service may have answered, with another model.
    others = store.predictions.gathered() if missing else []
    for model in dict.fromkeys([*(truth.model for truth in truths), *others]):
        logged = store.predictions.find(model, missing) if missing else None
        if logged is None or logged.is_empty():
            continue
        # Ids that callers choose may be those of another service, whose rows are not theirs.
        mine = {puid: missing[puid] for puid in logged[PUID].unique()}
        answered = pl.Series([mine[puid].service for puid in logged[PUID]], dtype=pl.String)
        own = pl.Series([mine[puid].model == model for puid in logged[PUID]], dtype=pl.Boolean)
        logged = logged.filter(
            (logged["_service"] == answered) | ((logged["_service"] == "") & own)
        )
        said = {puid: missing.pop(puid) for puid in logged[PUID].unique()}
        specification = store.specifications.newest(model)
        if specification is not None:
            rows = _labels(logged, said, specification)
            if rows.height:
                name = f"feedback-{fold_id}.csv"
                store.journal.hand_over_labels(model, name, rows.write_csv().encode())
            n_labels += rows.height
    return n_labels


def _labels(
    logged: pl.DataFrame, said: dict[str, Truth], specification: Specification
) -> pl.DataFrame:
    """Give key columns and target of the rows that have a key and a truth."""
    columns: dict[str, list[str]] = {
        name: [] for name in (*specification.key, specification.target)
    }
    for puid, place, key in logged.select(PUID, PLACE_IN_REQUEST, KEY).iter_rows():
        values = said[puid].values
        parts = key_parts(key, specification) if key is not None and specification.key else None
        if parts is None or place >= len(values) or values[place] is None:
            continue
        for name, text in zip(columns, [*parts, _text(values[place])], strict=True):
            columns[name].append(text)
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def _text(said: float | str | bool) -> str:
    """Write a truth as a file would hold it."""
    if isinstance(said, bool):
        return "true" if said else "false"
    return said if isinstance(said, str) else repr(said)


def _tell(fold_id: str, model: str, done: Folded, store: Store, clock: Clock) -> None:
    """Record what was lost, set aside or labelled; that predictions moved is no news."""
    parts = []
    if done.n_labels or done.n_unmatched:
        parts.append(
            f"feedback on {done.n_labels} rows went to the inbox as labels, on "
            f"{done.n_unmatched} it cannot: they are not in the log, or have no key"
        )
    if done.torn_bytes:
        parts.append(
            f"{done.torn_bytes} bytes at the end of the journal are no whole record: a process "
            "was killed, or the power failed, before it could answer"
        )
    if done.set_aside:
        parts.append(
            f"{len(done.set_aside)} segments of the journal hold damaged records, or some of an "
            "unknown model version, and were set aside"
        )
    if not parts:
        return
    store.audit.record(
        audit_event(
            model,
            "Prediction",
            f"journal:{fold_id}",
            "; ".join(parts),
            at=clock.now(),
            severity=Severity.WARNING if done.torn_bytes or done.set_aside else Severity.INFO,
            facts={"torn_bytes": done.torn_bytes, "set_aside": list(done.set_aside)},
        )
    )


def _joined(one: Folded, other: Folded) -> Folded:
    return Folded(
        one.n_rows + other.n_rows,
        one.torn_bytes + other.torn_bytes,
        one.set_aside + other.set_aside,
        one.n_labels + other.n_labels,
        one.n_unmatched + other.n_unmatched,
    )
