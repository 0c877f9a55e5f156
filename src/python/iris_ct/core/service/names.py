"""How services, packages and their versions are named, and how a model is referred to."""

from __future__ import annotations

import re
from dataclasses import dataclass

from iris_ct.core.errors import ServiceRuleError

CHAMPION = "champion"
"""Instead of a version: whichever version serves as champion."""
UNKNOWN = "unknown"
"""Version of a package whose INFO has not been read."""

_SERVICE_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PACKAGE_ID = re.compile(r"[a-z0-9.]+")
# Also the names of models that are trained here.
_MODEL_ID = re.compile(r"[a-z0-9._]+")
_VERSION = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+")
_NUMBER = re.compile(r"[0-9]+")
# Domains stand in tokens and texts: words of people, but without blanks.
_DOMAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")

# A label of the domain name system: a service's name may become a part of an address.
_LONGEST_NAME = 63
_LONGEST_ID = 32
_LONGEST_DESCRIPTION = 120
# Three numbers of a size that no release count reaches.
_LONGEST_VERSION = 32


@dataclass(frozen=True, order=True)
class ModelRef:
    """Which model: an id and a version.

    Attributes
    ----------
    id : str
        A package's id, or the name of a model that is trained here.
    version : str
        ``a.b.c``; of a model that is trained here ``<version>.0.0`` or ``champion``.
    """

    id: str
    version: str

    def __str__(self) -> str:
        """Give the reference as it is written: ``<id>:<version>``."""
        return f"{self.id}:{self.version}"

    @property
    def is_champion(self) -> bool:
        """Whether it follows the champion."""
        return self.version == CHAMPION

    @property
    def own_version(self) -> int | None:
        """The version of a model trained here that it can mean, None for the champion.

        Examples
        --------
        >>> ModelRef("bikes", "3.0.0").own_version, ModelRef("bikes", "1.2.0").own_version
        (3, None)
        """
        first, _, rest = self.version.partition(".")
        return int(first) if rest == "0.0" else None

    @classmethod
    def parse(cls, text: str) -> ModelRef:
        """Read a reference.

        Parameters
        ----------
        text : str
            ``<id>:a.b.c``; for a model trained here also ``<name>`` and ``<name>:champion``, its
            champion, and ``<name>:<version>``.

        Raises
        ------
        ServiceRuleError
            If it is none of these.

        Examples
        --------
        >>> [str(ModelRef.parse(text)) for text in ("bikes", "bikes:3", "com.shop:1.2.0")]
        ['bikes:champion', 'bikes:3.0.0', 'com.shop:1.2.0']
        """
        identifier, colon, version = text.strip().partition(":")
        if not _MODEL_ID.fullmatch(identifier) or (colon and not version):
            raise ServiceRuleError(
                f'Model reference "{text[:80]}" is wrong. Expected <id>:<version>: an id of '
                "lower-case letters, digits and dots, and a version a.b.c; or the name of a model "
                "trained here, alone or with :champion or :<version number>."
            )
        return cls(identifier, _reference_version(version or CHAMPION, text))


def parse_references(text: str) -> tuple[ModelRef, ...]:
    """Read references with commas between them.

    Raises
    ------
    ServiceRuleError
        If one is wrong, or they are not one or two.
    """
    references = tuple(ModelRef.parse(part) for part in text.split(","))
    check_count(len(references))
    return references


def check_count(n_models: int) -> None:
    """Refuse any other number of models than one or two."""
    if n_models not in {1, 2}:
        raise ServiceRuleError(f"A service has one model or two, found {n_models}.")


def check_service_name(name: str) -> str:
    """Give the name back if a service may have it.

    Raises
    ------
    ServiceRuleError
        If it may not.
    """
    if not _SERVICE_NAME.fullmatch(name):
        raise ServiceRuleError(
            f'Model service name "{name[:80]}" is wrong. It can only contain lower-case letters, '
            "digits and single dashes (-), which must not stand at its ends."
        )
    if len(name) > _LONGEST_NAME:
        raise ServiceRuleError(
            f"The model service name has {len(name)} characters; expected at most {_LONGEST_NAME}."
        )
    return name


def check_package_id(identifier: str) -> str:
    """Give the id back if a package may have it.

    Raises
    ------
    ServiceRuleError
        If it may not.
    """
    if not _PACKAGE_ID.fullmatch(identifier):
        raise ServiceRuleError(
            f'The id "{identifier[:80]}" is wrong. It shall only contain lower-case letters, digits '
            "and dots (.)."
        )
    if len(identifier) > _LONGEST_ID:
        raise ServiceRuleError(
            f"The model id has {len(identifier)} characters; expected at most {_LONGEST_ID}."
        )
    return identifier


def check_version(version: str) -> str:
    """Give the version back if it is ``a.b.c``.

    Raises
    ------
    ServiceRuleError
        If it is not.
    """
    if not _VERSION.fullmatch(version) or len(version) > _LONGEST_VERSION:
        raise ServiceRuleError(
            f'Version "{version[:80]}" is wrong. Expected a.b.c where a, b and c are non-negative '
            "numbers, for example 0.1.4."
        )
    return version


def check_description(description: str) -> str:
    """Give the description back if it is short enough.

    Raises
    ------
    ServiceRuleError
        If it is too long.
    """
    if len(description) > _LONGEST_DESCRIPTION:
        raise ServiceRuleError(
            f"The description has {len(description)} characters; expected at most "
            f"{_LONGEST_DESCRIPTION}."
        )
    return description


def check_domain(domain: str) -> str:
    """Give the domain back if it can be one; empty is no domain.

    Raises
    ------
    ServiceRuleError
        If it cannot.
    """
    if domain and (not _DOMAIN.fullmatch(domain) or len(domain) > _LONGEST_NAME):
        raise ServiceRuleError(
            f'Domain "{domain[:80]}" is wrong. Expected letters, digits, dots, dashes and '
            f"underscores, at most {_LONGEST_NAME} of them."
        )
    return domain


def _reference_version(version: str, text: str) -> str:
    if version == CHAMPION or (_VERSION.fullmatch(version) and len(version) <= _LONGEST_VERSION):
        return version
    if _NUMBER.fullmatch(version) and len(version) <= _LONGEST_VERSION - 4:
        return f"{int(version)}.0.0"
    raise ServiceRuleError(
        f'The version of model reference "{text[:80]}" is wrong. Expected a.b.c where a, b and c '
        f"are non-negative numbers; for a model trained here also its number or {CHAMPION}."
    )
