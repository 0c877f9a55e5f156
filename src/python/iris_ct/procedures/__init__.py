"""What people and programs can ask: one definition for command line, SQL and HTTP.

Each procedure takes the `Parts` of a home and plain arguments, and gives plain JSON values whose
keys are documented in docs/procedures.md and stay. Those that change something send a message
into the production through a `Door`; the others only read the store.
"""

from iris_ct.procedures.batches import (
    export_quarantine,
    ingest,
    predict,
    purge,
    quarantine,
    release,
)
from iris_ct.procedures.cycles import cancel, cycle_state, promote, retrain, roll_back
from iris_ct.procedures.door import Answer, Door, Messages
from iris_ct.procedures.initiation import init
from iris_ct.procedures.messages import host_log, resend, sessions, suspend, trace
from iris_ct.procedures.models import drift, models, specification, status
from iris_ct.procedures.predictions import predict_batch, predict_row, served_at
from iris_ct.procedures.records import decisions, explain, history, log
from iris_ct.procedures.sources import hand_over_source, ingest_source, read_source_now
from iris_ct.procedures.timeline import timeline

__all__ = [
    "Answer",
    "Door",
    "Messages",
    "cancel",
    "cycle_state",
    "decisions",
    "drift",
    "explain",
    "export_quarantine",
    "hand_over_source",
    "history",
    "host_log",
    "ingest",
    "ingest_source",
    "init",
    "log",
    "models",
    "predict",
    "predict_batch",
    "predict_row",
    "promote",
    "purge",
    "quarantine",
    "read_source_now",
    "release",
    "resend",
    "retrain",
    "roll_back",
    "served_at",
    "sessions",
    "specification",
    "status",
    "suspend",
    "timeline",
    "trace",
]
