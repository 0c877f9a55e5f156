"""What the numbered steps of `migrations` do to a database of an earlier release.

Written once and never changed after a release: what a step adds is spelled out here, so that a
later change of `tables` cannot change the past. Statements are those that SQLite, PostgreSQL and
InterSystems IRIS have in common.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.decisions import shown_values
from iris_ct.adapters.store.summaries import feature_values, report_values

# Records filled at once: a few megabytes of JSON text.
_PAGE = 500

_DECISION = {
    "kind": "VARCHAR(32)",
    "outcome": "VARCHAR(32)",
    "reason": "TEXT",
    "actor": "TEXT",
    "cycle_id": "VARCHAR(255)",
    "decided_at": "VARCHAR(32)",
}
_DRIFT_REPORT = {
    "version": "INTEGER",
    "status": "VARCHAR(16)",
    "drifted": "SMALLINT",
    "n_drifted": "INTEGER",
    "n_reference": "BIGINT",
    "n_current": "BIGINT",
    "error_metric": "VARCHAR(32)",
    "error_status": "VARCHAR(16)",
    "error_drifted": "SMALLINT",
    "error_loss": "DOUBLE PRECISION",
    "error_reference_loss": "DOUBLE PRECISION",
    "error_factor": "DOUBLE PRECISION",
    "error_p_value": "DOUBLE PRECISION",
    "measured_at": "VARCHAR(32)",
}
_PREDICTION_FILE = {
    "shadow": "SMALLINT DEFAULT 0 NOT NULL",
    "predicted_from": "VARCHAR(32)",
    "n_keyed": "BIGINT",
    "first_key": "VARCHAR(255)",
    "last_key": "VARCHAR(255)",
}
_PREDICTION = {
    "puid": "VARCHAR(255)",
    "request_place": "BIGINT",
    "predicted_at": "VARCHAR(32)",
}

# What step 2 made and a later step changes.
_STEP_2 = sa.MetaData()
sa.Table(
    "ct_prediction",
    _STEP_2,
    sa.Column("model", sa.String(64), primary_key=True),
    sa.Column("file_seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("place", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("row_key", sa.String(255)),
    sa.Column("row_position", sa.BigInteger),
    sa.Column("prediction", sa.Text),
    sa.Column("prediction_number", sa.Float(53)),
    sa.Column("prediction_probability", sa.Float(53)),
    sa.Index("ct_prediction_key", "model", "row_key"),
)


def show_records(connection: sa.Connection) -> None:
    """Step 2: columns for what was JSON text; tables for drift, predictions, rows and sources."""
    _add(connection, "ct_decision", _DECISION)
    _add(connection, "ct_drift_report", _DRIFT_REPORT)
    _add(connection, "ct_prediction_file", {"n_projected": "BIGINT DEFAULT 0 NOT NULL"})
    # Makes what is not there. A later step that changes one of these tables writes it down here
    # first, as it is now.
    _STEP_2.create_all(connection)
    tables.metadata.create_all(connection)
    decision, report = tables.decision, tables.drift_report
    _fill(connection, decision, decision.c.decision_id, _DECISION, shown_values)
    _fill(connection, report, report.c.report_id, _DRIFT_REPORT, report_values)
    for page in _pages(connection, report, report.c.report_id):
        said = [(row.identifier, json.loads(row.content)) for row in page]
        features = [
            row for report_id, content in said for row in feature_values(report_id, content)
        ]
        if features:
            connection.execute(sa.insert(tables.drift_feature), features)


def gather_predictions(connection: sa.Connection) -> None:
    """Step 3: a prediction file may hold many requests, and says between which keys they are."""
    _add(connection, "ct_prediction_file", _PREDICTION_FILE)
    _add(connection, "ct_prediction", _PREDICTION)
    connection.exec_driver_sql("CREATE INDEX ct_prediction_puid ON ct_prediction (model, puid)")


def keep_services(connection: sa.Connection) -> None:
    """Step 4: tables for model services, packages and their authors."""
    # Makes what is not there; see step 2.
    made = [tables.service, tables.package, tables.author]
    tables.metadata.create_all(connection, tables=made)


def _add(connection: sa.Connection, table: str, columns: dict[str, str]) -> None:
    for name, kind in columns.items():
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {name} {kind}")


def _fill(
    connection: sa.Connection,
    table: sa.Table,
    identifier: sa.Column[str],
    columns: Collection[str],
    shown: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    """Fill the new columns of a table from the JSON text of its records, which stays."""
    change = (
        sa.update(table)
        .where(identifier == sa.bindparam("b_identifier"))
        .values({name: sa.bindparam(f"b_{name}") for name in columns})
    )
    for page in _pages(connection, table, identifier):
        values = [(row.identifier, shown(json.loads(row.content))) for row in page]
        connection.execute(
            change,
            [
                {"b_identifier": said, **{f"b_{name}": value[name] for name in columns}}
                for said, value in values
            ],
        )


def _pages(
    connection: sa.Connection, table: sa.Table, identifier: sa.Column[str]
) -> Iterator[Sequence[Any]]:
    """Give identifier and content of all records, page by page of each model's numbers."""
    newest = sa.select(table.c.model, sa.func.max(table.c.seq)).group_by(table.c.model)
    for model, last in connection.execute(newest).all():
        for first in range(1, last + 1, _PAGE):
            page = sa.select(identifier.label("identifier"), table.c.content).where(
                table.c.model == model, table.c.seq >= first, table.c.seq < first + _PAGE
            )
            yield connection.execute(page).all()
