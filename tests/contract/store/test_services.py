"""Services, packages and authors are kept by name, and no name is given twice."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.contract.store.histories import NOON

from iris_ct.adapters.store import SqlStore
from iris_ct.core.errors import NameTakenError, UnknownServiceError
from iris_ct.core.service import Author, Autoscaling, ModelRef, Package, make_service

pytestmark = pytest.mark.integration

A, B = ModelRef.parse("com.shop:1.0.0"), ModelRef.parse("bikes:3")
LATER = NOON + timedelta(hours=1)


def package(identifier: str = "com.shop", version: str = "1.0.0", **fields: Any) -> Package:
    base = Package(
        id=identifier,
        version=version,
        image=f"{identifier}:{version}",
        title="Shop ü",
        author="Jane Doe",
        description="",
        status="available",
        owner="anna",
        domain="",
        place="serving/packages/1",
        runtime="seldon",
        signed_by="",
        failure="",
        onboarded_at=NOON,
    )
    return replace(base, **fields)


def author(name: str = "jane", key: str = "-- key\none\n") -> Author:
    return Author(name, key, "anna", NOON)


def test_a_service_is_kept_as_it_was_wished(
    opened: Callable[[], SqlStore], store: SqlStore
) -> None:
    scaling = Autoscaling(1, 3, "cpu", 100)
    wished = make_service("two", [A, B], weights=[0.1], instances=scaling, domain="east")
    kept = store.services.create(wished, owner="anna", at=NOON)
    assert (kept.service, kept.owner, kept.started_at, kept.turn) == (wished, "anna", NOON, 1)
    assert opened().services.get("two") == kept
    other = store.services.create(make_service("one", [A]), owner="otto", at=LATER)
    assert store.services.services() == [other, kept]


def test_a_name_is_taken_once(store: SqlStore) -> None:
    store.services.create(make_service("s", [A]), owner="anna", at=NOON)
    with pytest.raises(NameTakenError, match='"s" is already running'):
        store.services.create(make_service("s", [B]), owner="otto", at=LATER)
    kept = store.services.get("s")
    assert kept is not None
    assert kept.service.models == (A,)


def test_a_changed_service_keeps_owner_and_start(store: SqlStore) -> None:
    store.services.create(make_service("s", [A]), owner="anna", at=NOON)
    changed = store.services.replace(make_service("s", [B]), at=LATER)
    assert store.services.get("s") == changed
    assert (changed.owner, changed.started_at, changed.changed_at) == ("anna", NOON, LATER)
    assert changed.turn == 2
    with pytest.raises(UnknownServiceError, match='"t" does not exist'):
        store.services.replace(make_service("t", [B]), at=LATER)


def test_a_deleted_service_is_gone_and_its_name_free(store: SqlStore) -> None:
    store.services.create(make_service("s", [A]), owner="anna", at=NOON)
    assert store.services.delete("s")
    assert not store.services.delete("s")
    assert store.services.get("s") is None
    store.services.create(make_service("s", [B]), owner="anna", at=NOON)


def test_several_changes_are_one_or_none(store: SqlStore) -> None:
    def fail() -> None:
        with store.services.alone():
            store.services.create(make_service("s", [A]), owner="anna", at=NOON)
            store.packages.add(package())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert (store.services.services(), store.packages.packages()) == ([], [])


@pytest.mark.threads
def test_of_several_at_once_one_gets_the_name(store: SqlStore) -> None:
    told: list[str] = []

    def create() -> None:
        try:
            store.services.create(make_service("s", [A]), owner="anna", at=NOON)
            told.append("made")
        except NameTakenError:
            told.append("taken")

    crowd = [threading.Thread(target=create) for _ in range(4)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join()
    assert sorted(told) == ["made", "taken", "taken", "taken"]


def test_packages_are_listed_newest_first(opened: Callable[[], SqlStore], store: SqlStore) -> None:
    first, second = package(), package(version="1.0.1", onboarded_at=LATER)
    store.packages.add(first)
    store.packages.add(second)
    assert opened().packages.packages() == [second, first]
    assert store.packages.get(A) == first
    assert store.packages.get(B) is None


def test_neither_a_version_nor_an_image_comes_twice(store: SqlStore) -> None:
    store.packages.add(package())
    with pytest.raises(NameTakenError, match=r'ID "com\.shop" and version "1\.0\.0"'):
        store.packages.add(package(image="other:1"))
    with pytest.raises(NameTakenError, match=r'image "com\.shop:1\.0\.0"'):
        store.packages.add(package("com.other", image="com.shop:1.0.0"))


def test_a_package_gets_its_name_when_its_info_is_read(store: SqlStore) -> None:
    unread = package("shop.zip-7", "unknown", image="shop.zip-7", status="packaging")
    store.packages.add(unread)
    store.packages.replace(unread.reference, package())
    assert store.packages.packages() == [package()]
    store.packages.add(unread)
    with pytest.raises(NameTakenError):
        store.packages.replace(unread.reference, package())
    assert store.packages.get(unread.reference) == unread


def test_a_deleted_package_is_gone(store: SqlStore) -> None:
    store.packages.add(package())
    assert store.packages.delete(A)
    assert not store.packages.delete(A)
    assert store.packages.packages() == []


def test_authors_are_found_by_their_key(store: SqlStore) -> None:
    jane, otto = author(), author("otto", "-- key\ntwo\n")
    store.authors.register(otto)
    store.authors.register(jane)
    assert store.authors.authors() == [jane, otto]
    assert store.authors.of_key("-- key\r\none\r\n") == jane
    assert store.authors.of_key("-- key\nthree\n") is None


def test_neither_a_name_nor_a_key_is_registered_twice(store: SqlStore) -> None:
    store.authors.register(author())
    with pytest.raises(NameTakenError, match='name "jane"'):
        store.authors.register(author(key="other"))
    with pytest.raises(NameTakenError, match="this public key"):
        store.authors.register(author("joe"))
    assert store.authors.delete("jane")
    assert not store.authors.delete("jane")
    store.authors.register(author("joe"))
