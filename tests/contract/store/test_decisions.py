"""Decisions are chained: what is changed afterwards is found."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from tests.contract.store.histories import decision

from iris_ct.adapters.store import SqlStore
from iris_ct.core.decision import Check

pytestmark = pytest.mark.integration


def change(url: str, statement: str, **parameters: Any) -> None:
    """Change the database behind the store's back."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.execute(sa.text(statement), parameters)
    engine.dispose()


def test_a_decision_comes_back_as_it_was(store: SqlStore) -> None:
    check = Check("margin", 0.01, 0.02, passed=True, rule="at most")
    told = decision("d1", checks=(check,), versions={"lightgbm": "4.6"})
    assert store.decisions.record(told) == told

    assert store.decisions.get("d1") == told
    assert store.decisions.get("d2") is None


def test_the_same_id_gives_the_stored_decision(store: SqlStore) -> None:
    first = store.decisions.record(decision("d1"))
    assert store.decisions.record(replace(first, outcome="hold")) == first
    assert store.decisions.decisions("bikes") == [first]


def test_decisions_are_listed_oldest_first(store: SqlStore) -> None:
    made = [store.decisions.record(decision(f"d{i}")) for i in (2, 1, 3)]
    store.decisions.record(decision("d4", model="loans"))
    assert store.decisions.decisions("bikes") == made
    assert store.decisions.decisions("bikes", newest=2) == made[1:]
    assert store.decisions.decisions("nobody", newest=2) == []


def test_the_chain_is_the_one_that_is_documented(store: SqlStore, url: str) -> None:
    """SHA-256 over the digest before and the canonical JSON, as an auditor would compute it."""
    made = [store.decisions.record(decision(f"d{i}")) for i in (1, 2)]
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        digests = connection.scalars(sa.text("SELECT digest FROM ct_decision ORDER BY seq")).all()
    engine.dispose()
    expected = ""
    for told, digest in zip(made, digests, strict=True):
        expected = hashlib.sha256((expected + told.to_json()).encode()).hexdigest()
        assert digest == expected


@pytest.mark.parametrize(
    ("statement", "broken"),
    [
        (
            "UPDATE ct_decision SET content = replace(content, '0.1', '0.2') "
            "WHERE decision_id = 'd2'",
            "d2",
        ),
        ("UPDATE ct_decision SET digest = 'x' WHERE decision_id = 'd3'", "d3"),
        ("UPDATE ct_decision SET decision_id = 'd9' WHERE decision_id = 'd2'", "d9"),
        ("DELETE FROM ct_decision WHERE decision_id = 'd1'", "d2"),
        ("UPDATE ct_decision SET seq = seq + 10 WHERE decision_id = 'd3'", "d3"),
        ("UPDATE ct_decision SET outcome = 'reject' WHERE decision_id = 'd2'", "d2"),
        ("UPDATE ct_decision SET actor = NULL WHERE decision_id = 'd3'", "d3"),
    ],
)
def test_verify_names_the_first_decision_that_was_changed(
    store: SqlStore, url: str, statement: str, broken: str
) -> None:
    for number in (1, 2, 3):
        store.decisions.record(decision(f"d{number}"))
    assert store.decisions.verify("bikes") is None
    change(url, statement)
    assert store.decisions.verify("bikes") == broken


def test_content_that_is_no_json_any_more_is_broken_too(store: SqlStore, url: str) -> None:
    store.decisions.record(decision("d1"))
    change(url, "UPDATE ct_decision SET content = '{' WHERE decision_id = 'd1'")
    assert store.decisions.verify("bikes") == "d1"


@pytest.mark.threads
def test_concurrent_recorders_make_one_chain(opened: Callable[[], SqlStore]) -> None:
    stores = [opened(), opened()]

    def record(number: int) -> None:
        for step in range(5):
            stores[number % 2].decisions.record(decision(f"d{number}.{step}"))

    threads = [threading.Thread(target=record, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(stores[0].decisions.decisions("bikes")) == 20
    assert stores[0].decisions.verify("bikes") is None
