"""Versions of the models' specifications, by content."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

import sqlalchemy as sa
from pydantic import ValidationError

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.engine import Database
from iris_ct.core.canonical import canonical_json
from iris_ct.core.errors import IntegrityError, StoreError
from iris_ct.core.specification import Specification, changed_keys
from iris_ct.core.training.recipe import forces_retraining
from iris_ct.ports import SpecificationVersion

_T = tables.specification


class SqlSpecifications:
    """`ports.SpecificationStore` on a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def models(self) -> list[str]:
        """Name all models ever recorded, sorted."""
        with self._database.reading() as connection:
            return sorted(connection.scalars(sa.select(_T.c.model).distinct()))

    def newest(self, model: str) -> Specification | None:
        """Give the newest recorded specification."""
        with self._database.reading() as connection:
            row = _newest(connection, model)
        return None if row is None else _parsed(row.content, row.digest)

    def get(self, spec_digest: str) -> Specification:
        """Give the specification of that digest.

        Raises
        ------
        IntegrityError
            If none was recorded, or the recorded one was changed since.
        """
        with self._database.reading() as connection:
            contents = connection.scalars(
                sa.select(_T.c.content).where(_T.c.digest == spec_digest)
            ).all()
        if not contents:
            raise IntegrityError(
                f"No specification with digest {spec_digest} was ever recorded in this store, "
                "but a stored fact refers to it. Restore the database from a backup."
            )
        return _parsed(contents[0], spec_digest)

    def record(self, specification: Specification, *, actor: str, at: datetime) -> bool:
        """Record a content; tell whether it differs from the newest one."""
        model = specification.name
        with self._database.writing(model) as connection:
            row = _newest(connection, model)
            if row is not None and row.digest == specification.digest:
                return False
            before = None if row is None else _parsed(row.content, row.digest)
            connection.execute(
                sa.insert(_T).values(
                    model=model,
                    number=1 if row is None else row.number + 1,
                    digest=specification.digest,
                    content=specification.to_json(),
                    actor=actor,
                    recorded_at=at,
                    changed=canonical_json(
                        sorted(changed_keys(before, specification)) if before else []
                    ),
                    forces_retraining=int(
                        before is not None and forces_retraining(before, specification)
                    ),
                )
            )
            return True

    def versions(self, model: str) -> list[SpecificationVersion]:
        """List the recorded contents, oldest first."""
        wanted = sa.select(_T).where(_T.c.model == model).order_by(_T.c.number)
        with self._database.reading() as connection:
            rows = connection.execute(wanted).all()
        return [
            SpecificationVersion(
                model=row.model,
                number=row.number,
                digest=row.digest,
                actor=row.actor,
                recorded_at=row.recorded_at,
                changed=tuple(json.loads(row.changed)),
                forces_retraining=bool(row.forces_retraining),
            )
            for row in rows
        ]


def _newest(connection: sa.Connection, model: str) -> sa.Row[int, str, str] | None:
    newest = sa.select(sa.func.max(_T.c.number)).where(_T.c.model == model).scalar_subquery()
    return connection.execute(
        sa.select(_T.c.number, _T.c.digest, _T.c.content).where(
            _T.c.model == model, _T.c.number == newest
        )
    ).one_or_none()


def _parsed(content: str, digest: str) -> Specification:
    if hashlib.sha256(content.encode()).hexdigest() != digest:
        raise IntegrityError(
            f"The specification recorded with digest {digest} was changed in the database since. "
            "Restore the database from a backup."
        )
    try:
        return Specification.model_validate(json.loads(content))
    except ValidationError as error:
        raise StoreError(
            f"The specification recorded with digest {digest} holds what this release does not "
            f"know: {error.errors(include_url=False)[0]['loc']}. It was recorded by another "
            "release; run that one, or see CHANGELOG.md for how to upgrade."
        ) from error
