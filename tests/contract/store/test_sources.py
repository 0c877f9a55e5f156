"""How far tables have been read: recorded whole, by one reader at a time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from iris_ct.adapters.sources.sql_tables import SqlTables
from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import ConflictError, SourceError
from iris_ct.core.specification import parse_specification
from iris_ct.ports import Reading, SeenRow, SourceState

pytestmark = pytest.mark.integration

AT = datetime(2026, 1, 31, 12, tzinfo=UTC)
FRESH = SourceState("m", "here")


def reading(before: SourceState, **what: Any) -> Reading:
    """Make a reading that changes only what is said."""
    said: dict[str, Any] = {"seen": {}, "added": [], "gone": [], "forget_until": None}
    return Reading(before, replace(before, read_at=AT), **(said | what))


def seen(*ids: int, at: datetime = AT) -> dict[int, SeenRow]:
    return {one: SeenRow(f"d{one}", at) for one in ids}


def test_a_model_that_was_never_read_has_no_state(store: SqlStore) -> None:
    assert store.sources.state("m") is None
    assert store.sources.seen("m") == {}
    assert store.sources.known("m", [1, 2]) == set()
    assert store.sources.segments("m", after=None, most=9) == []


def test_every_field_of_a_state_comes_back(store: SqlStore) -> None:
    state = SourceState(
        model="m",
        place="here",
        newest_id=2**62,
        window_from=-5,
        settled_mark="s:2026-01-31 12:00:00",
        settling_mark="n:7",
        settling_at=AT,
        swept_to=3,
        swept_at=AT,
        looked_at=AT,
        read_at=AT,
        n_new=4,
        n_changed=5,
        n_deleted=6,
        n_batches=7,
        pending=("a/b_ä.parquet", "c"),
    )
    store.sources.advance(replace(reading(FRESH), after=state))
    assert store.sources.state("m") == replace(state, turn=1)
    assert store.sources.state("other") is None


def test_of_two_readings_that_began_alike_the_second_is_refused(store: SqlStore) -> None:
    store.sources.advance(reading(FRESH, added=[1], seen=seen(1)))
    with pytest.raises(ConflictError, match="Somebody else has read the table of 'm'"):
        store.sources.advance(reading(FRESH, added=[2], seen=seen(2)))
    assert store.sources.known("m", [1, 2]) == {1}
    assert store.sources.seen("m") == seen(1)


def test_digests_are_replaced_forgotten_and_found_by_range(store: SqlStore) -> None:
    state = store.sources.advance(reading(FRESH, seen=seen(1, 2, 3, 4)))
    later = AT + timedelta(minutes=1)
    state = store.sources.advance(reading(state, seen=seen(2, 3, at=later), gone=[4]))
    assert store.sources.seen("m", after=1, until=2) == seen(2, at=later)
    assert store.sources.seen("m") == seen(1) | seen(2, 3, at=later)
    below = replace(reading(state, forget_until=AT), after=replace(state, window_from=2))
    state = store.sources.advance(below)
    assert 1 in store.sources.seen("m"), "it left the window just now"
    store.sources.advance(reading(state, forget_until=AT))
    assert store.sources.seen("m") == seen(2, 3, at=later), "2 was read later"


def test_digests_are_found_by_their_ids(store: SqlStore) -> None:
    ids = [*range(0, 2400, 2), 2**62]
    store.sources.advance(reading(FRESH, seen=seen(*ids)))
    assert store.sources.seen_of("m", ids) == seen(*ids), "in several statements"
    assert store.sources.seen_of("m", [1, 4, 2**62]) == seen(4, 2**62)
    assert store.sources.seen_of("m", []) == store.sources.seen_of("other", ids) == {}


def test_a_place_that_was_never_read_gives_way_to_the_one_tried_next(store: SqlStore) -> None:
    store.sources.fail("m", "misspelt", "no table", at=AT)
    store.sources.fail("m", "here", "no column", at=AT)
    state = store.sources.state("m")
    assert state is not None
    assert state.place == "here"
    store.sources.advance(reading(state))
    store.sources.fail("m", "there", "no table", at=AT)
    state = store.sources.state("m")
    assert state is not None
    assert state.place == "here", "what was read of it still counts"


def test_ids_come_and_go(store: SqlStore) -> None:
    state = store.sources.advance(reading(FRESH, added=[*range(10, 9000), 2**62]))
    state = store.sources.advance(reading(state, added=[3, 7], gone=[10, 5000]))
    assert store.sources.known("m", [3, 7, 10, 11, 5000, 8999, 2**62, -1]) == {
        *(3, 7, 11, 8999, 2**62)
    }
    first, *others = store.sources.segments("m", after=None, most=2)
    assert first == (3, [3, 7])
    assert [start for start, _ in others] == [10], "a piece keeps its beginning"
    assert store.sources.segments("m", after=others[0][0], most=1)[0][0] > 4000
    restarted = store.sources.advance(reading(state, added=[1], restarted=True))
    assert store.sources.segments("m", after=None, most=9) == [(1, [1])]
    store.sources.advance(reading(restarted, gone=[1]))
    assert store.sources.segments("m", after=None, most=9) == []


def test_a_failure_is_kept_until_the_next_reading(store: SqlStore) -> None:
    before = store.sources.fail("m", "here", "no table", at=AT)
    assert (before.failure, before.n_failures) == (None, 0)
    again = store.sources.fail("m", "here", "no table", at=AT)
    assert (again.failure, again.n_failures) == ("no table", 1)
    store.sources.fail("m", "here", "no column", at=AT)
    state = store.sources.state("m")
    assert state is not None
    assert (state.failure, state.n_failures, state.looked_at) == ("no column", 2, AT)
    store.sources.advance(reading(state))
    mended = store.sources.state("m")
    assert mended is not None
    assert (mended.failure, mended.n_failures) == (None, 2)


def test_a_table_beside_the_store_is_read_in_pages(store: SqlStore) -> None:
    """Inside IRIS too, as far as that is shown without one."""
    content = {
        "name": "m",
        "task": "regression",
        "target": "amount",
        "features": {"word": "categorical"},
        "source": {"table": "shop_rows", "id": "row_id", "changed": "altered"},
        "scoring": {"tables": ["shop_rows"]},
    }
    specification = parse_specification(content, source="models/m.toml")
    exact = " COLLATE %EXACT" if store.engine.dialect.name == "iris" else ""
    with store.engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE TABLE shop_rows (row_id BIGINT, word VARCHAR(20){exact}, amount INTEGER, "
            f"altered VARCHAR(30){exact})"
        )
    with store.engine.begin() as connection:
        insert = sa.text("INSERT INTO shop_rows VALUES (:i, :w, :a, :c)")
        for one, word in ((1, "tea"), (2, ""), (5, None)):
            values = {"i": one, "w": word, "a": one * 10, "c": f"2026-01-0{one} 00:00:00"}
            connection.execute(insert, values)
    tables = SqlTables(lambda _: store.engine)
    with tables.open(specification) as table:
        page = table.page(after=None, limit=2)
        assert page.ids == [1, 2]
        # A statement that is text gives IRIS "" for NULL; both are missing values anyway.
        assert [word or None for word in page.frame["word"]] == ["tea", None]
        assert page.marks[0] == "s:2026-01-01 00:00:00"
        changed = table.page(after=1, until=5, changed_after=page.marks[1], limit=9)
        assert (changed.ids, changed.frame.rows()) == ([5], [(None, "50")])
        assert table.ids(after=1, until=5, limit=9) == [2, 5]
        assert table.newest_mark() == "s:2026-01-05 00:00:00"
    with tables.rows(specification, "shop_rows") as rows:
        assert [frame["word"].to_list()[::2] for frame in rows] == [["tea", None]]
    for key, value in (("id", "nothing"), ("table", "nowhere")):
        wrong = content | {"source": {**content["source"], key: value}}  # type: ignore[dict-item]
        broken = parse_specification(wrong, source="models/m.toml")
        with pytest.raises(SourceError, match=value), tables.open(broken):
            pass
