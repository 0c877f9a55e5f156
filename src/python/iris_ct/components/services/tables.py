"""Reads the tables that model files name as their source."""

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
        for model in parts.store.specifications.models():
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
                if step is None:
                    del readers[model]
                self._send_waiting(model)
        if unforeseen is not None:
            raise unforeseen

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
