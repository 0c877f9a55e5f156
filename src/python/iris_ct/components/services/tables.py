"""Reads the tables that model files name as their source."""

from dataclasses import dataclass
from datetime import datetime

from iop import PollingBusinessService, target

from iris_ct import bootstrap
from iris_ct.components import settings
from iris_ct.core.errors import CTError
from iris_ct.flow.source import due_sources, read_source, waiting_batches
from iris_ct.flow.standstill import SENT_AGAIN
from iris_ct.messages import FileArrived

# Batches of a model that may wait; the rest of its table is read at later polls.
_MOST_WAITING = 4


@dataclass(frozen=True)
class _Sent:
    """The batch of a model that was sent last, and when."""

    path: str
    at: datetime


class TableFeed(PollingBusinessService):
    """Look at each table when its time has come, and send each batch once the one before is stored.

    A later batch may hold newer values of the same rows, so none overtakes another.
    """

    AlertOnError = settings.alert_on_error(True)

    Intake = target(description="Leads a file from its arrival to the decision.")

    def on_init(self) -> None:
        """Take this service's parts from the composition root."""
        self.parts = bootstrap.parts()
        self.sent: dict[str, _Sent] = {}

    def on_poll(self) -> None:
        """Read the due tables by turns, a batch each; a broken one does not stop the others."""
        parts = self.parts
        full = {
            model
            for model in parts.store.specifications.models()
            if self._send_oldest(model) >= _MOST_WAITING
        }
        due = due_sources(
            files=parts.files, store=parts.store, clock=parts.clock, actor=parts.settings.who
        )
        readers = {
            specification.name: read_source(
                specification,
                tables=parts.tables,
                files=parts.source_files,
                store=parts.store,
                clock=parts.clock,
            )
            for specification in due
            if specification.name not in full
        }
        unforeseen: Exception | None = None
        while readers:
            for model in list(readers):
                step = None
                try:
                    step = next(readers[model], None)
                except CTError:
                    # It was noted and told, and is tried again when the model is due.
                    pass
                except Exception as error:  # noqa: BLE001 - raised below, after the other models
                    unforeseen = error
                if self._send_oldest(model) >= _MOST_WAITING or step is None:
                    del readers[model]
        if unforeseen is not None:
            raise unforeseen

    def _send_oldest(self, model: str) -> int:
        """Send the oldest batch that waits, whoever read it; give how many wait."""
        waiting = waiting_batches(model, files=self.parts.source_files, store=self.parts.store)
        if not waiting:
            self.sent.pop(model, None)
            return 0
        path, now = waiting[0], self.parts.clock.now()
        before = self.sent.get(model)
        if before is None or before.path != path or now - before.at >= SENT_AGAIN:
            source = path.rpartition("/")[2].partition("_")[2]
            self.send_request_async(self.Intake, FileArrived(model, path, source, actor="source"))
            self.sent[model] = _Sent(path, now)
        return len(waiting)
