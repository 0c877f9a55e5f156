"""Nothing from outside becomes markup, and no page asks anything of another machine."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.cli.running import csv, ct
from tests.control.console.gateway import write_state
from tests.control.console.pages import ADDRESSES, Element, Pages
from tests.factories import day, rentals

import iris_ct.control.console as console
from iris_ct.adapters.gateway_lock import only_gateway
from iris_ct.bootstrap import Parts
from iris_ct.control.board import Board
from iris_ct.core.decision import Check, Decision

ASSETS = Path(console.__file__).parent / "assets"
HOSTILE = """<img src=x onerror="alert(1)">'";</title></script>{{ 7 * 7 }}&amp;"""
POINTING = (
    "href",
    "src",
    "srcset",
    "action",
    "formaction",
    "poster",
    "data",
    "xlink:href",
    "style",
)


def references(page: Element) -> list[str]:
    """List what the elements of a page point at."""
    return [
        element.attributes[name]
        for element in page.walk()
        for name in POINTING
        if name in element.attributes
    ]


def assert_harmless(page: Element) -> None:
    """Check that a page has no elements and attributes but those of its template."""
    (script,) = page.find("script")
    assert script.attributes == {"src": "/console/assets/console.js", "defer": ""}
    assert not script.text
    for element in page.walk():
        assert element.tag not in {"img", "iframe", "object", "embed", "base", "style", "form"}
        assert not [name for name in element.attributes if name.startswith("on")]
    assert "49" not in [word for title in page.find("title") for word in title.text.split()]


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_points_at_this_machine_only(pages: Pages, address: str) -> None:
    page = pages.page(address, pages.ask(address).status)
    assert_harmless(page)
    for reference in references(page):
        assert re.match(r"(/console\b|#|\?)", reference), reference


def test_no_asset_asks_for_anything() -> None:
    assert {path.suffix for path in ASSETS.iterdir()} == {".css", ".js", ".svg"}
    for path in ASSETS.iterdir():
        text = path.read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?:|//[a-z]+\.|url\(|@import|@font-face", text), path.name
        assert not re.search(r"innerHTML|outerHTML|insertAdjacent|eval|document\.write", text)


@pytest.mark.parametrize(
    "address", [*ADDRESSES, "/console/live.json", "/console/assets/console.css"]
)
def test_every_answer_is_guarded_by_its_headers(pages: Pages, address: str) -> None:
    headers = pages.ask(address).headers
    policy = dict(
        part.strip().partition(" ")[::2] for part in headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert {policy[f"{kind}-src"] for kind in ("script", "style", "img", "connect")} == {"'self'"}
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == ("no-cache" if "assets" in address else "no-store")


def test_an_asset_is_sent_once(pages: Pages) -> None:
    first = pages.ask("/console/assets/console.js")
    assert (first.status, first.content_type) == (200, "text/javascript; charset=utf-8")
    again = pages.ask(
        "/console/assets/console.js", headers=[("if-none-match", first.headers["etag"])]
    )
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(
    "name", ["..%2Fsite.py", "../site.py", "..%5Csite.py", "%2Fetc%2Fpasswd", "console.css%00", ""]
)
def test_nothing_but_assets_is_sent_as_an_asset(pages: Pages, name: str) -> None:
    pages.page(f"/console/assets/{name}", 404)


@pytest.mark.parametrize("place", ["models", "decisions", "messages"])
def test_a_hostile_address_is_only_said(pages: Pages, place: str) -> None:
    page = pages.page(f"/console/{place}/{quote(HOSTILE, safe='')}", 404)
    assert_harmless(page)


def test_hostile_names_and_reasons_are_only_said(parts: Parts, tmp_path: Path) -> None:
    """File names, reasons of decisions, services' failures, and images of rollouts."""
    name = "<img src=x onerror=alert(1)>'\".csv"
    assert ct(parts.home, "ingest", "rentals", csv(tmp_path / name, rentals(day(50), 1))).code == 0
    parts.store.decisions.record(
        Decision(
            decision_id="rollout-" + HOSTILE.replace("/", ""),
            model="rentals",
            kind="rollout",
            outcome=HOSTILE,
            reason=HOSTILE,
            cycle_id=None,
            actor=HOSTILE,
            rule=HOSTILE,
            event_now=None,
            decided_at=datetime(2026, 11, 21, tzinfo=UTC),
            inputs={},
            numbers={},
            thresholds={},
            checks=(Check(HOSTILE, HOSTILE, HOSTILE, False, HOSTILE),),
        )
    )
    (parts.settings.models_dir / f"{HOSTILE.replace('/', '')}.toml").write_text(
        f"name = '''{HOSTILE}'''"
    )
    write_state(parts.home, reason=HOSTILE)
    rollout = {
        "service": "rentals",
        "stable": HOSTILE,
        "candidate": HOSTILE,
        "stage": 0,
        "state": "back",
        "began_at": "2026-11-21T10:00:00+00:00",
        "before": {},
    }
    (parts.home / "serving" / "rollouts.json").write_text(json.dumps({"rentals": rollout}))
    pages = Pages(parts, Board(parts.home, address="", pid=1))
    said = {}
    with only_gateway(parts.home):
        for address in (*ADDRESSES, "/console/models/rentals?by=arrival"):
            page = pages.page(address, pages.ask(address).status)
            assert_harmless(page)
            said[address] = page.text
    flat = " ".join(HOSTILE.split())
    assert name in said["/console/models/rentals"]
    assert flat in said["/console/models/rentals?by=arrival"]
    assert said["/console/services"].count(flat) == 3
    assert flat.replace("/", "") in said["/console"]
    (link,) = [
        link.attributes["href"]
        for link in pages.page("/console/models/rentals").find("a")
        if "rollout-" in link.attributes["href"]
    ]
    page = pages.page(link)
    assert_harmless(page)
    assert page.text.count(flat) >= 7
