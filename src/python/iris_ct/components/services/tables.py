"""Reads the tables that model files name as their source."""

from contextlib import suppress

from iop import PollingBusinessService, target

from iris_ct import bootstrap
from iris_ct.components import settings
from iris_ct.core.errors import CTError
from iris_ct.flow.source import due_sources, read_source, waiting_batches
from iris_ct.messages import FileArrived


class TableFeed(PollingBusinessService):
    """Look at each table when its time has come, and send each batch on its way."""

    AlertOnError = settings.alert_on_error(True)

    Intake = target(description="Leads a file from its arrival to the decision.")

    def on_init(self) -> None:
        """Take this service's parts from the composition root."""
        self.parts = bootstrap.parts()
        self.sent: set[str] = set()

    def on_poll(self) -> None:
        """Read the due tables by turns, a batch each; a broken one does not stop the others."""
        parts = self.parts
        for model in parts.files.names():
            self._send_waiting(model)
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
        }
        while readers:
            for model in list(readers):
                more = None
                # What is broken was noted and told; it is tried again when it is due.
                with suppress(CTError):
                    more = next(readers[model], None)
                if more is None:
                    del readers[model]
                self._send_waiting(model)

    def _send_waiting(self, model: str) -> None:
        """Send what was read here, or by a process that ended before it could."""
        waiting = waiting_batches(model, files=self.parts.source_files, store=self.parts.store)
        for path in waiting:
            if path not in self.sent:
                source = path.rpartition("/")[2].partition("_")[2]
                self.send_request_async(
                    self.Intake, FileArrived(model, path, source, actor="source")
                )
                self.sent.add(path)
        self.sent -= {path for path in self.sent if _is_of(path, model) and path not in waiting}


def _is_of(path: str, model: str) -> bool:
    return f"/{model}/" in path
