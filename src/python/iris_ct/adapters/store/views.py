"""The views for people and programs that ask in SQL; the tables behind them may change.

Plain selects: no order, no limit, no JSON functions, no values to bind. Times are timestamps in
UTC. On SQLite and PostgreSQL a view is ``ctv_model_version``, on InterSystems IRIS
``CT.ModelVersion``. A changed view needs a step in `migrations`, so that old databases get it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from iris_ct.adapters.store import tables

IRIS_SCHEMA = "CT"
"""Schema of the views on InterSystems IRIS."""


class utc_timestamp(GenericFunction[Any]):
    """A time kept as `tables.UtcText`, as the database's own timestamp in UTC."""

    type = sa.DateTime()
    inherit_cache = True


@compiles(utc_timestamp, "sqlite")
def _sqlite_timestamp(element: utc_timestamp, compiler: Any, **how: Any) -> str:
    """``2026-01-31 23:59:59.000000``: text, which SQLite's own date functions take as a time."""
    return f"replace(substr({compiler.process(element.clauses, **how)}, 1, 26), 'T', ' ')"


@compiles(utc_timestamp, "postgresql")
def _postgresql_timestamp(element: utc_timestamp, compiler: Any, **how: Any) -> str:
    inner = compiler.process(element.clauses, **how)
    return f"CAST(substr({inner}, 1, 26) AS TIMESTAMP)"


@dataclass(frozen=True)
class View:
    """A named select.

    Attributes
    ----------
    name : str
        In CamelCase, as IRIS shows it.
    """

    name: str
    select: sa.Select[Any]

    @property
    def plain_name(self) -> str:
        """Its name where there is no schema of its own: ``ctv_model_version``."""
        return "ctv" + re.sub(r"(?=[A-Z])", "_", self.name).lower()

    def address(self, dialect: str) -> str:
        """Give its whole name in one dialect of SQLAlchemy (``sqlite``, ``iris`` ...)."""
        return f"{IRIS_SCHEMA}.{self.name}" if dialect == "iris" else self.plain_name

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of its columns, in their order."""
        return tuple(column.name for column in self.select.selected_columns)


def create(connection: sa.Connection) -> None:
    """Make all views; the tables must be there."""
    for view in VIEWS:
        text = compiled(view, connection.dialect)
        name = view.address(connection.dialect.name)
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {text}")


def drop(connection: sa.Connection) -> None:
    """Drop those that are there, so that the tables behind them can be changed."""
    dialect = connection.dialect.name
    schema = IRIS_SCHEMA if dialect == "iris" else None
    there = {name.lower() for name in sa.inspect(connection).get_view_names(schema=schema)}
    for view in VIEWS:
        if (view.name if dialect == "iris" else view.plain_name).lower() in there:
            connection.exec_driver_sql(f"DROP VIEW {view.address(dialect)}")


def compiled(view: View, dialect: sa.Dialect) -> str:
    """Give the text of a view's select in one dialect."""
    return str(view.select.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))


def _model_version() -> sa.Select[Any]:
    t = tables.model_version.c
    return sa.select(
        t.model,
        t.version,
        t.cycle_id,
        t.spec_digest,
        t.recipe_digest,
        t.recipe_window,
        t.recipe_rounds,
        t.refitted,
        t.fit_from,
        t.fit_until,
        t.n_rows,
        t.snapshot_digest,
        t.artifact_digest,
        t.metrics,
        t.holdout_loss,
        utc_timestamp(t.trained_at).label("trained_at"),
        t.run_id,
        t.registry_version,
    )


def _served() -> sa.Select[Any]:
    """One row for each reign ``[served_from, served_until)``; the last one has no end."""
    began, ended = tables.champion.alias("began"), tables.champion.alias("ended")
    is_next = sa.and_(ended.c.model == began.c.model, ended.c.seq == began.c.seq + _number(1))
    return sa.select(
        began.c.model,
        began.c.seq,
        began.c.version,
        utc_timestamp(began.c.since).label("served_from"),
        utc_timestamp(ended.c.since).label("served_until"),
        began.c.since_position,
        began.c.decision_id,
        began.c.actor,
    ).select_from(began.outerjoin(ended, is_next))


def _cycle() -> sa.Select[Any]:
    c, first = tables.cycle, tables.trigger
    opened_by = sa.and_(first.c.cycle_id == c.c.cycle_id, first.c.place == _number(0))
    return sa.select(
        c.c.model,
        c.c.cycle_id,
        c.c.seq,
        c.c.state,
        first.c.reason.label("trigger_reason"),
        first.c.actor,
        c.c.spec_digest,
        c.c.event_now,
        c.c.as_of_seq,
        c.c.accept_reused,
        utc_timestamp(c.c.opened_at).label("opened_at"),
        utc_timestamp(c.c.closed_at).label("closed_at"),
    ).select_from(c.outerjoin(first, opened_by))


def _decision() -> sa.Select[Any]:
    t = tables.decision.c
    return sa.select(
        t.model,
        t.decision_id,
        t.seq,
        t.kind,
        t.outcome,
        t.reason,
        t.actor,
        t.cycle_id,
        utc_timestamp(t.decided_at).label("decided_at"),
        t.digest,
        t.content,
    )


def _drift_report() -> sa.Select[Any]:
    t = tables.drift_report.c
    return sa.select(
        t.model,
        t.report_id,
        t.seq,
        t.batch_id.label("subject"),
        t.version,
        t.status,
        t.drifted,
        t.n_drifted,
        t.n_reference,
        t.n_current,
        t.error_metric,
        t.error_status,
        t.error_drifted,
        t.error_loss,
        t.error_reference_loss,
        t.error_factor,
        t.error_p_value,
        utc_timestamp(t.measured_at).label("measured_at"),
    )


def _drift_feature() -> sa.Select[Any]:
    report, found = tables.drift_report, tables.drift_feature
    judged = [c for c in found.c if c.name != "report_id"]
    return sa.select(
        report.c.model,
        report.c.report_id,
        report.c.seq,
        report.c.version,
        utc_timestamp(report.c.measured_at).label("measured_at"),
        *judged,
    ).select_from(report.join(found, found.c.report_id == report.c.report_id))


def _prediction() -> sa.Select[Any]:
    """Only whole files: while one is being projected, no row of it is seen."""
    file, row = tables.prediction_file, tables.prediction
    of_file = sa.and_(row.c.model == file.c.model, row.c.file_seq == file.c.seq)
    return (
        sa.select(
            row.c.model,
            _either(row.c.puid, file.c.request_id).label("request_id"),
            _either(row.c.request_place, row.c.place).label("place"),
            row.c.row_key,
            row.c.row_position,
            row.c.prediction,
            row.c.prediction_number,
            row.c.prediction_probability,
            file.c.version.label("model_version"),
            file.c.batch_id,
            utc_timestamp(_either(row.c.predicted_at, file.c.predicted_at)).label("predicted_at"),
        )
        .select_from(file.join(row, of_file))
        .where(file.c.n_projected == file.c.n_rows)
    )


def _audit_event() -> sa.Select[Any]:
    t = tables.audit_event.c
    return sa.select(
        t.model,
        t.event_id,
        t.step,
        t.severity,
        t.sentence,
        t.facts,
        utc_timestamp(t.happened_at).label("happened_at"),
    )


def _batch() -> sa.Select[Any]:
    t, rows = tables.batch, tables.row_table
    is_there = sa.and_(
        t.c.seq <= rows.c.through_seq, t.c.state == "stored", t.c.purged_at.is_(None)
    )
    return sa.select(
        t.c.model,
        t.c.batch_id,
        t.c.seq,
        t.c.kind,
        t.c.state,
        t.c.source,
        t.c.n_rows,
        t.c.n_labelled,
        t.c.n_quarantined,
        t.c.first_position,
        t.c.last_position,
        t.c.fingerprint,
        t.c.spec_digest,
        t.c.file_digest,
        sa.case((is_there, _number(1)), else_=_number(0)).label("in_row_table"),
        utc_timestamp(t.c.arrived_at).label("arrived_at"),
        utc_timestamp(t.c.purged_at).label("purged_at"),
    ).select_from(t.outerjoin(rows, rows.c.model == t.c.model))


def _either(own: sa.Column[Any], shared: sa.Column[Any]) -> sa.ColumnElement[Any]:
    """Say a row's own value where it has one, else what its file says of all."""
    return sa.case((own.is_not(None), own), else_=shared)


def _number(said: int) -> sa.ColumnElement[int]:
    """Write a number into the statement; a view has no parameters."""
    return sa.literal_column(str(said), sa.Integer)


VIEWS: tuple[View, ...] = (
    View("ModelVersion", _model_version()),
    View("Served", _served()),
    View("Cycle", _cycle()),
    View("Decision", _decision()),
    View("DriftReport", _drift_report()),
    View("DriftFeature", _drift_feature()),
    View("Prediction", _prediction()),
    View("AuditEvent", _audit_event()),
    View("Batch", _batch()),
)
"""All views, by what they show."""
