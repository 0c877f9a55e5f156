"""Validates and stores the rows of one file."""

from iris_ct.components.operations.operation import Operation
from iris_ct.flow.ingest import Arrival, ingest_file
from iris_ct.flow.standstill import note_failed_batch
from iris_ct.messages import FileStored, StoringRequested


class IngestionOperation(Operation):
    """Turn a file into a batch, or into a report why not."""

    def store_file(self, request: StoringRequested) -> FileStored:
        """Reply with what became of the file."""
        arrival = Arrival(
            request.model,
            request.path,
            request.source,
            request.kind,
            request.released_batch,
            request.actor,
        )
        store, clock = self.parts.store, self.parts.clock
        try:
            stored = ingest_file(
                arrival, files=self.parts.files, inbox=self.parts.inbox, store=store, clock=clock
            )
        except Exception as error:
            # Raised again; kept too, for who asks what a table waits for.
            note_failed_batch(arrival.model, arrival.path, error, store=store, clock=clock)
            raise
        return FileStored(
            request.model,
            stored.outcome,
            stored.batch_id,
            stored.n_rows,
            stored.n_labelled,
            stored.n_quarantined,
            stored.text,
        )
