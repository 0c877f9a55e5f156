"""What the host runs, read from an iop ``Production``; every reason why it could not, at once.

There is no second definition: items, pools, settings, adapters and routes are those of the
production object. The checks add what ``Production.validate`` does not see.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import iop

from iris_ct.host.defaults import ANY, DefaultSetting
from iris_ct.host.errors import PlanError
from iris_ct.host.items import ALERT_ITEM, HEEDED_SETTINGS, ItemReader, ItemSpec

__all__ = ["HostPlan", "ItemSpec", "load_production", "wakes_of"]


@dataclass(frozen=True)
class HostPlan:
    """All items of one production."""

    production_name: str
    items: Mapping[str, ItemSpec]

    @property
    def alert_target(self) -> str | None:
        """Name of the item that receives alerts, if the production has one."""
        spec = self.items.get(ALERT_ITEM)
        return ALERT_ITEM if spec is not None and spec.kind != "service" else None

    @classmethod
    def from_production(
        cls,
        production: iop.Production,
        *,
        wakes: Mapping[str, float] | None = None,
        defaults: Iterable[DefaultSetting] = (),
    ) -> HostPlan:
        """Read a production.

        Parameters
        ----------
        production : iop.Production
            What to run.
        wakes : dict of str to float, optional
            Seconds between two wake-ups of each polling service that has no job of its own (pool
            size 0), as a task of IRIS' Task Manager would wake it.
        defaults : iterable of DefaultSetting
            Values for settings that the production leaves open.

        Raises
        ------
        PlanError
            With every reason why this production cannot run here.
        """
        problems = _validate(production)
        items: dict[str, ItemSpec] = {}
        wakes, defaults = dict(wakes or {}), tuple(defaults)
        problems += _strangers(production, wakes, defaults)
        for ref in production.items:
            reader = ItemReader(production, ref, wakes.get(ref.name), defaults)
            spec = reader.read()
            problems += reader.problems
            if spec is not None:
                items[spec.name] = spec
        if not production.items:
            problems.append("it has no items")
        if problems:
            lines = "".join(f"\n  - {p}" for p in dict.fromkeys(problems))
            raise PlanError(f"Production {production.name!r} cannot be started:{lines}")
        return cls(production.name, items)


def load_production(reference: str) -> iop.Production:
    """Import a production by ``module:attribute``; a list with one production will do.

    Raises
    ------
    PlanError
        If there is no such module or attribute, or no production in it.
    """
    module_name, colon, attribute = reference.partition(":")
    if not colon:
        raise PlanError(f"{reference!r} is not a production. Expected 'module:attribute'.")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError) as error:
        raise PlanError(f"Production {reference!r} cannot be imported: {error}.") from error
    if isinstance(found, list | tuple) and len(found) == 1:
        found = found[0]
    if not isinstance(found, iop.Production):
        raise PlanError(f"{reference!r} is a {type(found).__name__}. Expected one iop.Production.")
    return found


def wakes_of(production: iop.Production, wakes: Mapping[str, float]) -> dict[str, float]:
    """Give the wakes of those items that a production has."""
    known = {ref.name for ref in production.items}
    return {name: seconds for name, seconds in wakes.items() if name in known}


def _validate(production: iop.Production) -> list[str]:
    try:
        production.validate(strict=True)
    except iop.ProductionValidationError as error:
        return [
            issue.to_text()
            for issue in error.report.issues
            if issue.path.rpartition(".")[2] not in HEEDED_SETTINGS
        ]
    return []


def _strangers(
    production: iop.Production, wakes: Mapping[str, float], defaults: Iterable[DefaultSetting]
) -> list[str]:
    """Find wakes and default settings of items that there are not."""
    known = {ref.name for ref in production.items}
    problems = [
        f"wake of {name!r}, which is no item; expected one of {', '.join(sorted(known))}"
        for name in wakes
        if name not in known
    ]
    return problems + [
        f"default setting {default.setting} of {default.item!r}, which is no item"
        for default in defaults
        if default.production in {ANY, production.name} and default.item not in {ANY, *known}
    ]
