"""What each page shows of a real home."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.cli.running import csv, ct
from tests.control.console.gateway import Gateway
from tests.control.console.pages import ADDRESSES, Pages, rows
from tests.factories import day, rentals

from iris_ct import procedures
from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings
from iris_ct.control import main as control
from iris_ct.control.asgi import answer
from iris_ct.control.board import Board
from iris_ct.serving.frames import Http

# Between thousands.
BLANK = "\N{NARROW NO-BREAK SPACE}"


def test_the_first_page_shows_how_every_model_stands(pages: Pages, served_home: Parts) -> None:
    status = procedures.status(served_home, "rentals")
    table = pages.page("/console").one("table")
    heads = [head.text for head in table.one("thead").find("th")]
    (cells,) = rows(table)
    row = dict(zip(heads, cells, strict=True))
    since = served_home.store.models.champions("rentals")[-1].since
    assert row["Model"] == "rentals"
    assert row["Task"] == "regression"
    assert row["Champion"] == f"version {status['champion']['version']}"
    assert row["Serves since"] == f"{since:%Y-%m-%d %H:%M:%S}"
    assert row["Rows"].replace(BLANK, "") == str(status["rows"])
    assert row["Last drift"].startswith("drifted" if status["last_drift"]["drifted"] else "none")
    assert row["Held back"] == "1 row"
    assert row["Promotions"] == str(status["promotions"])
    assert "pair running" in row["Services"]
    assert row["Rate"] == "20/s"


def test_the_control_process_shows_the_console(parts: Parts) -> None:
    app = control.make_app(parts, Board(parts.home, address="", pid=1))
    told = asyncio.run(answer(app, Http("GET", "/console", "", [], b"", None)))
    assert (told.status, b"All models at a glance" in told.body) == (200, True)


def test_the_root_leads_to_the_first_page(pages: Pages) -> None:
    told = pages.ask("/")
    assert (told.status, told.headers["location"]) == (307, "/console")


def test_the_timeline_says_in_words_what_it_draws(pages: Pages, served_home: Parts) -> None:
    page = pages.page("/console/models/rentals")
    told = procedures.timeline(served_home, "rentals")
    assert {event["kind"] for event in told["events"]} == {
        *("data", "drift", "error", "retraining", "champion", "decision")
    }
    listed = rows(page.find("table")[0])
    assert [(row[2].split()[0], row[3]) for row in listed] == [
        (event["kind"], event["words"]) for event in told["events"]
    ]
    drawn = {title.text for title in page.one("svg").find("title")}
    for event in told["events"]:
        if event["position"] is None:
            continue
        assert any(event["words"] in said for said in drawn), event["words"]


def test_every_record_of_the_timeline_has_its_page(pages: Pages) -> None:
    page = pages.page("/console/models/rentals")
    links = {link.attributes["href"] for link in page.one("main").find("a")}
    records = sorted(link for link in links if link.startswith("/console/decisions/"))
    assert len(records) > 4
    for link in records:
        said = pages.page(link).one("main").text
        assert "The chain of records is intact." in said
        assert "Rule:" in said


def test_a_changed_record_is_told_on_every_page_of_its_chain(parts: Parts) -> None:
    parts.store.close()
    with closing(sqlite3.connect(parts.home / "store" / "ct.db")) as database, database:
        changed = database.execute(
            "UPDATE ct_decision SET content = REPLACE(content, 'promote', 'reject') "
            "WHERE decision_id LIKE 'gate-%'"
        )
        assert changed.rowcount
    page = Pages(parts, Board(parts.home, address="", pid=1)).page("/console/decisions/rentals")
    alert = page.one("p", role="alert")
    assert "BROKEN" in alert.text
    assert "record gate-" in alert.text


def test_the_page_of_services_shows_weights_instances_and_rollouts(pages: Pages) -> None:
    page = pages.page("/console/services")
    first, second, *_ = page.find("table")
    services = {row[0]: row for row in rows(first)}
    assert services["pair"][1] == "running"
    assert services["pair"][2] == "rentals:1.0.0 0.8, rentals:2.0.0 0.2"
    assert services["pair"][4] == "3"
    assert services["rentals"][9] == "follows the champion"
    # 15 of 20 requests a second, all between 5 and 10 ms, spread evenly: 7.5 and 9.95 ms.
    assert rows(second) == [
        ["rentals:1", "0.8", "clients", "2 of 2", "101, 102", "15/s", "7.5 ms", "9.95 ms"],
        ["rentals:2", "0.2", "clients", "1 of 1", "103", "5/s", "7.5 ms", "9.95 ms"],
    ]
    assert "rentals:2 is tried instead of rentals:1, in stage 2 since 2026-11-21" in page.text


def test_who_asks_sees_only_their_domains(parts: Parts) -> None:
    from iris_ct.core.service import ModelRef, make_service

    hidden = make_service("hidden", [ModelRef("rentals", "1")], domain="north")
    parts.store.services.create(hidden, owner="eva", at=parts.clock.now())
    pages = Pages(parts, Board(parts.home, address="", pid=1))
    for domains, sees in ((["south"], False), (["north"], True), (["*"], True)):
        page = pages.page("/console/services", principal=("otto", "reader", domains))
        assert ("hidden" in page.text) == sees
        numbers = pages.live(principal=("otto", "reader", domains))["numbers"]
        assert ("service hidden rate" in numbers) == sees


def test_a_session_is_a_tree_of_messages_without_what_they_say(pages: Pages) -> None:
    listed = rows(pages.page("/console/messages").one("table"))
    session = next(row[0] for row in reversed(listed) if row[3] == "FileArrived")
    page = pages.page(f"/console/messages/{session}")
    tree = rows(page.one("table"))
    assert (tree[0][0], tree[0][1]) == ("FileArrived", "0")
    assert {row[3] for row in tree} >= {"Requests", "Intake", "Ingestion"}
    assert max(int(row[1]) for row in tree) >= 2
    # The messages' bodies name files; the page does not.
    assert "first.csv" not in page.text


@pytest.mark.parametrize("number", ["0", "999", "x", "-1", "1e3", "9" * 30])
def test_a_session_that_is_not_there_is_not_found(pages: Pages, number: str) -> None:
    pages.page(f"/console/messages/{number}", 404)


def test_the_production_is_drawn_with_all_items_and_connections(pages: Pages) -> None:
    from iris_ct.production import production

    page = pages.page("/console/production")
    drawing = page.find("svg")[0]
    assert len(drawing.find("path", class_="curve")) == len(production.edges)
    items = {row[0]: row for row in rows(page.one("table"))}
    assert list(items) == [item.name for item in production.items]
    assert {text.text for text in drawing.find("text", class_="name")} == set(items)
    for name, row in items.items():
        targets = [edge.target for edge in production.edges if edge.source_item == name]
        assert row[5] == (", ".join(targets) or "-")
        assert row[2]


def test_what_waits_for_an_item_is_shown(parts: Parts) -> None:
    from iris_ct.embedded import host_client
    from iris_ct.messages import RetrainingRequested

    with host_client(parts) as client:
        client.send("Requests", RetrainingRequested("rentals", "manual:1", "manual", "eva"))
    page = Pages(parts, Board(parts.home, address="", pid=1)).page("/console/production")
    assert "Nobody runs it now" in page.text
    assert next(row for row in rows(page.one("table")) if row[0] == "Requests")[4] == "1"
    assert "Requests · 1 waiting" in page.find("svg")[0].text


def test_quarantine_shows_counts_and_reasons_and_no_row(pages: Pages, served_home: Parts) -> None:
    (held,) = procedures.quarantine(served_home, "rentals")
    page = pages.page("/console/quarantine")
    ((batch, _, n_rows, what, reasons),) = rows(page.one("table"))
    assert (batch, n_rows, what) == (held["batch_id"], "1", "single rows")
    assert "above_maximum:temperature (1)" in reasons or "temperature" in reasons
    # 99 degrees is what the row says.
    assert "99" not in page.one("table").text.replace(batch, "")


def test_long_lists_come_in_pages(tmp_path: Path) -> None:
    home = tmp_path / "dur"
    (home / "models").mkdir(parents=True)
    from tests.factories import RENTALS

    for n in range(53):
        text = RENTALS.format(extra="").replace('name = "rentals"', f'name = "m{n:02}"')
        (home / "models" / f"m{n:02}.toml").write_text(text)
    parts = build(load_settings(home))
    pages = Pages(parts, Board(home, address="", pid=1))
    first, second = pages.page("/console"), pages.page("/console?page=2")
    assert [row[0] for row in rows(second.one("table"))] == ["m50", "m51", "m52"]
    assert len(rows(first.one("table"))) == 50
    assert first.one("a", rel="next").attributes["href"] == "?page=2"
    parts.store.close()


@pytest.mark.parametrize("strange", ["0", "-1", "x", "99", "%D9%A3", "9" * 40, ""])
def test_a_page_that_is_none_is_the_first_or_the_last(pages: Pages, strange: str) -> None:
    for address in ("/console/services", "/console/messages", "/console/models/rentals"):
        assert pages.page(f"{address}?page={strange}").find("table")


@pytest.mark.parametrize("address", ["/console/models/rentals", "/console/models/rentals?page=2"])
def test_a_long_timeline_says_that_it_is_not_all(served_home: Parts, address: str) -> None:
    told = procedures.timeline(served_home, "rentals", newest=1)
    assert not told["complete"]
    assert {event["kind"] for event in told["events"]} >= {"data", "champion", "retraining"}
    assert procedures.timeline(served_home, "rentals")["complete"]
    assert Pages(served_home, Board(served_home.home, address="", pid=1)).page(address).find("svg")


def test_an_empty_home_says_what_to_do_next(tmp_path: Path) -> None:
    parts = build(load_settings(tmp_path / "dur"))
    pages = Pages(parts, Board(parts.home, address="", pid=1))
    assert "ct init sales --from" in pages.page("/console").text
    assert "ct serve" in pages.page("/console/services").text
    assert "ct ingest" in pages.page("/console/messages").text
    assert "Nothing is held back" in pages.page("/console/quarantine").text
    assert pages.page("/console/production").find("table")
    assert pages.live() == {
        "known": False,
        "numbers": {},
        "words": "No live numbers: the gateway has told nothing yet.",
    }
    parts.store.close()


def test_a_model_without_rows_has_a_page(tmp_path: Path) -> None:
    from tests.cli.running import make_home

    parts = build(load_settings(make_home(tmp_path / "dur")))
    pages = Pages(parts, Board(parts.home, address="", pid=1))
    assert "none yet" in pages.page("/console").text
    # That the specification was recorded is all that has happened; it has no event position.
    page = pages.page("/console/models/rentals")
    assert "specification" in page.text
    assert not page.find("svg")
    assert pages.page("/console/models/rentals?by=arrival").find("svg")
    parts.store.close()


def test_a_model_file_that_is_wrong_leaves_the_others_readable(parts: Parts) -> None:
    (parts.settings.models_dir / "broken.toml").write_text("task = 7")
    pages = Pages(parts, Board(parts.home, address="", pid=1))
    broken, good = rows(pages.page("/console").one("table"))
    assert broken[0] == "broken"
    assert broken[1].startswith("cannot be read")
    assert good[0] == "rentals"
    assert "broken" in pages.page("/console/quarantine").text
    pages.page("/console/models/broken", 500)


def test_labels_stand_in_the_timeline(parts: Parts, tmp_path: Path) -> None:
    labels = csv(tmp_path / "labels.csv", rentals(day(49), 1).select("slot", "hires"))
    assert ct(parts.home, "labels", "rentals", labels).code == 0
    events = procedures.timeline(parts, "rentals")["events"]
    said = next(event for event in events if event["kind"] == "labels")
    assert said["words"].startswith("24 labels from labels.csv")


def test_pages_are_read_only(pages: Pages) -> None:
    for address in ADDRESSES:
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert pages.ask(address, method=method).status == 405
        assert not pages.page(address, pages.ask(address).status).find("form")


def test_live_numbers_are_those_of_the_pages(pages: Pages, gateway: Gateway) -> None:
    live = pages.live()
    for address in ("/console", "/console/models/rentals", "/console/services"):
        for place in pages.page(address).find("*"):
            name = place.attributes.get("data-live")
            if name is not None:
                assert live["numbers"][name] == place.text, name
    assert live["words"].startswith("20/s answered; half of the requests within 7.5 ms")
    gateway.now_s += 60
    assert pages.live()["words"].startswith("No live numbers")
