"""Every benchmark runs at a tiny size, so that none rots; no time is asserted."""

from __future__ import annotations

import pytest
from benchmarks.__main__ import main
from benchmarks.data import model_file, rows
from benchmarks.home import workplace
from benchmarks.load import WRK, load
from benchmarks.machine import describe
from benchmarks.measure import in_child, interleaved
from benchmarks.table import Table

from benchmarks import cycle, drift, ingest, messages, served, serving

pytestmark = [pytest.mark.integration, pytest.mark.slow]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put back afterwards what the benchmarks set for the components of their homes."""
    for name in ("CT_HOME", "CT_MODELS", "CT_STORE_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def _first_cells(table: Table) -> list[str]:
    assert all(len(row) == len(table.head) for row in table.rows)
    assert table.text().startswith(f"## {table.title}")
    return [row[0] for row in table.rows]


def test_drift_checks_every_size_and_finds_the_column_that_was_moved() -> None:
    (table,) = drift.run(sizes=(3_000, 9_000), n_reference=3_000, runs=1)
    assert len(_first_cells(table)) == 6
    assert any("drifted as made: n00" in note for note in table.notes)


def test_ingest_measures_both_formats_in_speed_and_memory() -> None:
    speed, memory = ingest.run(n_rows=2_000, runs=1)
    assert [cell.partition(",")[0] for cell in _first_cells(speed)] == ["csv", "parquet"]
    assert _first_cells(memory) == ["csv", "parquet"]


def test_a_cycle_is_measured_by_its_steps_and_beside_its_own_fits() -> None:
    whole, answer = cycle.run(n_rows=3_000, runs=1, rounds=5)
    assert len(_first_cells(whole)) == 9
    assert all(float(row[1].split()[0]) > 0 for row in whole.rows)
    assert len(_first_cells(answer)) == 3


def test_messages_are_measured_beside_bare_commits() -> None:
    (table,) = messages.run(n_chains=3, runs=1, idle_s=0.2)
    assert len(_first_cells(table)) == 4


def test_serving_is_measured_beside_a_bare_handler_and_lightgbms_own_calls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(served.PEERS, raising=False)
    tiny = {"n_rows": 3_000, "rounds": 5, "rows_asked": 20, "n_scored": 2_000}
    over_http, alone, sets = serving.run(**tiny, runs=1, seconds=0.2, connections=2)
    assert _first_cells(over_http) == [
        "bare uvicorn handler",
        "gateway, everything off",
        "gateway, everything on",
    ]
    assert len(_first_cells(alone)) == 5
    assert len(_first_cells(sets)) == 6


@pytest.mark.parametrize("wrk", [None, *([WRK] if WRK else [])])
def test_each_client_measures_rate_and_latency(wrk: str | None) -> None:
    """wrk where it is installed, and the client of our own."""
    matrix = served.rows(1).select(served.FEATURES).to_numpy()
    with workplace() as work:
        side = served.limit(work, {"one": 5})
        with side.serving(matrix) as (server, port):
            asked = side.question("one", matrix, port)
            rate = load(asked, seconds=0.2, connections=2, wrk=wrk)
            assert server.memory_mb()[0] > 0
            with pytest.raises(RuntimeError, match="failed"):
                load(side.question("none", matrix, port), seconds=0.2, connections=1, wrk=wrk)
    assert 0 < rate.p50_s <= rate.p99_s
    assert rate.requests_per_s > 0


def test_sides_take_turns_and_give_their_median() -> None:
    seconds = iter([1.0, 10.0, 30.0, 3.0, 2.0, 20.0])
    turns: list[str] = []

    def side(name: str) -> float:
        turns.append(name)
        return next(seconds)

    found = interleaved({"a": lambda: side("a"), "b": lambda: side("b")}, runs=3)
    assert turns == ["a", "b", "b", "a", "a", "b"]
    assert found == {"a": 2.0, "b": 20.0}


def test_a_child_tells_its_answer_and_its_memory_and_its_failure() -> None:
    child = in_child("benchmarks.machine:load")
    assert str(child.answer).startswith("load ")
    assert child.peak_mb >= child.base_mb > 0
    with pytest.raises(RuntimeError, match="no_such_function"):
        in_child("benchmarks.machine:no_such_function")


def test_the_rows_are_the_same_for_a_seed_and_some_are_missing() -> None:
    frame = rows(1_000)
    assert frame.equals(rows(1_000))
    assert frame.width == 22
    assert 0.01 < frame["n00"].null_count() / 1_000 < 0.06
    assert all(
        f'"{name}"' in model_file() or f"{name} =" in model_file() for name in frame.columns
    )


def test_the_machine_is_described_with_versions() -> None:
    assert "polars" in describe()
    with workplace() as place:
        assert place.is_dir()
    assert not place.exists()


def test_only_known_benchmarks_are_taken(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["drift", "speed"])
    assert (
        "no benchmark speed; there are drift, ingest, cycle, messages, serving"
        in capsys.readouterr().err
    )
