"""Validates and stores the rows of one file."""

from iris_ct.components.operations.operation import Operation
from iris_ct.flow.ingest import Arrival, ingest_file
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
        stored = ingest_file(
            arrival,
            files=self.parts.files,
            inbox=self.parts.inbox,
            store=self.parts.store,
            clock=self.parts.clock,
        )
        return FileStored(
            request.model,
            stored.outcome,
            stored.batch_id,
            stored.n_rows,
            stored.n_labelled,
            stored.n_quarantined,
            stored.text,
        )
