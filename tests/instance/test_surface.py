"""What ObjectScript gets: the same as the command line says, as plain values and JSON text."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.running import MODEL, ct
from tests.instance.fake_iris import FakeIris

from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings
from iris_ct.core.errors import ConfigError, CTError, DataError, UnknownModelError
from iris_ct.embedded import HostDoor, open_door
from iris_ct.instance.door import InstanceDoor
from iris_ct.instance.surface import Surface, acting
from iris_ct.procedures.catalogue import PROCEDURES, find
from iris_ct.procedures.door import Door

ROW = json.dumps({"hour": 5, "temperature": 14.25, "weather": "rain", "holiday": False})


@pytest.fixture
def parts(lived: Path) -> Iterator[Parts]:
    opened = build(load_settings(lived))
    yield opened
    opened.store.close()


@pytest.fixture
def surface(parts: Parts) -> Surface:
    """The surface on a home of which nothing is changed, with a door that finds no messages."""
    door = InstanceDoor(iris=FakeIris(), production_state=lambda: "running")
    return Surface(lambda: (parts, door))


def records(surface: Surface, name: str, *given: Any) -> list[dict[str, Any]]:
    """Give rows as mappings by the catalogue's columns."""
    names = [column.name for column in find(name).columns]
    return [dict(zip(names, row, strict=True)) for row in json.loads(surface.rows(name, *given))]


ASKED = {
    "Status": (MODEL,),
    "Drift": (MODEL,),
    "History": (MODEL,),
    "Decisions": (MODEL, 5),
    "Explain": (MODEL,),
    "Quarantine": (MODEL,),
    "Log": ("", "3"),
}
# What JSON gives for each type of a column.
KINDS: dict[str, tuple[type, ...]] = {
    "%String": (str,),
    "%TimeStamp": (str,),
    "%Integer": (int,),
    "%Boolean": (int,),
    "%Double": (int, float),
}


@pytest.mark.parametrize("name", ASKED)
def test_rows_have_the_types_that_their_columns_declare(surface: Surface, name: str) -> None:
    found = json.loads(surface.rows(name, *ASKED[name]))
    assert found
    columns = find(name).columns
    for row in found:
        assert len(row) == len(columns)
        for column, cell in zip(columns, row, strict=True):
            assert cell is None or isinstance(cell, KINDS[column.sql_type]), column.name
            assert not isinstance(cell, bool), "IRIS has 1 and 0"
            if column.sql_type == "%TimeStamp" and isinstance(cell, str):
                datetime.strptime(cell, "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007 - SQL's form
            if column.sql_type == "%String" and isinstance(cell, str):
                assert len(cell) <= column.max_length, column.name


def test_all_procedures_with_rows_are_asked_here() -> None:
    assert set(ASKED) == {p.name for p in PROCEDURES if p.result == "rows"}


def test_rows_say_what_the_command_line_says(surface: Surface, lived: Path) -> None:
    said = ct(lived, "status", MODEL, "--json").json
    [row] = records(surface, "Status", MODEL)
    assert (row["n_rows"], row["n_batches"]) == (said["rows"], said["batches"])
    assert row["champion_version"] == said["champion"]["version"]
    assert row["drifted_features"].split(", ") == said["last_drift"]["features"]
    assert row["trained_at"].replace(" ", "T") + "+00:00" == said["champion"]["trained_at"]
    assert records(surface, "Status") == [row], "without a model all are told"
    [report] = ct(lived, "drift", MODEL, "--json").json
    *features, error = records(surface, "Drift", MODEL)
    assert [(f["column_name"], f["psi"]) for f in features] == [
        (f["name"], f["psi"]) for f in report["features"]
    ]
    assert (error["column_role"], error["column_name"]) == ("error", report["error"]["metric"])
    assert error["observed"] == report["error"]["factor"]
    served = ct(lived, "history", MODEL, "--json").json
    assert [(r["version"], r["decision_id"]) for r in records(surface, "History", MODEL)] == [
        (s["version"], s["decision"]) for s in served
    ]
    taken = ct(lived, "history", MODEL, "--decisions", "--json").json
    told = records(surface, "Decisions", MODEL, 3)
    assert [json.loads(t["record"]) for t in told] == taken[-3:]
    [held] = ct(lived, "quarantine", MODEL, "--json").json
    [row] = records(surface, "Quarantine", MODEL)
    assert (row["batch_id"], row["n_rows"], row["reasons"]) == (
        held["batch_id"],
        1,
        "above_maximum:temperature 1",
    )


def test_an_explanation_comes_line_by_line(surface: Surface, lived: Path) -> None:
    rows = json.loads(surface.rows("Explain", MODEL))
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))
    assert "\n".join(words for _, words in rows) + "\n" == ct(lived, "explain", MODEL).out


def test_a_value_is_one_of_sql_and_the_whole_answer_is_json(surface: Surface) -> None:
    prediction = surface.call("Predict", MODEL, ROW)
    assert isinstance(prediction, float)
    detail = surface.call("PredictDetail", MODEL, ROW)
    assert isinstance(detail, str)
    assert json.loads(detail)["prediction"] == prediction
    assert surface.call("ServedAt", MODEL, "2999-01-01 00:00:00") == 2
    assert surface.call("ServedAt", MODEL, "2020-01-01 00:00:00") is None


@pytest.mark.parametrize("nothing", ["", None, "\x00"])
def test_what_sql_calls_empty_is_an_argument_that_is_not_given(
    surface: Surface, nothing: str | None
) -> None:
    assert surface.rows("Status", nothing) == surface.rows("Status")
    with pytest.raises(ConfigError, match="needs 'model'"):
        surface.rows("Drift", nothing)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (lambda s: s.rows("Status", "nobody"), UnknownModelError),
        (lambda s: s.call("Predict", MODEL, '{"hour": "x"}'), DataError),
        (lambda s: s.call("Status", MODEL), ConfigError),
        (lambda s: s.rows("Predict", MODEL, ROW), ConfigError),
        (lambda s: s.screen("Prophesy"), ConfigError),
    ],
)
def test_an_error_keeps_its_class_and_has_one_line(
    surface: Surface, asked: Any, error: type[CTError]
) -> None:
    with pytest.raises(error) as told:
        asked(surface)
    assert type(told.value) is error
    assert "\n" not in str(told.value)


def test_an_answer_that_no_string_of_iris_holds_is_refused(
    surface: Surface, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("iris_ct.instance.surface.MAX_CHARACTERS", 100)
    with pytest.raises(DataError, match=r"has \d+ characters; at most 100"):
        surface.rows("Decisions", MODEL)


SCREENS = (
    ("Help",),
    ("Status",),
    ("Status", MODEL),
    ("Drift", MODEL),
    ("History", MODEL),
    ("Explain", MODEL),
    ("Predict", MODEL, ROW),
    ("Tail", MODEL, 20),
)


@pytest.mark.parametrize("asked", SCREENS, ids=lambda asked: asked[0])
def test_a_screen_is_at_most_eighty_columns_wide(surface: Surface, asked: tuple[Any, ...]) -> None:
    text = surface.screen(*asked)
    assert text.strip()
    # A word that is longer, such as a path, may stand out.
    assert [line for line in text.splitlines() if len(line) > 80 and len(line.split()) > 1] == []


def test_screens_show_what_an_operator_looks_for(surface: Surface) -> None:
    status = surface.screen("Status", MODEL)
    assert "champion_version" in status
    assert "temperature" in status
    assert "loss -" in surface.screen("History", MODEL)
    assert "chain of records is intact" in surface.screen("Explain", MODEL)
    assert "temperature" in surface.screen("Drift", MODEL)


class _Changing:
    """A copy of the home whose production runs, asked as operators do in SQL."""

    def __init__(self, parts: Parts, door: HostDoor) -> None:
        self.door = door
        self.surface = Surface(lambda: (parts, door))

    def ask(self, name: str, *given: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(str(self.surface.call(name, *given)))
        if "session" in answer:
            self.door.wait(answer["session"])
        return answer


@pytest.fixture
def changing(copied: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Changing]:
    monkeypatch.setenv("CT_HOME", str(copied))
    with ExitStack() as stack:
        parts = build(load_settings())
        stack.callback(parts.store.close)
        yield _Changing(parts, stack.enter_context(open_door(parts)))


def test_operators_change_in_sql_what_they_change_with_ct(changing: _Changing) -> None:
    assert changing.ask("RollbackTo", MODEL, 0, "too high")["version"] == 1
    assert changing.surface.call("ServedAt", MODEL, "2999-01-01") == 1
    assert changing.ask("Promote", MODEL, "2", "it was not")["version"] == 2
    decided = changing.ask("Retrain", MODEL)
    assert decided["outcome"] == "retrain"
    assert decided["cycle"] is None, "nobody waited for its end"
    released = changing.ask("ReleaseQuarantine", MODEL, f"{MODEL}-000002")
    assert set(released) == {"file", "session"}
    batch = changing.ask("PredictBatch", MODEL, f"{MODEL}-000001")
    assert batch["rows"] == 720
    kinds = [row["kind"] for row in records(changing.surface, "Decisions", MODEL, 10)]
    assert {"rollback", "appointment", "retrain"} <= set(kinds)
    assert "promote" not in changing.surface.screen("Rollback", MODEL, 1, "again").lower()


def test_the_user_of_the_process_acts_unless_the_settings_name_somebody(
    parts: Parts, lived: Path
) -> None:
    assert parts.settings.who, "was asked before"
    assert acting(parts, "Ada").settings.who == "Ada"
    assert acting(parts, "").settings.who == parts.settings.who
    named = build(load_settings(lived).model_copy(update={"actor": "robot"}))
    assert acting(named, "Ada").settings.who == "robot"
    named.store.close()


def test_nothing_of_iris_is_imported_before_it_is_needed() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, iris_ct.instance.surface, iris_ct.instance.native\n"
            "heavy = {'iris', 'mlflow', 'pandas', 'scipy', 'duckdb', 'matplotlib'}\n"
            "print(sorted(heavy & set(sys.modules)))",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def _is_a_door(door: Door) -> Door:
    return door


def test_both_ways_in_are_doors(parts: Parts) -> None:
    """The type checker compares them; here they only must have every method."""
    door = _is_a_door(InstanceDoor(iris=FakeIris()))
    for name in ("call", "wait", "trace", "sessions", "events", "pending", "forget"):
        assert callable(getattr(door, name))
        assert callable(getattr(HostDoor, name))
