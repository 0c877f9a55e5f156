"""Specifications are versioned by content."""

from __future__ import annotations

import pytest
from tests.contract.store.histories import NOON, specification

from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import IntegrityError

pytestmark = pytest.mark.integration


def test_the_same_content_is_recorded_once(store: SqlStore) -> None:
    assert store.specifications.record(specification(), actor="anna", at=NOON)
    assert not store.specifications.record(specification(), actor="ben", at=NOON)
    assert [v.actor for v in store.specifications.versions("bikes")] == ["anna"]


def test_a_version_names_what_changed_and_whether_it_forces_a_retraining(store: SqlStore) -> None:
    first, second = specification(), specification(features={"x": "numeric", "z": "boolean"})
    third = specification(features={"x": "numeric", "z": "boolean"}, trigger={"new_rows": 10})
    for content in (first, second, third):
        store.specifications.record(content, actor="anna", at=NOON)
    told = [
        (v.number, v.changed, v.forces_retraining) for v in store.specifications.versions("bikes")
    ]
    assert told == [(1, (), False), (2, ("features",), True), (3, ("trigger",), False)]
    assert store.specifications.newest("bikes") == third
    assert store.specifications.get(first.digest) == first


def test_going_back_to_an_old_content_is_a_new_version(store: SqlStore) -> None:
    first, second = specification(), specification(trigger={"new_rows": 10})
    for content in (first, second, first):
        assert store.specifications.record(content, actor="anna", at=NOON)
    assert store.specifications.newest("bikes") == first
    assert len(store.specifications.versions("bikes")) == 3


def test_models_are_listed_by_name(store: SqlStore) -> None:
    for name in ("loans", "bikes"):
        store.specifications.record(specification(name=name), actor="anna", at=NOON)
    assert store.specifications.models() == ["bikes", "loans"]
    assert store.specifications.newest("nobody") is None


def test_an_unknown_digest_is_an_integrity_error(store: SqlStore) -> None:
    with pytest.raises(IntegrityError, match="No specification with digest 123"):
        store.specifications.get("123")
