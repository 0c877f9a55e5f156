"""Model services as they were wished; how they run is written elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.engine import Database
from iris_ct.core.canonical import canonical_json
from iris_ct.core.errors import NameTakenError, UnknownServiceError
from iris_ct.core.service import Service, service_from_json, service_to_json
from iris_ct.ports.services import KeptService

_T = tables.service
# Services, packages and authors change rarely and refer to each other: one lock for all. No model
# has this name, since it has a blank.
LOCK = "model services"


class SqlServices:
    """`ports.ServiceStore` on a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Open or join a transaction that is alone with services, packages and authors."""
        with self._database.writing(LOCK):
            yield

    def create(self, service: Service, *, owner: str, at: datetime) -> KeptService:
        """Keep a new one; `NameTakenError` if there is one of that name."""
        kept = KeptService(service, owner, at, at, 1)
        with self._database.writing(LOCK) as connection:
            if self.get(service.name) is not None:
                raise NameTakenError(f'Model service "{service.name}" is already running.')
            connection.execute(
                sa.insert(_T).values(
                    name=service.name,
                    content=canonical_json(service_to_json(service)),
                    actor=owner,
                    turn=kept.turn,
                    started_at=at,
                    changed_at=at,
                )
            )
        return kept

    def get(self, name: str) -> KeptService | None:
        """Give one."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(_T).where(_T.c.name == name)).one_or_none()
        return None if row is None else _kept(row)

    def services(self) -> list[KeptService]:
        """List all, by name."""
        with self._database.reading() as connection:
            return [_kept(row) for row in connection.execute(sa.select(_T).order_by(_T.c.name))]

    def replace(self, service: Service, *, at: datetime) -> KeptService:
        """Keep it in place of the one of that name; `UnknownServiceError` if there is none."""
        with self._database.writing(LOCK) as connection:
            before = self.get(service.name)
            if before is None:
                raise UnknownServiceError(f'Model service "{service.name}" does not exist.')
            turn = before.turn + 1
            connection.execute(
                sa.update(_T)
                .where(_T.c.name == service.name)
                .values(content=canonical_json(service_to_json(service)), turn=turn, changed_at=at)
            )
            return KeptService(service, before.owner, before.started_at, at, turn)

    def delete(self, name: str) -> bool:
        """Forget it; tell whether there was one."""
        with self._database.writing(LOCK) as connection:
            there = self.get(name) is not None
            if there:
                connection.execute(sa.delete(_T).where(_T.c.name == name))
            return there


def _kept(row: Any) -> KeptService:
    return KeptService(
        service=service_from_json(json.loads(row.content)),
        owner=row.actor,
        started_at=row.started_at,
        changed_at=row.changed_at,
        turn=row.turn,
    )
