"""Model services, the packages they serve, and the authors whose packages are taken."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from iris_ct.core.service import Author, ModelRef, Package, Service


@dataclass(frozen=True)
class KeptService:
    """A service as it is kept.

    Attributes
    ----------
    owner : str
        Who created it.
    turn : int
        Grows with each change, from 1.
    """

    service: Service
    owner: str
    started_at: datetime
    changed_at: datetime
    turn: int


class ServiceStore(Protocol):
    """Services by name."""

    def alone(self) -> AbstractContextManager[None]:
        """Open or join a transaction that is alone with services, packages and authors."""
        ...

    def create(self, service: Service, *, owner: str, at: datetime) -> KeptService:
        """Keep a new one; `NameTakenError` if there is one of that name."""
        ...

    def get(self, name: str) -> KeptService | None:
        """Give one."""
        ...

    def services(self) -> list[KeptService]:
        """List all, by name."""
        ...

    def replace(self, service: Service, *, at: datetime) -> KeptService:
        """Keep it in place of the one of that name; `UnknownServiceError` if there is none."""
        ...

    def delete(self, name: str) -> bool:
        """Forget it; tell whether there was one."""
        ...


class PackageStore(Protocol):
    """The model catalogue: packages by id and version."""

    def add(self, package: Package) -> None:
        """Keep a new one; `NameTakenError` if its id and version, or its image, are there."""
        ...

    def get(self, reference: ModelRef) -> Package | None:
        """Give one."""
        ...

    def packages(self) -> list[Package]:
        """List all, newest first."""
        ...

    def replace(self, reference: ModelRef, package: Package) -> None:
        """Keep a package in place of another, as which it was known; refused as by `add`."""
        ...

    def delete(self, reference: ModelRef) -> bool:
        """Forget it; tell whether there was one."""
        ...


class AuthorStore(Protocol):
    """Registered authors by name."""

    def register(self, author: Author) -> None:
        """Keep one; `NameTakenError` if the name or the key is there."""
        ...

    def authors(self) -> list[Author]:
        """List all, by name."""
        ...

    def of_key(self, public_key: str) -> Author | None:
        """Give the author with that key."""
        ...

    def delete(self, name: str) -> bool:
        """Forget one; tell whether there was one."""
        ...
