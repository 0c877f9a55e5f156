"""Messages between components: identifiers and small facts, never rows.

Requests are named by wish, replies by fact. Every handler is safe to run twice: the identifiers in
a message are made by whoever first wished for something and name the same work each time.
"""

# No postponed annotations here: iop reads the field types when it rebuilds a message.
from dataclasses import dataclass
from typing import Literal

from iop import Message

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class FileArrived(Message):
    """A complete file was claimed from the inbox or handed over by a person.

    ``path`` is relative to the home; ``kind`` is rows, labels or release (rows that come back
    from the quarantine of ``released_batch``).
    """

    model: str
    path: str
    source: str
    kind: str = "rows"
    released_batch: str = ""
    actor: str = "inbox"
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class StoringRequested(Message):
    """Validate a file's rows and store them."""

    model: str
    path: str
    source: str
    kind: str
    released_batch: str
    actor: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class FileStored(Message):
    """What became of a file: stored, quarantined, duplicate or refused."""

    model: str
    outcome: str
    batch_id: str
    n_rows: int
    n_labelled: int
    n_quarantined: int
    text: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class ObservationRequested(Message):
    """Predict an arrived batch with the champion."""

    model: str
    batch_id: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class BatchObserved(Message):
    """The batch's predictions are logged; version 0 says that nothing serves yet."""

    model: str
    batch_id: str
    version: int
    n_predicted: int
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class DriftCheckRequested(Message):
    """Compare what is newer than the champion's fit with its reference window.

    ``subject`` names the check for ever: the batch that arrived, or the cycle that ended.
    """

    model: str
    subject: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class DriftChecked(Message):
    """The stored report, in short."""

    model: str
    report_id: str
    drifted: bool
    n_drifted_features: int
    error_drifted: bool
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class RetrainingRequested(Message):
    """Decide whether to retrain: for a batch, a schedule, a person or another system.

    ``wish`` is batch, manual, schedule or follow_up; ``request_id`` names the wish for ever;
    ``note`` is what a person or another system says beside it, for the record.
    """

    model: str
    request_id: str
    wish: str
    actor: str
    batch_id: str = ""
    accept_reused: bool = False
    schema_version: int = SCHEMA_VERSION
    note: str = ""


@dataclass(frozen=True)
class RetrainingDecided(Message):
    """Retrain, join or skip; the cycle is empty when skipped."""

    model: str
    outcome: str
    reason: str
    cycle_id: str
    decision_id: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class CycleRequested(Message):
    """Run an opened training cycle to its end."""

    model: str
    cycle_id: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class CycleEnded(Message):
    """How a cycle ended: promoted, held, rejected, failed or cancelled.

    ``newer_arrivals`` says that rows or labels came after its snapshot was cut.
    """

    model: str
    cycle_id: str
    outcome: str
    version: int
    newer_arrivals: bool
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class SnapshotRequested(Message):
    """Cut the cycle's snapshot and split its rows."""

    model: str
    cycle_id: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class SnapshotCut(Message):
    """Whether the cut rows are enough to judge a challenger."""

    model: str
    cycle_id: str
    sufficient: bool
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class TrainingRequested(Message):
    """Fit a challenger; ``phase`` is challenger or refit."""

    model: str
    cycle_id: str
    phase: Literal["challenger", "refit"]
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class ModelTrained(Message):
    """A fit ended; ``outcome`` is trained, failed or cancelled."""

    model: str
    cycle_id: str
    phase: str
    outcome: str
    text: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class EvaluationRequested(Message):
    """Put champion and challenger on the same holdout and ask the gate."""

    model: str
    cycle_id: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class ChallengerJudged(Message):
    """The gate's outcome: promote, hold or reject."""

    model: str
    cycle_id: str
    outcome: str
    decision_id: str
    refit: bool
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class ConclusionRequested(Message):
    """Keep the version, appoint it where the gate said so, and close the cycle.

    ``failure`` says why there is no model; it is empty when there is one or none was tried.
    """

    model: str
    cycle_id: str
    failure: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class RollbackRequested(Message):
    """Let an earlier version serve again; version 0 is the one before the champion."""

    model: str
    request_id: str
    version: int
    actor: str
    reason: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class AppointmentRequested(Message):
    """Let a kept version serve because a person says so, whatever the gate said."""

    model: str
    request_id: str
    version: int
    actor: str
    reason: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class ChampionAppointed(Message):
    """Who serves now."""

    model: str
    version: int
    decision_id: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class RegistrationRequested(Message):
    """Bring MLflow up to date with the store."""

    model: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class RegistryUpdated(Message):
    """How many versions MLflow still lacks; they are finished later."""

    n_registered: int
    n_pending: int
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class NotificationRequested(Message):
    """Write audit events that no console log line carries yet."""

    model: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class Notified(Message):
    """How many lines were written."""

    n_lines: int
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class PredictionRequested(Message):
    """Predict one row: ``row`` is the key of a stored one, or a JSON object with the features.

    Besides `InvocationRequested` the only message that may hold values of a row, since another
    production asks with them.
    ``request_id`` names the prediction for ever; empty, each delivery is a new one.
    """

    model: str
    row: str
    request_id: str = ""
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class PredictionMade(Message):
    """The prediction of one row; ``detail`` is the whole answer as JSON."""

    model: str
    prediction: str
    version: int
    detail: str
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class InvocationRequested(Message):
    """Score the rows in ``content``, which is in the format that the item InvokeModel is set to.

    May hold values of rows, as `PredictionRequested`. ``model`` and ``feature_names`` (separated
    by commas), if said, win over the item's settings. ``request_id`` names the request for ever;
    empty, each delivery is a new one.
    """

    content: str
    model: str = ""
    feature_names: str = ""
    request_id: str = ""
    schema_version: int = SCHEMA_VERSION


@dataclass(frozen=True)
class InvocationAnswered(Message):
    """The predictions in ``content``, in the format of the request.

    ``names`` are the columns of an ndarray, tensor or tftensor, separated by commas; ``message``
    is the whole Seldon message as JSON.
    """

    model: str
    version: int
    output_format: str
    content: str
    names: str
    message: str
    request_id: str
    schema_version: int = SCHEMA_VERSION
