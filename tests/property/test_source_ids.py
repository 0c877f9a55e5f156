"""Packed ids are a set of numbers, however they came and went."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from iris_ct.adapters.store import source_ids, tables

IDS = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.integers(-20, 200), st.sampled_from([-(2**63), 2**63 - 1])
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove"]), st.sets(IDS, max_size=40)), max_size=12
)


@given(st.sets(IDS, min_size=1))
def test_ids_are_packed_without_loss(ids: set[int]) -> None:
    ascending = sorted(ids)
    assert source_ids.unpack(source_ids.pack(ascending)) == ascending


@pytest.fixture
def engine() -> Iterator[sa.Engine]:
    """Make a database with the table of packed ids."""
    engine = sa.create_engine("sqlite://")
    tables.source_ids.create(engine)
    yield engine
    engine.dispose()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(steps=STEPS, asked=st.sets(IDS, max_size=20))
def test_pieces_hold_what_a_set_would(
    engine: sa.Engine, steps: list[tuple[str, set[int]]], asked: set[int]
) -> None:
    """Pieces of sixteen ids instead of thousands: splits and merges happen in each run."""
    held: set[int] = set()
    with engine.begin() as connection:
        connection.execute(sa.delete(tables.source_ids))
        for what, ids in steps:
            if what == "add":
                source_ids.add(connection, "m", ids, piece=16)
                held |= ids
            else:
                source_ids.remove(connection, "m", ids)
                held -= ids
        assert source_ids.known(connection, "m", asked) == held & asked
        pieces = source_ids.pieces(connection, "m", after=None, most=1000)
    assert [one for _, ids in pieces for one in ids] == sorted(held)
    starts = [start for start, _ in pieces]
    assert starts == sorted(starts)
    for (start, inside), following in zip(pieces, [*starts[1:], 2**63], strict=False):
        assert start <= inside[0]
        assert inside[-1] < following
