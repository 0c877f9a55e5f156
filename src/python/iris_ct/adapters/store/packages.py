"""The model catalogue: packages from elsewhere, and the authors whose packages are taken."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.services import LOCK
from iris_ct.core.errors import NameTakenError
from iris_ct.core.service import Author, ModelRef, Package, public_key_digest

_P, _A = tables.package, tables.author


class SqlPackages:
    """`ports.PackageStore` on a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, package: Package) -> None:
        """Keep a new one; `NameTakenError` if its id and version, or its image, are there."""
        with self._database.writing(LOCK) as connection:
            self._refuse_taken(connection, package)
            connection.execute(sa.insert(_P).values(**_values(package)))

    def get(self, reference: ModelRef) -> Package | None:
        """Give one."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(_P).where(*_is(reference))).one_or_none()
        return None if row is None else _package(row)

    def packages(self) -> list[Package]:
        """List all, newest first."""
        newest = (_P.c.onboarded_at.desc(), _P.c.package_id, _P.c.version)
        with self._database.reading() as connection:
            return [_package(row) for row in connection.execute(sa.select(_P).order_by(*newest))]

    def replace(self, reference: ModelRef, package: Package) -> None:
        """Keep a package in place of another, as which it was known; refused as by `add`."""
        with self._database.writing(LOCK) as connection:
            connection.execute(sa.delete(_P).where(*_is(reference)))
            self._refuse_taken(connection, package)
            connection.execute(sa.insert(_P).values(**_values(package)))

    def delete(self, reference: ModelRef) -> bool:
        """Forget it; tell whether there was one."""
        with self._database.writing(LOCK) as connection:
            there = self.get(reference) is not None
            if there:
                connection.execute(sa.delete(_P).where(*_is(reference)))
            return there

    def _refuse_taken(self, connection: sa.Connection, package: Package) -> None:
        if self.get(package.reference) is not None:
            raise NameTakenError(
                f'Model with ID "{package.id}" and version "{package.version}" has already been '
                "onboarded. Delete it first, or choose another version."
            )
        image = sa.select(_P.c.package_id).where(_P.c.image == package.image)
        if connection.scalar(image) is not None:
            raise NameTakenError(
                f'Model with image "{package.image}" has already been onboarded. Do not overwrite '
                "tags: choose another one."
            )


class SqlAuthors:
    """`ports.AuthorStore` on a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def register(self, author: Author) -> None:
        """Keep one; `NameTakenError` if the name or the key is there."""
        with self._database.writing(LOCK) as connection:
            for what, wanted in (
                (f'name "{author.name}"', _A.c.name == author.name),
                ("this public key", _A.c.key_digest == author.key_digest),
            ):
                if connection.scalar(sa.select(_A.c.name).where(wanted)) is not None:
                    raise NameTakenError(f"An author with {what} has already been registered.")
            connection.execute(
                sa.insert(_A).values(
                    name=author.name,
                    public_key=author.public_key,
                    key_digest=author.key_digest,
                    actor=author.registered_by,
                    registered_at=author.registered_at,
                )
            )

    def authors(self) -> list[Author]:
        """List all, by name."""
        with self._database.reading() as connection:
            return [_author(row) for row in connection.execute(sa.select(_A).order_by(_A.c.name))]

    def of_key(self, public_key: str) -> Author | None:
        """Give the author with that key."""
        wanted = sa.select(_A).where(_A.c.key_digest == public_key_digest(public_key))
        with self._database.reading() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else _author(row)

    def delete(self, name: str) -> bool:
        """Forget one; tell whether there was one."""
        with self._database.writing(LOCK) as connection:
            there = connection.scalar(sa.select(_A.c.name).where(_A.c.name == name)) is not None
            if there:
                connection.execute(sa.delete(_A).where(_A.c.name == name))
            return there


def _is(reference: ModelRef) -> tuple[sa.ColumnElement[bool], ...]:
    return _P.c.package_id == reference.id, _P.c.version == reference.version


# Column by field, where they differ: a reserved word, or one that says too little in a table.
_COLUMNS = {"id": "package_id", "owner": "actor", "domain": "domain_name", "description": "about"}


def _values(package: Package) -> dict[str, Any]:
    return {_COLUMNS.get(name, name): said for name, said in vars(package).items()}


def _package(row: Any) -> Package:
    fields = {column: name for name, column in _COLUMNS.items()}
    return Package(**{fields.get(name, name): said for name, said in row._mapping.items()})


def _author(row: Any) -> Author:
    return Author(
        name=row.name,
        public_key=row.public_key,
        registered_by=row.actor,
        registered_at=row.registered_at,
    )
