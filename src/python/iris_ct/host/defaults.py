"""Default settings: values for what a production leaves open, as IRIS' System Default Settings.

A setting is looked for in the production, then here, then in the component's class. Of several
that fit the most specific counts: production before item before class of the item.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from iris_ct.host.errors import PlanError

ANY = "*"


@dataclass(frozen=True)
class DefaultSetting:
    """One value for one setting; ``*`` fits every production, item or class."""

    production: str
    item: str
    hostclass: str
    setting: str
    value: str
    description: str = ""

    def fits(self, production: str, item: str, hostclass: str) -> bool:
        """Say whether this is about the item of a production."""
        return (
            self.production in {ANY, production}
            and self.item in {ANY, item}
            and self.hostclass in {ANY, hostclass}
        )

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """Order by how specific it is, the least first."""
        return self.production != ANY, self.item != ANY, self.hostclass != ANY


def most_specific(
    defaults: Iterable[DefaultSetting], production: str, item: str, hostclass: str
) -> dict[str, DefaultSetting]:
    """Give what fits an item, by the name of the setting.

    Examples
    --------
    >>> rows = [
    ...     DefaultSetting("*", "Mail", "*", "Port", "25"),
    ...     DefaultSetting("*", "*", "*", "Port", "587"),
    ... ]
    >>> most_specific(rows, "Any.Production", "Mail", "")["Port"].value
    '25'
    """
    fitting = [d for d in defaults if d.fits(production, item, hostclass)]
    return {d.setting: d for d in sorted(fitting, key=lambda d: d.rank)}


def read_defaults(path: Path) -> tuple[DefaultSetting, ...]:
    """Read a file of default settings: a JSON array of objects.

    Raises
    ------
    PlanError
        If there is no such file, or a row of it is wrong; says which.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise PlanError(f"Default settings {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise PlanError(f"Default settings {path} are no JSON: {error}.") from error
    if not isinstance(rows, list):
        raise PlanError(f"Default settings {path} hold no array of rows.")
    return tuple(_row(path, number, row) for number, row in enumerate(rows, 1))


def to_rows(defaults: Iterable[DefaultSetting]) -> list[dict[str, str]]:
    """Turn default settings into plain values, for another process."""
    return [asdict(d) for d in defaults]


def _row(path: Path, number: int, row: Any) -> DefaultSetting:
    known = {f.name for f in fields(DefaultSetting)}
    if (
        not isinstance(row, dict)
        or not known - {"description"} <= set(row) <= known
        or not all(isinstance(value, str) for value in row.values())
    ):
        raise PlanError(
            f"Row {number} of default settings {path} is wrong. Expected texts for "
            f"{', '.join(sorted(known))}; only the description may be left out."
        )
    return DefaultSetting(**row)
