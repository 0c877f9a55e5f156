"""``MXE-META-INF/INFO``: what a package says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from iris_ct.core.errors import PackageRefusedError, ServiceRuleError
from iris_ct.core.service.names import check_package_id, check_version

INFO = "MXE-META-INF/INFO"
ENVIRONMENT = ".s2i/environment"

_STATEFUL = "StatefulModel"
_NEEDED = ("Title", "Id", "Version", "Author", "Description")


@dataclass(frozen=True)
class Info:
    """What INFO says; ``kind`` is its Type, empty where it says none."""

    id: str
    version: str
    title: str
    author: str
    description: str
    kind: str

    @property
    def is_stateful(self) -> bool:
        """Whether it keeps the state of sessions; what says no Type does not."""
        return self.kind.lower() == _STATEFUL.lower()


def parse_info(text: str) -> Info:
    r"""Read INFO: a ``Name: value`` a line; the description runs to the end of the file.

    Raises
    ------
    PackageRefusedError
        If something is missing or empty, id or version break a rule, or the type is none.

    Examples
    --------
    >>> said = "Title: T\nId: a.b\nVersion: 1.0.0\nAuthor: J\nDescription: one\ntwo\n"
    >>> parse_info(said).description
    'one\ntwo'
    """
    said: dict[str, str] = {}
    lines = text.removeprefix("\ufeff").splitlines()
    for place, line in enumerate(lines):
        name, colon, rest = line.partition(":")
        if not colon:
            continue
        name = name.strip()
        if name == "Description":
            said[name] = "\n".join([rest.strip(), *lines[place + 1 :]]).strip()
            break
        said.setdefault(name, rest.strip())
    missing = [name for name in _NEEDED if not said.get(name)]
    if missing:
        raise PackageRefusedError(f"model {missing[0]} is missing from {INFO}.")
    try:
        check_package_id(said["Id"])
        check_version(said["Version"])
    except ServiceRuleError as error:
        raise PackageRefusedError(f"{INFO}: {error}") from error
    info = Info(
        said["Id"],
        said["Version"],
        said["Title"],
        said["Author"],
        said["Description"],
        said.get("Type", ""),
    )
    if info.kind.lower().startswith("stateful") and not info.is_stateful:
        # Served without its sessions it would answer wrongly, and nobody would see why.
        raise PackageRefusedError(
            f"{INFO}: Type is {info.kind!r:.40}. A model with sessions says {_STATEFUL}, one without "
            "says nothing."
        )
    return info


def model_class(environment: str) -> str:
    """Read from ``.s2i/environment`` which class answers: ``MODEL_NAME=<class>``.

    Raises
    ------
    PackageRefusedError
        If it does not say so.
    """
    for line in environment.splitlines():
        name, sign, value = line.partition("=")
        if sign and name.strip() == "MODEL_NAME" and value.strip():
            return value.strip().strip("\"'")
    raise PackageRefusedError(f"MODEL_NAME is missing from {ENVIRONMENT}.")
