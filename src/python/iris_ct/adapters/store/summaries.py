"""Drift summaries, the grids they are counted on, and drift reports."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.engine import Database

_S, _G, _R, _D = tables.summary, tables.grid, tables.reference, tables.drift_report
_F = tables.drift_feature


class SqlSummaries:
    """`ports.SummaryStore` on a `Database`; the batch writer adds the summaries of batches."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def grid(self, model: str, spec_digest: str) -> bytes | None:
        """Give the grid on which this specification's rows are counted."""
        return self._content(
            sa.select(_G.c.content).where(_G.c.model == model, _G.c.spec_digest == spec_digest)
        )

    def save_grid(self, model: str, spec_digest: str, grid: bytes) -> None:
        """Keep the grid; the first one wins."""
        with self._database.writing(model) as connection:
            if self.grid(model, spec_digest) is None:
                connection.execute(
                    sa.insert(_G).values(model=model, spec_digest=spec_digest, content=grid)
                )

    def overlapping(
        self, model: str, *, from_position: int, to_position: int, as_of_seq: int
    ) -> list[bytes]:
        """Give the summaries of batches that overlap the window, in order of arrival."""
        wanted = (
            sa.select(_S.c.content)
            .where(
                _S.c.model == model,
                _S.c.last_position >= from_position,
                _S.c.first_position <= to_position,
                _S.c.seq <= as_of_seq,
            )
            .order_by(_S.c.seq)
        )
        with self._database.reading() as connection:
            return [bytes(content) for content in connection.scalars(wanted)]

    def save_reference(self, model: str, version: int, summary: bytes) -> None:
        """Keep the merged summary of a version's training window; the first one stays."""
        with self._database.writing(model) as connection:
            if self.reference(model, version) is None:
                connection.execute(
                    sa.insert(_R).values(model=model, version=version, content=summary)
                )

    def reference(self, model: str, version: int) -> bytes | None:
        """Give it back."""
        return self._content(
            sa.select(_R.c.content).where(_R.c.model == model, _R.c.version == version)
        )

    def save_report(self, model: str, report_id: str, batch_id: str, content: str) -> None:
        """Keep a drift report as canonical JSON; the first one of that id stays."""
        said = json.loads(content)
        with self._database.writing(model) as connection:
            known = sa.select(_D.c.seq).where(_D.c.report_id == report_id)
            if connection.scalar(known) is not None:
                return
            newest = connection.scalar(sa.select(sa.func.max(_D.c.seq)).where(_D.c.model == model))
            connection.execute(
                sa.insert(_D).values(
                    report_id=report_id,
                    model=model,
                    seq=(newest or 0) + 1,
                    batch_id=batch_id,
                    content=content,
                    **report_values(said),
                )
            )
            features = feature_values(report_id, said)
            if features:
                connection.execute(sa.insert(_F), features)

    def reports(self, model: str, *, newest: int = 1) -> list[str]:
        """Give the newest reports as JSON, newest first."""
        last = sa.select(sa.func.max(_D.c.seq)).where(_D.c.model == model).scalar_subquery()
        wanted = (
            sa.select(_D.c.content)
            .where(_D.c.model == model, _D.c.seq > last - newest)
            .order_by(_D.c.seq.desc())
        )
        with self._database.reading() as connection:
            return list(connection.scalars(wanted))

    def _content(self, wanted: sa.Select[bytes]) -> bytes | None:
        with self._database.reading() as connection:
            content = connection.scalar(wanted)
        return None if content is None else bytes(content)


def report_values(said: Mapping[str, Any]) -> dict[str, Any]:
    """Give the columns in which views show a report; null where it does not say them."""
    error, measured_at = said.get("error") or {}, said.get("measured_at")
    return {
        "version": said.get("version"),
        "status": said.get("status"),
        "drifted": _claim(said.get("drifted")),
        "n_drifted": len(said.get("drifted_features") or ()),
        "n_reference": said.get("n_reference"),
        "n_current": said.get("n_current"),
        "error_metric": error.get("metric"),
        "error_status": error.get("status"),
        "error_drifted": _claim(error.get("drifted")),
        "error_loss": error.get("loss"),
        "error_reference_loss": error.get("reference_loss"),
        "error_factor": error.get("factor"),
        "error_p_value": error.get("p_value"),
        "measured_at": None if measured_at is None else datetime.fromisoformat(measured_at),
    }


def feature_values(report_id: str, said: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Give one row for each column that a report judges, in its order."""
    return [
        {
            "report_id": report_id,
            "place": place,
            "feature": found["name"],
            "column_role": found["role"],
            "kind": found["kind"],
            "status": found["status"],
            "drifted": _claim(found["drifted"]),
            "reason": found["reason"],
            "psi": found["psi"],
            "psi_threshold": found["psi_threshold"],
            "statistic_name": found["statistic"],
            "statistic": found["observed"],
            "p_value": found["p_value"],
            "adjusted_p_value": found["adjusted_p_value"],
            "missing_before": found["missing_before"],
            "missing_now": found["missing_now"],
            "unseen_before": found["unseen_before"],
            "unseen_now": found["unseen_now"],
            "mean_shift": found["mean_shift"],
        }
        for place, found in enumerate(said.get("features") or (), start=1)
    ]


def _claim(said: bool | None) -> int | None:
    return None if said is None else int(said)
