"""A package is made or says why not; whoever changed something stands in the records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_ct.adapters.source_archive import zip_source
from iris_ct.bootstrap import Parts, build
from iris_ct.config import load_settings
from iris_ct.core.errors import NameTakenError, NotAllowedError, NotReadyError, PackageRefusedError
from iris_ct.core.service import (
    Autoscaling,
    Change,
    ModelRef,
    Service,
    make_service,
    parse_references,
)
from iris_ct.core.service.info import Info
from iris_ct.procedures import packages, services
from iris_ct.procedures.asker import Asker
from iris_ct.procedures.door import Answer
from iris_ct.procedures.packaging import make_package

ANNA = Asker("anna")
WINE = ModelRef("com.wine", "1.2.0")


@pytest.fixture
def parts(tmp_path: Path) -> Iterator[Parts]:
    opened = build(load_settings(tmp_path / "dur"))
    yield opened
    opened.store.close()


def source(folder: Path, info: str | None = None) -> bytes:
    """Give a zipped source."""
    (folder / "MXE-META-INF").mkdir(parents=True)
    usual = "Title: Wine\nId: com.wine\nVersion: 1.2.0\nAuthor: Jane\nDescription: a\nb: c\n"
    (folder / "MXE-META-INF" / "INFO").write_text(usual if info is None else info)
    (folder / "Wine.py").write_text("class Wine: ...\n")
    return zip_source(folder)


def waiting(parts: Parts, content: bytes, domain: str = "") -> str:
    """Hand a source over that nobody packages yet; give what it is called until then."""
    told = packages.onboard_source(
        parts, ANNA, "wine.zip", content, domain=domain, launch=lambda *_: None
    )
    return str(told["id"])


def built(source: Path, folder: Path, info: Info) -> str:
    """Stand where the builder does."""
    assert (source / "Wine.py").is_file()
    assert source.parent == folder
    assert info.description == "a\nb: c"
    return "seldon"


def listed(parts: Parts) -> Answer:
    [one] = packages.packages(parts, ANNA)
    return one


def test_a_package_gets_its_name_and_can_be_served(parts: Parts, tmp_path: Path) -> None:
    label = waiting(parts, source(tmp_path / "wine"), domain="east")
    made = make_package(parts, label, built)
    assert (made.reference, made.status, made.runtime) == (WINE, "available", "seldon")
    told = listed(parts)
    assert (told["image"], told["title"], told["domain"]) == ("com.wine:1.2.0", "Wine", "east")
    assert not (parts.home / made.place / packages.ARCHIVE).exists()
    services.create_service(parts, make_service("wine", [WINE]), ANNA)
    with pytest.raises(NotAllowedError, match="use model"):
        services.create_service(
            parts, make_service("other", [WINE]), Asker("willi", frozenset({"west"}))
        )


def test_a_failure_is_told_with_its_log(parts: Parts, tmp_path: Path) -> None:
    label = waiting(parts, source(tmp_path / "wine"))

    def failing(_source: Path, folder: Path, _info: Info) -> str:
        (folder / packages.LOG).write_text("no such library: seldn\n")
        raise PackageRefusedError("Its libraries cannot be installed.")

    assert make_package(parts, label, failing).status == "error"
    told = listed(parts)
    assert (told["id"], told["message"]) == ("com.wine", "Its libraries cannot be installed.")
    assert told["errorLog"] == "no such library: seldn\n"
    with pytest.raises(NotReadyError, match=r"invalid model state \(\[com.wine:1.2.0:error\]\)"):
        services.create_service(parts, make_service("wine", [WINE]), ANNA)
    place = parts.store.packages.packages()[0].place
    packages.delete_package(parts, ANNA, WINE)
    assert not (parts.home / place).exists()


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ("", "model Title is missing"),
        ("Title: T\nId: A\nVersion: 1.0.0\nAuthor: J\nDescription: d\n", "lower-case letters"),
        ("Title: T\nId: a\nVersion: 1\nAuthor: J\nDescription: d\n", "Expected a.b.c"),
        ("Title: T\nId: a\nVersion: 1.0.0\nAuthor: J\nDescription:\n", "model Description is"),
    ],
)
def test_a_wrong_info_keeps_the_first_name(
    info: str, words: str, parts: Parts, tmp_path: Path
) -> None:
    label = waiting(parts, source(tmp_path / "wine", info))
    make_package(parts, label, built)
    told = listed(parts)
    assert (told["id"], told["version"], told["status"]) == (label, "unknown", "error")
    assert words in told["message"]
    packages.delete_package(parts, ANNA, ModelRef(label, "unknown"))
    assert packages.packages(parts, ANNA) == []


def test_a_version_that_is_there_stays_as_it_is(parts: Parts, tmp_path: Path) -> None:
    content = source(tmp_path / "wine")
    first = make_package(parts, waiting(parts, content), built)
    second = make_package(parts, waiting(parts, content), built)
    assert (second.status, second.version) == ("error", "unknown")
    assert "already been onboarded" in second.failure
    assert parts.store.packages.get(WINE) == first


def test_a_packaging_that_died_is_an_error_that_can_be_deleted(
    parts: Parts, tmp_path: Path
) -> None:
    label = waiting(parts, source(tmp_path / "wine"))
    reference = ModelRef(label, "unknown")
    with pytest.raises(NotReadyError, match="being onboarded"):
        packages.delete_package(parts, ANNA, reference)
    place = parts.store.packages.packages()[0].place
    # No process has this number: it is above the largest one that Linux gives.
    (parts.home / place / "pid").write_text(str(2**22 + 1))
    assert "was interrupted" in listed(parts)["message"]
    packages.delete_package(parts, ANNA, reference)


def test_every_change_is_recorded_with_who_made_it(parts: Parts, tmp_path: Path) -> None:
    make_package(parts, waiting(parts, source(tmp_path / "wine")), built)
    services.create_service(parts, make_service("wine", [WINE]), ANNA)
    change = Change(parse_references("com.wine:1.2.0,com.wine:1.2.0"), (0.25,))
    services.modify_service(parts, "wine", change, Asker("otto"))
    same = services.modify_service(parts, "wine", change, Asker("otto"))
    assert same["changed"] is False
    services.modify_service(
        parts, "wine", Change(instances=Autoscaling(1, 2, "memory", 64)), Asker("otto")
    )
    services.delete_service(parts, "wine", ANNA)
    events = [event for event in parts.store.audit.events() if event.step == "Service"]
    assert [event.facts["actor"] for event in events] == ["anna", "otto", "otto", "anna"]
    assert [event.text.split("has been ")[1].split()[0] for event in events] == [
        *("created", "updated", "updated", "deleted")
    ]
    assert events[1].facts["before"]["type"] == "model"
    assert events[1].facts["service"]["models"][1]["weight"] == 0.75


def test_a_service_is_created_with_its_models_or_not_at_all(parts: Parts, tmp_path: Path) -> None:
    make_package(parts, waiting(parts, source(tmp_path / "wine")), built)
    wished: Service = make_service("wine", [WINE])
    services.create_service(parts, wished, ANNA)
    with pytest.raises(NameTakenError):
        services.create_service(parts, wished, ANNA)
    with pytest.raises(NotReadyError, match="is used by wine"):
        packages.delete_package(parts, ANNA, WINE)
    assert [event.text for event in parts.store.audit.events()][-1].startswith("Model service")
