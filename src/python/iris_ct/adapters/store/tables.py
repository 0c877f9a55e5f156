"""The tables of the store, all named ``ct_*``; a change here needs a step in `migrations`.

Plain types only: times are UTC ISO text of one length (so that text order is time order), claims
are 0 or 1, nested values are canonical JSON text.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import BigInteger, Column, Float, Integer, LargeBinary, SmallInteger, String, Text


class UtcText(sa.types.TypeDecorator[datetime]):
    """A timezone-aware time as ``2026-01-31T23:59:59.000000+00:00``."""

    impl = String(32)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> str | None:
        """Write a time; naive ones are refused."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("expected a timezone-aware time, found a naive one")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Any) -> datetime | None:
        """Read a time back."""
        return None if value is None else datetime.fromisoformat(value)


metadata = sa.MetaData()


def _name() -> String:
    return String(64)


def _id() -> String:
    return String(255)


def _digest() -> String:
    return String(64)


def _path() -> String:
    return String(400)


migration = sa.Table(
    "ct_migration",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("what", String(200), nullable=False),
    Column("applied_at", UtcText, nullable=False),
)

lock = sa.Table(
    "ct_lock",
    metadata,
    Column("name", _name(), primary_key=True),
    Column("turns", BigInteger, nullable=False),
)

specification = sa.Table(
    "ct_specification",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("digest", _digest(), nullable=False, index=True),
    Column("content", Text, nullable=False),
    Column("actor", String(200), nullable=False),
    Column("recorded_at", UtcText, nullable=False),
    Column("changed", Text, nullable=False),
    Column("forces_retraining", SmallInteger, nullable=False),
)

batch = sa.Table(
    "ct_batch",
    metadata,
    Column("batch_id", _id(), primary_key=True),
    Column("model", _name(), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("source", Text, nullable=False),
    Column("fingerprint", _id(), nullable=False),
    Column("spec_digest", _digest(), nullable=False),
    Column("first_row", BigInteger, nullable=False),
    Column("n_rows", BigInteger, nullable=False),
    Column("n_labelled", BigInteger, nullable=False),
    Column("n_quarantined", BigInteger, nullable=False),
    Column("first_position", BigInteger),
    Column("last_position", BigInteger),
    Column("path", _path(), nullable=False),
    Column("quarantine_path", _path(), nullable=False),
    Column("file_digest", _digest(), nullable=False),
    Column("arrived_at", UtcText, nullable=False),
    Column("purged_at", UtcText),
    sa.UniqueConstraint("model", "seq", name="ct_batch_seq"),
    sa.UniqueConstraint("model", "fingerprint", name="ct_batch_fingerprint"),
)

quarantine = sa.Table(
    "ct_quarantine",
    metadata,
    Column("batch_id", _id(), sa.ForeignKey("ct_batch.batch_id"), primary_key=True),
    Column("model", _name(), nullable=False, index=True),
    Column("seq", BigInteger, nullable=False),
    Column("n_rows", BigInteger, nullable=False),
    Column("whole_batch", SmallInteger, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("path", _path(), nullable=False),
    Column("arrived_at", UtcText, nullable=False),
    Column("released_at", UtcText),
    Column("released_by", String(200)),
    Column("released_in", _id()),
    Column("purged_at", UtcText),
)

summary = sa.Table(
    "ct_summary",
    metadata,
    Column("batch_id", _id(), sa.ForeignKey("ct_batch.batch_id"), primary_key=True),
    Column("model", _name(), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
    sa.Index("ct_summary_span", "model", "last_position"),
)

grid = sa.Table(
    "ct_grid",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("spec_digest", _digest(), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)

reference = sa.Table(
    "ct_reference",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
)

drift_report = sa.Table(
    "ct_drift_report",
    metadata,
    Column("report_id", _id(), primary_key=True),
    Column("model", _name(), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("batch_id", _id(), nullable=False),
    Column("content", Text, nullable=False),
    # From here on for views; null in what was recorded as something else than a report.
    Column("version", Integer),
    Column("status", String(16)),
    Column("drifted", SmallInteger),
    Column("n_drifted", Integer),
    Column("n_reference", BigInteger),
    Column("n_current", BigInteger),
    Column("error_metric", String(32)),
    Column("error_status", String(16)),
    Column("error_drifted", SmallInteger),
    Column("error_loss", Float(53)),
    Column("error_reference_loss", Float(53)),
    Column("error_factor", Float(53)),
    Column("error_p_value", Float(53)),
    Column("measured_at", UtcText),
    sa.UniqueConstraint("model", "seq", name="ct_drift_report_seq"),
)

drift_feature = sa.Table(
    "ct_drift_feature",
    metadata,
    Column("report_id", _id(), sa.ForeignKey("ct_drift_report.report_id"), primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("feature", Text, nullable=False),
    Column("column_role", String(16), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("drifted", SmallInteger, nullable=False),
    Column("reason", String(32), nullable=False),
    Column("psi", Float(53)),
    Column("psi_threshold", Float(53)),
    Column("statistic_name", String(32)),
    Column("statistic", Float(53)),
    Column("p_value", Float(53)),
    Column("adjusted_p_value", Float(53)),
    Column("missing_before", Float(53)),
    Column("missing_now", Float(53)),
    Column("unseen_before", Float(53)),
    Column("unseen_now", Float(53)),
    Column("mean_shift", Float(53)),
)

snapshot = sa.Table(
    "ct_snapshot",
    metadata,
    Column("snapshot_id", _id(), primary_key=True),
    Column("model", _name(), nullable=False, index=True),
    Column("spec_digest", _digest(), nullable=False),
    Column("path", _path(), nullable=False),
    Column("digest", _digest(), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("as_of_seq", BigInteger, nullable=False),
    Column("from_position", BigInteger, nullable=False),
    Column("horizon", BigInteger, nullable=False),
    Column("n_rows", BigInteger, nullable=False),
    Column("first_position", BigInteger, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("cut_at", UtcText, nullable=False),
    Column("purged_at", UtcText),
)

prediction_file = sa.Table(
    "ct_prediction_file",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("request_id", _id(), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("batch_id", _id()),
    Column("n_rows", BigInteger, nullable=False),
    Column("path", _path(), nullable=False),
    Column("file_digest", _digest(), nullable=False),
    Column("predicted_at", UtcText, nullable=False),
    Column("purged_at", UtcText),
    # How many of them, from the first, are also rows of ct_prediction.
    Column("n_projected", BigInteger, nullable=False, server_default="0"),
    # 1: nobody was given these answers.
    Column("shadow", SmallInteger, nullable=False, server_default="0"),
    # When the first of them was predicted; null: all at predicted_at.
    Column("predicted_from", UtcText),
    # How many have a key, and between which keys; null: not known.
    Column("n_keyed", BigInteger),
    Column("first_key", _id()),
    Column("last_key", _id()),
    sa.UniqueConstraint("model", "seq", name="ct_prediction_file_seq"),
)

prediction = sa.Table(
    "ct_prediction",
    metadata,
    Column("model", _name(), primary_key=True),
    # The prediction_file's seq; what all its predictions share is looked up there.
    Column("file_seq", BigInteger, primary_key=True, autoincrement=False),
    Column("place", BigInteger, primary_key=True, autoincrement=False),
    Column("row_key", _id()),
    Column("row_position", BigInteger),
    Column("prediction", Text),
    Column("prediction_number", Float(53)),
    Column("prediction_probability", Float(53)),
    # Of a file that holds many requests: which one, its row and its time.
    Column("puid", _id()),
    Column("request_place", BigInteger),
    Column("predicted_at", UtcText),
    sa.Index("ct_prediction_key", "model", "row_key"),
    sa.Index("ct_prediction_puid", "model", "puid"),
)

row_table = sa.Table(
    "ct_row_table",
    metadata,
    Column("model", _name(), primary_key=True),
    # The columns that ct_rows_<model> has now, as JSON text.
    Column("layout", Text, nullable=False),
    # All arrivals up to this one are in it, and this many rows of the next one.
    Column("through_seq", BigInteger, nullable=False),
    Column("n_rows", BigInteger, nullable=False),
)

cycle = sa.Table(
    "ct_cycle",
    metadata,
    Column("cycle_id", _id(), primary_key=True),
    Column("model", _name(), nullable=False),
    Column("seq", BigInteger, nullable=False),
    # 0 while the cycle is open, its seq afterwards: at most one is open per model.
    Column("open_slot", BigInteger, nullable=False),
    Column("state", String(16), nullable=False),
    Column("spec_digest", _digest(), nullable=False),
    Column("opened_at", UtcText, nullable=False),
    Column("closed_at", UtcText),
    Column("event_now", BigInteger),
    Column("as_of_seq", BigInteger),
    Column("accept_reused", SmallInteger, nullable=False),
    sa.UniqueConstraint("model", "seq", name="ct_cycle_seq"),
    sa.UniqueConstraint("model", "open_slot", name="ct_cycle_open"),
)

trigger = sa.Table(
    "ct_trigger",
    metadata,
    Column("trigger_id", _id(), primary_key=True),
    Column("cycle_id", _id(), sa.ForeignKey("ct_cycle.cycle_id"), nullable=False, index=True),
    Column("place", Integer, nullable=False),
    Column("model", _name(), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("event_now", BigInteger),
    Column("asked_at", UtcText, nullable=False),
    Column("facts", Text, nullable=False),
    sa.UniqueConstraint("cycle_id", "place", name="ct_trigger_place"),
)

spent_rows = sa.Table(
    "ct_spent_rows",
    metadata,
    Column("cycle_id", _id(), primary_key=True),
    Column("model", _name(), nullable=False, index=True),
    Column("first_position", BigInteger, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("n_rows", BigInteger, nullable=False),
)

decision = sa.Table(
    "ct_decision",
    metadata,
    Column("decision_id", _id(), primary_key=True),
    Column("model", _name(), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("digest", _digest(), nullable=False),
    # What views show of the content, which alone is digested.
    Column("kind", String(32)),
    Column("outcome", String(32)),
    Column("reason", Text),
    Column("actor", Text),
    Column("cycle_id", _id()),
    Column("decided_at", UtcText),
    sa.UniqueConstraint("model", "seq", name="ct_decision_seq"),
)

model_version = sa.Table(
    "ct_model_version",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("cycle_id", _id(), nullable=False, unique=True),
    Column("spec_digest", _digest(), nullable=False),
    Column("recipe_digest", _digest(), nullable=False),
    Column("recipe_window", String(64), nullable=False),
    Column("recipe_rounds", Integer, nullable=False),
    Column("artifact", _path(), nullable=False),
    Column("artifact_digest", _digest(), nullable=False),
    Column("refitted", SmallInteger, nullable=False),
    Column("fit_from", BigInteger, nullable=False),
    Column("fit_until", BigInteger, nullable=False),
    Column("n_rows", BigInteger, nullable=False),
    Column("snapshot_digest", _digest(), nullable=False),
    Column("metrics", Text, nullable=False),
    Column("holdout_loss", Float(53)),
    Column("trained_at", UtcText, nullable=False),
    Column("run_id", _id()),
    Column("registry_version", _name()),
)

champion = sa.Table(
    "ct_champion",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("since", UtcText, nullable=False),
    Column("since_position", BigInteger),
    Column("decision_id", _id(), nullable=False, unique=True),
    Column("actor", String(200), nullable=False),
    sa.ForeignKeyConstraint(
        ["model", "version"], ["ct_model_version.model", "ct_model_version.version"]
    ),
)

registry_alias = sa.Table(
    "ct_registry_alias",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("champion_seq", BigInteger, nullable=False),
)

audit_event = sa.Table(
    "ct_audit_event",
    metadata,
    Column("event_id", _id(), primary_key=True),
    Column("model", _name(), nullable=False),
    Column("step", _name(), nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("sentence", Text, nullable=False),
    Column("facts", Text, nullable=False),
    Column("happened_at", UtcText, nullable=False),
    Column("written", SmallInteger, nullable=False),
    sa.Index("ct_audit_event_written", "written", "happened_at"),
    sa.Index("ct_audit_event_model", "model", "happened_at"),
)

# How far a model's table has been read.
source = sa.Table(
    "ct_source",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("place", _digest(), nullable=False),
    # Grows with each reading; of two readers that began at the same turn one is refused.
    Column("turn", BigInteger, nullable=False),
    Column("newest_id", BigInteger),
    Column("window_from", BigInteger),
    Column("settled_mark", String(200)),
    Column("settling_mark", String(200)),
    Column("settling_at", UtcText),
    Column("swept_to", BigInteger),
    Column("swept_at", UtcText),
    Column("looked_at", UtcText),
    Column("read_at", UtcText),
    Column("n_new", BigInteger, nullable=False),
    Column("n_changed", BigInteger, nullable=False),
    Column("n_deleted", BigInteger, nullable=False),
    Column("n_batches", BigInteger, nullable=False),
    Column("n_failures", BigInteger, nullable=False),
    Column("failure", Text),
    Column("pending", Text, nullable=False),
)

# Rows that may come again: what they said when they were read last.
source_row = sa.Table(
    "ct_source_row",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("source_id", BigInteger, primary_key=True, autoincrement=False),
    Column("row_digest", _digest(), nullable=False),
    Column("read_at", UtcText, nullable=False),
)

# All ids that were read, packed, some thousands to a row.
source_ids = sa.Table(
    "ct_source_ids",
    metadata,
    Column("model", _name(), primary_key=True),
    Column("from_id", BigInteger, primary_key=True, autoincrement=False),
    Column("n_rows", BigInteger, nullable=False),
    Column("content", LargeBinary, nullable=False),
)

# What was wished of a model service, as JSON text.
service = sa.Table(
    "ct_service",
    metadata,
    Column("name", _id(), primary_key=True),
    Column("content", Text, nullable=False),
    Column("actor", String(200), nullable=False),
    # Grows with each change.
    Column("turn", BigInteger, nullable=False),
    Column("started_at", UtcText, nullable=False),
    Column("changed_at", UtcText, nullable=False),
)

# Models from elsewhere.
package = sa.Table(
    "ct_package",
    metadata,
    Column("package_id", _id(), primary_key=True),
    Column("version", _name(), primary_key=True),
    Column("image", _path(), nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("about", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("actor", String(200), nullable=False),
    Column("domain_name", _name(), nullable=False),
    Column("place", _path(), nullable=False),
    Column("runtime", String(32), nullable=False),
    Column("signed_by", String(200), nullable=False),
    Column("failure", Text, nullable=False),
    Column("onboarded_at", UtcText, nullable=False),
)

# Whose signed packages are taken.
author = sa.Table(
    "ct_author",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("public_key", Text, nullable=False),
    Column("key_digest", _digest(), nullable=False, unique=True),
    Column("actor", String(200), nullable=False),
    Column("registered_at", UtcText, nullable=False),
)
