"""Snapshots and outcomes of random histories equal a plain Python model of the rules."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.contract.store.histories import Row, add_labels, add_rows, specification, unkeyed
from tests.contract.store.test_predictions import predict, told

from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import InsufficientDataError
from iris_ct.core.specification import Specification

pytestmark = [pytest.mark.integration, pytest.mark.slow]

KEYS = st.sampled_from(["a", "b", "c"])
TARGETS = st.sampled_from([None, 1.0, None, 2.0, None, 3.0])
ROWS = st.lists(st.builds(Row, KEYS, st.integers(0, 3), TARGETS), min_size=1, max_size=8)
LABELS = st.lists(st.tuples(KEYS, TARGETS), min_size=1, max_size=4)
ARRIVALS = st.lists(
    st.one_of(st.tuples(st.just("rows"), ROWS), st.tuples(st.just("labels"), LABELS)),
    min_size=1,
    max_size=6,
)
PREDICTIONS = st.lists(
    st.tuples(st.integers(1, 2), st.dictionaries(KEYS, st.integers(0, 9).map(float), min_size=1)),
    max_size=3,
)


@dataclass
class Stored:
    """A stored row in the model."""

    ordinal: int
    seq: int
    row: Row


def expected(
    arrivals: list[tuple[str, list[Any]]],
    *,
    on_duplicate: str,
    keyed: bool,
    as_of_seq: int,
    low: int | None,
    high: int,
) -> list[tuple[int, int, float, str]]:
    """Apply the rules one by one: ``(position, ordinal, truth, key)`` of each row."""
    rows: list[Stored] = []
    labels: list[tuple[int, str, float]] = []
    ordinal = 0
    for seq, (kind, content) in enumerate(arrivals, start=1):
        for entry in content:
            if kind == "rows":
                if seq <= as_of_seq:
                    rows.append(Stored(ordinal, seq, entry))
                ordinal += 1
            elif seq <= as_of_seq and entry[1] is not None:
                labels.append((seq, *entry))
    everything = list(rows)
    if keyed:
        survivors: dict[str, Stored] = {}
        for stored in rows:
            if on_duplicate == "keep":
                survivors.setdefault(stored.row.key, stored)
            else:
                survivors[stored.row.key] = stored
        rows = list(survivors.values())
    found = []
    for stored in rows:
        facts = [(seq, y) for seq, key, y in labels if key == stored.row.key]
        if keyed and on_duplicate == "replace":
            # A row sent again without its target keeps it.
            facts += [
                (old.seq, old.row.y)
                for old in everything
                if (old.row.key, old.row.position) == (stored.row.key, stored.row.position)
                and old.row.y is not None
            ]
        elif stored.row.y is not None:
            facts.append((stored.seq, stored.row.y))
        inside = stored.row.position <= high and (low is None or stored.row.position >= low)
        if facts and inside:
            # The last of the newest arrival: sorting by arrival keeps the order within a file.
            truth = sorted(facts, key=lambda fact: fact[0])[-1][1]
            found.append((stored.row.position, stored.ordinal, truth, stored.row.key))
    return sorted(found)


@settings(
    max_examples=100,
    derandomize=True,
)
@given(
    arrivals=ARRIVALS,
    on_duplicate=st.sampled_from(["replace", "keep"]),
    keyed=st.booleans(),
    cut=st.data(),
)
def test_a_snapshot_equals_the_rules_applied_one_by_one(
    arrivals: list[tuple[str, list[Any]]],
    on_duplicate: str,
    keyed: bool,
    cut: st.DataObject,
) -> None:
    spec = specification(on_duplicate=on_duplicate) if keyed else unkeyed()
    as_of_seq = cut.draw(st.integers(1, len(arrivals)))
    low = cut.draw(st.one_of(st.none(), st.integers(0, 3)))
    high = cut.draw(st.integers(0, 3))
    logged = cut.draw(PREDICTIONS)
    wanted = expected(
        arrivals,
        on_duplicate=on_duplicate,
        keyed=keyed,
        as_of_seq=as_of_seq,
        low=low,
        high=high,
    )
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with SqlStore(f"sqlite:///{home / 'ct.db'}", home, synchronous="OFF") as store:
            _write(store, spec, arrivals)
            assert _cut(store, spec, as_of_seq, low, high) == [row[:3] for row in wanted]
            count = store.snapshots.count_labelled(
                spec,
                as_of_seq=as_of_seq,
                after_position=None if low is None else low - 1,
                horizon=high,
            )
            assert count == len(wanted)
            first: dict[str, tuple[int, float]] = {}
            for number, (version, predictions) in enumerate(logged):
                predict(store, spec, f"r{number}", predictions, version=version)
                for key, prediction in predictions.items():
                    first.setdefault(key, (version, prediction))
            outcomes = store.predictions.outcomes(
                spec, as_of_seq=as_of_seq, from_position=low, to_position=high
            )
            assert told(outcomes) == [
                (position, truth, first[key][1], first[key][0])
                for position, _, truth, key in wanted
                if key in first
            ]


def _write(
    store: SqlStore,
    spec: Specification,
    arrivals: list[tuple[str, list[Any]]],
) -> None:
    for kind, content in arrivals:
        if kind == "rows":
            add_rows(store, spec, content)
        else:
            add_labels(store, spec, content)


def _cut(
    store: SqlStore, spec: Specification, as_of_seq: int, low: int | None, high: int
) -> list[tuple[int, int, float]]:
    try:
        snapshot = store.snapshots.cut(
            spec, snapshot_id="s", as_of_seq=as_of_seq, from_position=low, horizon=high
        )
    except InsufficientDataError:
        return []
    return store.snapshots.read(snapshot, ["_position", "_row", "y"]).rows()
