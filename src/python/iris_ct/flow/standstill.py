"""A batch of a table that is not stored: noted when it fails, and told to who asks for the state.

The batches of a model are stored one after the other, so one that fails each time keeps all later
ones waiting, and in the end its table from being read.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from iris_ct.core.audit import AuditEvent, Severity
from iris_ct.core.errors import CTError
from iris_ct.flow.identify import audit_event
from iris_ct.flow.source import waiting_batches
from iris_ct.ports import Clock, SourceFiles, Store

# A batch that still waits then was not stored, and is sent again; sent twice does no harm.
SENT_AGAIN = timedelta(minutes=5)
# Events of a model among which a failure is looked for: while its table stands still there are few.
_NEWEST = 1000
_LONGEST = 200


@dataclass(frozen=True)
class Standstill:
    """What keeps a model's table from being read on.

    Attributes
    ----------
    path : str
        The oldest batch that waits, relative to the home.
    since : datetime
        When it was read.
    n_waiting : int
        Batches that wait, with this one.
    failure : str or None
        Why it was not stored the last time; None if no attempt has failed.
    """

    model: str
    path: str
    since: datetime
    n_waiting: int
    failure: str | None

    def words(self) -> str:
        """Say what stands still since when and why, and what to do."""
        since = f"{self.since:%Y-%m-%d %H:%M:%S} UTC"
        wait = f"stands still: {self.n_waiting} batches wait, the oldest since {since}"
        if self.failure is None:
            return (
                f"{wait}. No attempt to store it has failed: does the production run ('ct "
                "doctor'), and are its items Intake and Ingestion on ('ct log --host')?"
            )
        return (
            f"{wait}. {self.failure} Mend that: it is tried again every "
            f"{SENT_AGAIN.seconds // 60} minutes while the production runs, at once by 'ct ingest "
            f"{self.model}'. To go on without it, move {self.path} out of its folder, and hand it "
            f"over later by 'ct ingest {self.model} FILE'."
        )


def note_failed_batch(
    model: str, path: str, error: Exception, *, store: Store, clock: Clock
) -> None:
    """Keep why a batch of a table was not stored; told once for each reason, not at each attempt.

    Parameters
    ----------
    path : str
        What failed; anything but a batch that waits is passed over.
    """
    state = store.sources.state(model)
    if state is None or path not in state.pending:
        return
    told = _told(model, path, store)
    text = f"{path.rpartition('/')[2]} cannot be stored: {_reason(error)}"
    if told and told[-1].text == text:
        return
    store.audit.record(
        audit_event(
            model,
            "Source",
            f"failed:{path}:{len(told) + 1}",
            text,
            at=clock.now(),
            severity=Severity.WARNING,
            facts={"path": path},
        )
    )


def standstill(
    model: str, *, files: SourceFiles, store: Store, now: datetime
) -> Standstill | None:
    """Tell what keeps a model's table from being read on; None if batches come and go."""
    waiting = waiting_batches(model, files=files, store=store)
    if not waiting:
        return None
    path = waiting[0]
    since, told = files.read_at(path), _told(model, path, store)
    if not told and now - since < SENT_AGAIN:
        return None
    return Standstill(model, path, since, len(waiting), told[-1].text if told else None)


def _told(model: str, path: str, store: Store) -> list[AuditEvent]:
    return [
        event
        for event in store.audit.events(model, newest=_NEWEST)
        if str(event.facts["subject"]).startswith(f"failed:{path}:")
    ]


def _reason(error: Exception) -> str:
    """Say why, in one line: only texts that hold no value of a row."""
    if isinstance(error, CTError):
        said = str(error).partition("\n")[0]
    elif isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        said = f"{type(error).__name__}: {error.strerror}{place}."
    else:
        said = f"{type(error).__name__}; the log of the production ('ct log --host') says where."
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"
