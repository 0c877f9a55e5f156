"""Model versions, their files, and who serves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.artifacts import Artifacts
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.files import FactFiles
from iris_ct.core.canonical import canonical_json
from iris_ct.core.errors import ModelVersionNotFoundError
from iris_ct.core.model_version import Champion, ModelVersion, Recipe

_V, _C, _A = tables.model_version, tables.champion, tables.registry_alias


class SqlModels:
    """`ports.ModelStore` on a `Database` and `FactFiles`."""

    def __init__(self, database: Database, files: FactFiles) -> None:
        self._database = database
        self._artifacts = Artifacts(files)
        # Grows by a byte with each appointment: its size tells processes of one home that who
        # serves may have changed, without asking the database.
        self._appointments = files.home / "serving" / "appointments"

    def save_files(self, model: str, files: Mapping[str, bytes]) -> tuple[str, str]:
        """Keep an artefact's files by content; give its directory (relative) and its digest."""
        return self._artifacts.save(model, files)

    def files(self, version: ModelVersion) -> Path:
        """Give the artefact's absolute directory after checking its digest."""
        return self._artifacts.checked(version.artifact, version.artifact_digest)

    def add(self, version: ModelVersion) -> ModelVersion:
        """Keep a version; its number is assigned here unless the cycle already has one."""
        with self._database.writing(version.model) as connection:
            stored = self.of_cycle(version.cycle_id)
            if stored is not None:
                return stored
            newest = connection.scalar(
                sa.select(sa.func.max(_V.c.version)).where(_V.c.model == version.model)
            )
            connection.execute(
                sa.insert(_V).values({**_values(version), "version": (newest or 0) + 1})
            )
            return self.get(version.model, (newest or 0) + 1)

    def get(self, model: str, version: int) -> ModelVersion:
        """Give one version; `ModelVersionNotFoundError` if there is none."""
        found = self._select(_V.c.model == model, _V.c.version == version)
        if not found:
            raise ModelVersionNotFoundError(
                f"Model {model} has no version {version}; `ct history {model}` lists those it has."
            )
        return found[0]

    def of_cycle(self, cycle_id: str) -> ModelVersion | None:
        """Give the version that a cycle made."""
        found = self._select(_V.c.cycle_id == cycle_id)
        return found[0] if found else None

    def versions(self, model: str) -> list[ModelVersion]:
        """List all versions, oldest first."""
        return self._select(_V.c.model == model)

    def champion(self, model: str) -> Champion | None:
        """Give who serves now."""
        newest = sa.select(sa.func.max(_C.c.seq)).where(_C.c.model == model).scalar_subquery()
        found = self._champions(_C.c.model == model, _C.c.seq == newest)
        return found[0] if found else None

    def champions(self, model: str) -> list[Champion]:
        """List who served, oldest first."""
        return self._champions(_C.c.model == model)

    def served_at(self, model: str, at: datetime) -> Champion | None:
        """Give who served at a time: whose reign ``[since, next one's since)`` holds it."""
        newest = sa.select(sa.func.max(_C.c.seq)).where(_C.c.model == model, _C.c.since <= at)
        found = self._champions(_C.c.model == model, _C.c.seq == newest.scalar_subquery())
        return found[0] if found else None

    def appoint(
        self,
        model: str,
        version: int,
        *,
        decision_id: str,
        actor: str,
        at: datetime,
        since_position: int | None,
    ) -> Champion:
        """Move the alias ``champion`` in one step; once per decision.

        A reign never begins before the one it ends, even if the clock was set back.
        """
        with self._database.writing(model) as connection:
            done = self._champions(_C.c.decision_id == decision_id)
            if done:
                return done[0]
            self.get(model, version)
            before = self.champion(model)
            champion = Champion(
                model=model,
                seq=1 if before is None else before.seq + 1,
                version=version,
                since=at if before is None else max(at, before.since),
                since_position=since_position,
                decision_id=decision_id,
                actor=actor,
            )
            connection.execute(sa.insert(_C).values(**vars(champion)))
            self._database.when_done(committed=self._mark_appointment)
            return champion

    def appointments(self) -> int:
        """Give a number that changes with each appointment of a process of this home."""
        try:
            return self._appointments.stat().st_size
        except OSError:
            return 0

    def _mark_appointment(self) -> None:
        # Who cannot write or read it asks the database now and then all the same.
        with suppress(OSError):
            self._appointments.parent.mkdir(parents=True, exist_ok=True)
            with self._appointments.open("ab") as file:
                file.write(b".")

    def unregistered(self) -> list[ModelVersion]:
        """List versions that MLflow does not know yet, oldest first."""
        found = self._select(_V.c.run_id.is_(None))
        return sorted(found, key=lambda v: (v.trained_at, v.model, v.version))

    def mark_registered(
        self, model: str, version: int, *, run_id: str, registry_version: str
    ) -> None:
        """Note what MLflow called it; the first names stay."""
        with self._database.begin() as connection:
            self.get(model, version)
            connection.execute(
                sa.update(_V)
                .where(_V.c.model == model, _V.c.version == version, _V.c.run_id.is_(None))
                .values(run_id=run_id, registry_version=registry_version)
            )

    def alias_pending(self) -> list[str]:
        """Name models whose alias in MLflow is behind the champion here."""
        newest = sa.select(_C.c.model, sa.func.max(_C.c.seq)).group_by(_C.c.model)
        with self._database.reading() as connection:
            reached = {row.model: row.champion_seq for row in connection.execute(sa.select(_A))}
            rows = connection.execute(newest).all()
        return sorted(model for model, seq in rows if seq > reached.get(model, 0))

    def mark_alias(self, model: str, champion_seq: int) -> None:
        """Note that MLflow's alias has reached that champion; it never goes back."""
        with self._database.writing(model) as connection:
            reached = connection.scalar(sa.select(_A.c.champion_seq).where(_A.c.model == model))
            if reached is None:
                connection.execute(sa.insert(_A).values(model=model, champion_seq=champion_seq))
            elif reached < champion_seq:
                connection.execute(
                    sa.update(_A).where(_A.c.model == model).values(champion_seq=champion_seq)
                )

    def _select(self, *conditions: sa.ColumnElement[bool]) -> list[ModelVersion]:
        wanted = sa.select(_V).where(*conditions).order_by(_V.c.model, _V.c.version)
        with self._database.reading() as connection:
            return [_version(dict(row._mapping)) for row in connection.execute(wanted)]

    def _champions(self, *conditions: sa.ColumnElement[bool]) -> list[Champion]:
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(_C).where(*conditions).order_by(_C.c.seq))
            return [Champion(**row._mapping) for row in rows]


def _values(version: ModelVersion) -> dict[str, Any]:
    values = {name: said for name, said in vars(version).items() if name != "recipe"}
    return {
        **values,
        "recipe_digest": version.recipe.digest,
        "recipe_window": version.recipe.window,
        "recipe_rounds": version.recipe.rounds,
        "refitted": int(version.refitted),
        "metrics": canonical_json(dict(version.metrics)),
    }


def _version(values: dict[str, Any]) -> ModelVersion:
    return ModelVersion(
        recipe=Recipe(
            digest=values.pop("recipe_digest"),
            window=values.pop("recipe_window"),
            rounds=values.pop("recipe_rounds"),
        ),
        refitted=bool(values.pop("refitted")),
        metrics=json.loads(values.pop("metrics")),
        **values,
    )
