"""Packages: models from elsewhere in the catalogue, and who signed them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from iris_ct.core.service.names import ModelRef

STATEFUL = "+state"
"""Ends the runtime of a package that keeps the state of sessions."""

PackageStatus = Literal["packaging", "available", "error"]


@dataclass(frozen=True)
class Package:
    """One version of a model from elsewhere.

    Attributes
    ----------
    id, version : str
        As its INFO says; before that is read, the archive's name with a number, and ``unknown``.
    image : str
        Unique name: of the container image, or of what was made of the source.
    author : str
        Who wrote it, as INFO says; ``signed_by`` is the registered author whose key signed it.
    place : str
        Its directory relative to the home; empty for an image.
    runtime : str
        How it is run: ``seldon``, ``pyfunc`` ...; ``image`` for a container image. `STATEFUL` at
        its end: a stateful model.
    failure : str
        Why it could not be made, in status ``error``.
    owner, domain : str
        Who onboarded it, and who may see it (empty: everybody).
    """

    id: str
    version: str
    image: str
    title: str
    author: str
    description: str
    status: PackageStatus
    owner: str
    domain: str
    place: str
    runtime: str
    signed_by: str
    failure: str
    onboarded_at: datetime

    @property
    def is_stateful(self) -> bool:
        """Whether it keeps the state of sessions."""
        return self.runtime.endswith(STATEFUL)

    @property
    def runner(self) -> str:
        """What runs it, whether it is stateful or not."""
        return self.runtime.removesuffix(STATEFUL)

    @property
    def reference(self) -> ModelRef:
        """How services refer to it."""
        return ModelRef(self.id, self.version)


@dataclass(frozen=True)
class Author:
    """Someone whose signed packages are taken: a name and a public RSA key as PEM text."""

    name: str
    public_key: str
    registered_by: str
    registered_at: datetime

    @property
    def key_digest(self) -> str:
        """What the key is found by."""
        return public_key_digest(self.public_key)


def public_key_digest(public_key: str) -> str:
    """Give the SHA-256 of a PEM text; line ends and blanks around it do not matter."""
    lines = (line.strip() for line in public_key.splitlines())
    return hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()
