"""``ct doctor``: what it finds, and what it says to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.running import MODEL, ct, make_home


def found(home: Path, name: str) -> dict[str, str]:
    """Give one finding."""
    checks: list[dict[str, str]] = ct(home, "doctor", "--json").json["checks"]
    return next(check for check in checks if check["name"] == name)


def test_a_home_in_use_is_well(lived: Path) -> None:
    said = ct(lived, "doctor", "--json")
    assert said.json["ok"] is True
    assert said.code == 0
    assert [check["name"] for check in said.json["checks"]] == [
        "python",
        "packages",
        "iris",
        "libgomp",
        "venv",
        "home",
        "store",
        "host",
        "models",
        "sources",
        "mlflow",
        "registrations",
        "records",
        "audit",
        "orphans",
        "clock",
    ]
    assert not [check for check in said.json["checks"] if check["state"] == "failed"]


def test_a_home_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    assert "is made when needed" in found(tmp_path / "none", "home")["text"]
    assert not (tmp_path / "none").exists()


def test_a_broken_model_file_fails_and_is_named(tmp_path: Path) -> None:
    home = make_home(tmp_path / "dur", head='colour = "red"\n')
    said = ct(home, "doctor")
    assert said.code == 1
    assert "What to do:" in said.out
    assert "rentals.toml" in found(home, "models")["text"]


def test_a_store_that_cannot_be_opened_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "dur")
    (home / "store").mkdir()
    (home / "store" / "ct.db").write_text("this is no database, but a text that is long enough")
    assert found(home, "store")["state"] == "failed"


def test_a_server_that_is_away_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://someone:secret@127.0.0.1:9")
    finding = found(make_home(tmp_path / "dur"), "mlflow")
    assert finding["state"] == "warning"
    assert "secret" not in finding["text"]


def test_an_unusable_address_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "ftp://somewhere")
    assert found(make_home(tmp_path / "dur"), "mlflow")["state"] == "failed"


def test_a_file_of_an_interrupted_write_is_an_orphan(copied: Path) -> None:
    assert found(copied, "orphans")["state"] == "ok"
    (copied / "store" / MODEL / "left.0123456789ab-1.parquet").write_bytes(b"")
    finding = found(copied, "orphans")
    assert (finding["state"], "left.0123456789ab-1" in finding["text"]) == ("warning", True)


def test_messages_that_wait_for_a_host_are_told(copied: Path) -> None:
    first = ct(copied, "trace", "--json").json[-1]["session"]
    assert ct(copied, "trace", first, "--json").json["errors"] == 0
    assert found(copied, "host")["state"] == "ok"
