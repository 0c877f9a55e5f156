"""The drawing in docs/index.md shows the items and connections of the production, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import iris_ct
from iris_ct.host import HostPlan
from iris_ct.production import production

PAGE = Path(__file__).parents[2] / "docs" / "index.md"
KINDS = {"services": "service", "processes": "process", "operations": "operation"}


def drawing() -> str:
    """Give the page's mermaid block."""
    blocks = re.findall(r"```mermaid\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 1
    return str(blocks[0])


def drawn_as(item: str) -> str:
    """Give the name in the drawing: IRIS wants one item called Ens.Alert."""
    return item.removeprefix("Ens.")


def test_every_item_is_drawn_among_its_kind() -> None:
    plan = HostPlan.from_production(production)
    for kind, singular in KINDS.items():
        group = re.search(rf"subgraph {kind} .*?\n(.*?)\n    end", drawing(), re.DOTALL)
        assert group is not None
        assert group[1].split() == [
            drawn_as(item.name) for item in plan.items.values() if item.kind == singular
        ]


def test_every_connection_is_drawn() -> None:
    drawn = re.findall(r"(\w+) --> (\w+)", drawing())
    wired = [(drawn_as(edge.source_item), edge.target) for edge in production.edges]
    assert sorted(drawn) == sorted(wired)


def test_every_item_is_described() -> None:
    described = re.findall(r"^\| ([A-Z]\w+) \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    names = [drawn_as(item.name) for item in production.items]
    assert [name for name in described if name != "Item"] == names


def test_every_room_of_the_house_is_drawn() -> None:
    """The indented lines below "The house" name the package's modules and folders."""
    house = PAGE.read_text(encoding="utf-8").partition("## The house")[2]
    drawn = re.findall(r"^    ([a-z_]+)(?:/|\.py) ", house, re.MULTILINE)
    package = Path(iris_ct.__file__).parent
    rooms = {path.stem for path in package.iterdir() if path.stem.strip("_") == path.stem}
    assert sorted(drawn) == sorted(rooms)
