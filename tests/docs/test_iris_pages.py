"""What the pages for administrators of IRIS tell to type or to look at exists in the product."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from tests.objectscript.syntax import read_classes

from iris_ct.adapters.store.views import VIEWS
from iris_ct.config import Settings
from iris_ct.procedures.catalogue import PROCEDURES
from iris_ct.production import production

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "docs" / name for name in ("iris.md", "sql.md", "deployment.md")]
CLASSES = {each.name: each for each in read_classes()}
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)

# Names of schema and package that pages speak of as a whole, or of tasks by their titles.
_NO_NAMES = {"CT.Msg", "CT.Production"}


@page
def test_every_method_that_is_called_exists(page: Path) -> None:
    called = set(re.findall(r"##class\((CT\.\w+)\)\.(\w+)", page.read_text()))
    known = {(name, member.name) for name, each in CLASSES.items() for member in each.members}
    assert called <= known


@page
def test_every_name_of_the_schema_is_a_class_a_view_or_a_procedure(page: Path) -> None:
    named = {f"CT.{name}" for name in re.findall(r"\bCT\.(\w+(?:\.\w+)?)", page.read_text())}
    named = {name.removesuffix(".cls") for name in named}
    known = {
        *CLASSES,
        *(f"CT.{view.name}" for view in VIEWS),
        *(f"CT.{procedure.sql_name}" for procedure in PROCEDURES),
        *_NO_NAMES,
    }
    methods = {f"{name}.{m.name}" for name, each in CLASSES.items() for m in each.members}
    assert named - known - methods == set()


@page
def test_every_container_and_service_that_is_named_is_in_the_compose_file(page: Path) -> None:
    text = page.read_text()
    containers = set(re.findall(r"docker exec (?:-\w+ )*([\w-]+)", text))
    assert containers <= {COMPOSE["services"]["iris"]["container_name"]}
    services = re.findall(r"docker compose (?:logs|stop|start|restart|run --rm) ([a-z]\w*)", text)
    assert set(services) <= set(COMPOSE["services"])


@page
def test_every_setting_that_is_named_exists(page: Path) -> None:
    named = set(re.findall(r"\bCT_[A-Z_]+\b", page.read_text()))
    settings = {f"CT_{name.upper()}" for name in Settings.model_fields}
    scripts = "".join(
        path.read_text()
        for path in (
            ROOT / "iris_autoconf.sh",
            ROOT / "docker-compose.yml",
            ROOT / "Makefile",
            ROOT / "tests/iris/conftest.py",
        )
    )
    assert {name for name in named - settings if name not in scripts} == set()


@page
def test_every_file_of_the_project_that_is_named_is_there(page: Path) -> None:
    """What lies below dur/ is made at run time and is not looked for."""
    text = page.read_text()
    named = re.findall(r"`((?:deploy|src|examples|tests|docs)/[\w./-]*)`", text)
    named += re.findall(r"\bcp ((?:examples|deploy)/\S+)", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_items_that_the_page_names_are_items_of_the_production() -> None:
    items = {item.name for item in production.items}
    text = (ROOT / "docs" / "iris.md").read_text()
    named = set(re.findall(r"[iI]tems? `(\w+)`|`(\w+)` job", text))
    assert {name for pair in named for name in pair if name} <= items


def test_the_addresses_are_the_published_ports() -> None:
    published = [port for each in COMPOSE["services"].values() for port in each.get("ports", [])]
    text = (ROOT / "docs" / "iris.md").read_text()
    for port in re.findall(r"http://localhost:(\d+)", text):
        assert any(str(each).endswith(f":{port}") for each in published), port
