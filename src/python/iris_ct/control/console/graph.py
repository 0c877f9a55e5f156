"""The production as a drawing: items in three columns by their kind, connections as curves."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

_KINDS = {
    "service": "Business services",
    "process": "Business processes",
    "operation": "Business operations",
}
# Of the drawing, in its own unit.
_WIDTH, _GAP, _HEIGHT, _STEP, _TOP = 190, 175, 34, 48, 44
_BEND = 90


@dataclass(frozen=True)
class Item:
    """One item of the production and where it is drawn.

    Attributes
    ----------
    says : str
        What it does.
    targets : tuple of str
        The items that it sends to.
    left, top : int
        Corner of its box.
    """

    name: str
    kind: str
    says: str
    pool: int
    targets: tuple[str, ...]
    left: int
    top: int


@dataclass(frozen=True)
class Drawing:
    """Everything that is drawn.

    Attributes
    ----------
    heads : tuple of (str, int)
        What stands above each column, and where it begins.
    curves : tuple of str
        Paths of the connections, as SVG writes them.
    """

    items: tuple[Item, ...]
    curves: tuple[str, ...]
    heads: tuple[tuple[str, int], ...]
    width: int
    height: int
    box: tuple[int, int] = (_WIDTH, _HEIGHT)


@cache
def drawing() -> Drawing:
    """Draw the product's own production."""
    from iris_ct.production import production

    targets: dict[str, list[str]] = {}
    for edge in production.edges:
        targets.setdefault(edge.source_item, []).append(edge.target)
    columns = {kind: place * (_WIDTH + _GAP) + 8 for place, kind in enumerate(_KINDS)}
    drawn = dict.fromkeys(_KINDS, 0)
    items = []
    for ref in production.items:
        top = _TOP + drawn[ref.kind] * _STEP
        drawn[ref.kind] += 1
        items.append(
            Item(
                ref.name,
                ref.kind,
                _first_line(ref.component_class),
                int(ref.pool_size),
                tuple(targets.get(ref.name, ())),
                columns[ref.kind],
                top,
            )
        )
    by_name = {item.name: item for item in items}
    return Drawing(
        items=tuple(items),
        curves=tuple(_curve(item, by_name[target]) for item in items for target in item.targets),
        heads=tuple((title, columns[kind]) for kind, title in _KINDS.items()),
        width=3 * _WIDTH + 2 * _GAP + 16 + _BEND // 2,
        height=_TOP + max(drawn.values()) * _STEP,
    )


def waiting(queues: Mapping[str, int]) -> dict[str, str]:
    """Say how many messages wait for an item."""
    return {name: f"{n} waiting" for name, n in queues.items() if n}


def _curve(source: Item, target: Item) -> str:
    """Draw from the side of a box to the side of another: ahead, back, or around the column."""
    y1, y2 = source.top + _HEIGHT // 2, target.top + _HEIGHT // 2
    if source.left < target.left:
        x1, x2 = source.left + _WIDTH, target.left
        return f"M{x1} {y1}C{x1 + _BEND} {y1} {x2 - _BEND} {y2} {x2} {y2}"
    if source.left > target.left:
        x1, x2 = source.left, target.left + _WIDTH
        return f"M{x1} {y1}C{x1 - _BEND} {y1} {x2 + _BEND} {y2} {x2} {y2}"
    x = source.left + _WIDTH
    return f"M{x} {y1}C{x + _BEND // 2} {y1} {x + _BEND // 2} {y2} {x} {y2}"


def _first_line(component: type | None) -> str:
    return (inspect.getdoc(component) or "").partition("\n")[0] if component else ""
