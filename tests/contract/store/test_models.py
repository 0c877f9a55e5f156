"""Versions are numbered, their files checked, and one serves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.contract.store.histories import NOON, version

from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import IntegrityError, ModelVersionNotFoundError, StoreError
from iris_ct.core.model_version import Champion

pytestmark = pytest.mark.integration

FILES = {"model.txt": b"tree\n", "encoding.json": b"{}"}


def appoint(store: SqlStore, number: int, decision_id: str) -> Champion:
    return store.models.appoint(
        "bikes", number, decision_id=decision_id, actor="anna", at=NOON, since_position=7
    )


def test_versions_are_numbered_per_model(store: SqlStore) -> None:
    first = store.models.add(version("c1"))
    second = store.models.add(version("c2", holdout_loss=None, refitted=False))
    other = store.models.add(version("c3", model="loans"))
    assert [first.version, second.version, other.version] == [1, 2, 1]
    assert first == version("c1", version=1)
    assert store.models.versions("bikes") == [first, second]
    assert store.models.get("bikes", 2) == second


def test_a_cycle_has_one_version(store: SqlStore) -> None:
    first = store.models.add(version("c1"))
    assert store.models.add(version("c1", n_rows=99)) == first
    assert store.models.of_cycle("c1") == first
    assert store.models.of_cycle("c2") is None


def test_an_unknown_version_is_an_error(store: SqlStore) -> None:
    with pytest.raises(ModelVersionNotFoundError, match="bikes has no version 3"):
        store.models.get("bikes", 3)
    with pytest.raises(ModelVersionNotFoundError):
        appoint(store, 3, "d1")


def test_the_newest_champion_serves_and_all_are_remembered(store: SqlStore) -> None:
    for cycle in ("c1", "c2"):
        store.models.add(version(cycle))
    assert store.models.champion("bikes") is None
    first, second, back = appoint(store, 1, "d1"), appoint(store, 2, "d2"), appoint(store, 1, "d3")
    assert store.models.champion("bikes") == back
    assert store.models.champions("bikes") == [first, second, back]
    assert (back.seq, back.version, back.since, back.since_position) == (3, 1, NOON, 7)


def test_a_decision_appoints_once(store: SqlStore) -> None:
    for cycle in ("c1", "c2"):
        store.models.add(version(cycle))
    first = appoint(store, 1, "d1")
    appoint(store, 2, "d2")
    assert appoint(store, 1, "d1") == first
    champion = store.models.champion("bikes")
    assert champion is not None
    assert champion.version == 2


def test_registration_is_noted_once(store: SqlStore) -> None:
    later = store.models.add(version("c1", trained_at=NOON + timedelta(days=1)))
    earlier = store.models.add(version("c2", model="loans"))
    assert store.models.unregistered() == [earlier, later]
    for run_id in ("run", "another"):
        store.models.mark_registered("bikes", 1, run_id=run_id, registry_version="4")
    assert store.models.get("bikes", 1) == replace(later, run_id="run", registry_version="4")
    assert store.models.unregistered() == [earlier]


def test_a_champion_waits_for_its_alias(store: SqlStore) -> None:
    for cycle in ("c1", "c2"):
        store.models.add(version(cycle))
    assert store.models.alias_pending() == []
    appoint(store, 1, "d1")
    assert store.models.alias_pending() == ["bikes"]
    store.models.mark_alias("bikes", 1)
    assert store.models.alias_pending() == []
    appoint(store, 2, "d2")
    assert store.models.alias_pending() == ["bikes"]
    store.models.mark_alias("bikes", 2)
    store.models.mark_alias("bikes", 1)
    assert store.models.alias_pending() == []


def test_files_are_kept_by_content(opened: Callable[[], SqlStore], tmp_path: Path) -> None:
    first, second = opened(), opened()
    directory, digest = first.models.save_files("bikes", FILES)
    assert directory == f"artifacts/bikes/{digest[:16]}"
    assert second.models.save_files("bikes", dict(reversed(FILES.items()))) == (directory, digest)
    other, _ = first.models.save_files("bikes", {**FILES, "model.txt": b"other"})
    assert other != directory
    made = first.models.add(version("c1", artifact=directory, artifact_digest=digest))
    path = second.models.files(made)
    assert path == tmp_path / "home" / directory
    assert {file.name: file.read_bytes() for file in path.iterdir()} == FILES


def test_changed_files_are_noticed(store: SqlStore) -> None:
    directory, digest = store.models.save_files("bikes", FILES)
    made = store.models.add(version("c1", artifact=directory, artifact_digest=digest))
    (store.models.files(made) / "model.txt").write_bytes(b"tree!")
    with pytest.raises(IntegrityError, match="were changed"):
        store.models.files(made)
    with pytest.raises(IntegrityError, match="no such file"):
        store.models.files(replace(made, artifact="artifacts/bikes/none"))


def test_files_have_plain_names(store: SqlStore) -> None:
    with pytest.raises(StoreError, match="plain names"):
        store.models.save_files("bikes", {"../model.txt": b""})


def test_who_serves_may_have_changed_after_each_appointment_by_whoever(store: SqlStore) -> None:
    for cycle in ("c1", "c2"):
        store.models.add(version(cycle))
    seen = [store.models.appointments()]
    appoint(store, 1, "d1")
    seen.append(store.models.appointments())
    appoint(store, 1, "d1")
    assert store.models.appointments() == seen[-1], "the same decision again moves nothing"
    with suppress(LookupError), store.transactions.begin():
        appoint(store, 2, "d2")
        raise LookupError
    assert store.models.appointments() == seen[-1], "what was rolled back did not happen"
    appoint(store, 2, "d3")
    assert len({*seen, store.models.appointments()}) == 3
