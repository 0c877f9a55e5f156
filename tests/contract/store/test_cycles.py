"""At most one cycle is open per model; later triggers join it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.store import children
from tests.contract.store.histories import NOON, trigger

from iris_ct.adapters.store import SqlStore
from iris_ct.core.cycle import Cycle
from iris_ct.core.errors import StoreError
from iris_ct.ports import SpentRows

pytestmark = pytest.mark.integration

OPENING = """
tell("ready")
wait()
cycle, opened = store.cycles.open_or_join(trigger(sys.argv[1][-1] + str(os.getpid())), spec_digest="s")
tell(f"{cycle.cycle_id} {opened}")
"""


def test_the_first_trigger_opens_and_the_second_joins(store: SqlStore) -> None:
    first, opened_first = store.cycles.open_or_join(trigger("t1"), spec_digest="s1")
    second, opened_second = store.cycles.open_or_join(
        trigger("t2", reason="drift"), spec_digest="s2"
    )
    assert (opened_first, opened_second) == (True, False)
    assert second.cycle_id == first.cycle_id
    assert (second.state, second.spec_digest, second.seq) == ("open", "s1", 1)
    assert second.triggers == (trigger("t1"), trigger("t2", reason="drift"))
    assert (second.opened_at, second.event_now, second.as_of_seq) == (NOON, 7, None)
    assert store.cycles.open_cycle("bikes") == second


def test_the_same_trigger_counts_once(store: SqlStore) -> None:
    """Also after its cycle is closed: a repeated step opens nothing new."""
    first, _ = store.cycles.open_or_join(trigger("t1"), spec_digest="s")
    store.cycles.open_or_join(trigger("t2"), spec_digest="s")
    assert store.cycles.open_or_join(trigger("t1"), spec_digest="s")[1] is True
    assert store.cycles.open_or_join(trigger("t2"), spec_digest="s")[1] is False
    store.cycles.close(first.cycle_id, "held", at=NOON)
    again, opened = store.cycles.open_or_join(trigger("t1"), spec_digest="s")
    assert (again.cycle_id, again.state, opened) == (first.cycle_id, "held", True)
    assert len(store.cycles.cycles("bikes")) == 1


def test_models_do_not_share_a_cycle(store: SqlStore) -> None:
    store.cycles.open_or_join(trigger("t1"), spec_digest="s")
    _, opened = store.cycles.open_or_join(trigger("t2", model="loans"), spec_digest="s")
    assert opened


def test_a_closed_cycle_makes_room_and_keeps_its_first_state(store: SqlStore) -> None:
    first, _ = store.cycles.open_or_join(trigger("t1"), spec_digest="s")
    later = NOON + timedelta(hours=1)
    closed = store.cycles.close(first.cycle_id, "promoted", at=later)
    assert (closed.state, closed.closed_at) == ("promoted", later)
    assert store.cycles.close(first.cycle_id, "failed", at=NOON) == closed
    assert store.cycles.open_cycle("bikes") is None
    second, opened = store.cycles.open_or_join(trigger("t2"), spec_digest="s")
    assert (opened, second.seq) == (True, 2)
    assert [cycle.state for cycle in store.cycles.cycles("bikes")] == ["promoted", "open"]


def test_the_first_cut_stays(store: SqlStore) -> None:
    cycle, _ = store.cycles.open_or_join(trigger(), spec_digest="s")
    assert store.cycles.cut_at(cycle.cycle_id, 5).as_of_seq == 5
    assert store.cycles.cut_at(cycle.cycle_id, 9).as_of_seq == 5


def test_a_person_can_accept_reused_rows(store: SqlStore) -> None:
    cycle, _ = store.cycles.open_or_join(trigger(), spec_digest="s")
    assert not cycle.accept_reused
    store.cycles.accept_reused(cycle.cycle_id)
    assert store.cycles.get(cycle.cycle_id).accept_reused


def test_rows_are_spent_once_per_cycle(store: SqlStore) -> None:
    spent = SpentRows(cycle_id="c1", first_position=5, last_position=9, n_rows=4)
    store.cycles.spend("bikes", spent)
    store.cycles.spend("bikes", SpentRows("c1", 1, 2, 3))
    store.cycles.spend("loans", SpentRows("c2", 1, 2, 3))
    assert store.cycles.spent("bikes") == [spent]


def test_of_two_processes_at_once_one_opens_and_one_joins(
    store: SqlStore, url: str, tmp_path: Path
) -> None:
    pair = [children.start(url, tmp_path / "home", OPENING) for _ in range(2)]
    assert [children.hear(child) for child in pair] == ["ready", "ready"]
    for child in pair:
        children.let_go(child)
    said = sorted(children.hear(child) for child in pair)
    assert said == ["bikes-cycle-00001 False", "bikes-cycle-00001 True"]
    assert [children.end(child) for child in pair] == [0, 0]
    (cycle,) = store.cycles.cycles("bikes")
    assert len(cycle.triggers) == 2


@pytest.mark.threads
def test_many_threads_open_one_cycle(opened: Callable[[], SqlStore]) -> None:
    stores = [opened(), opened()]
    told: list[tuple[Cycle, bool]] = []

    def ask(number: int) -> None:
        told.append(stores[number % 2].cycles.open_or_join(trigger(f"t{number}"), spec_digest="s"))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert sorted(was_opened for _, was_opened in told) == [False] * 7 + [True]
    (cycle,) = stores[0].cycles.cycles("bikes")
    assert {joined.trigger_id for joined in cycle.triggers} == {f"t{i}" for i in range(8)}


def test_an_unknown_cycle_is_an_error(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="no cycle c9"):
        store.cycles.get("c9")
    with pytest.raises(StoreError, match="no cycle c9"):
        store.cycles.close("c9", "held", at=NOON)
    with pytest.raises(StoreError, match="cannot be closed as open"):
        store.cycles.close("c9", "open", at=NOON)
