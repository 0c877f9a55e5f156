"""Where the store is, its password, and what that means for the parts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from iris_ct.adapters.telemetry.console_log import IrisConsoleLog, MessagesLog
from iris_ct.bootstrap import console_log
from iris_ct.config import Settings
from iris_ct.core.errors import ConfigError

REMOTE = "iris://ct@db.example.com:1972/IRISAPP"
WORD = "open sesame"


@pytest.mark.parametrize(
    ("url", "inside"),
    [
        ("iris+emb:///IRISAPP", True),
        (REMOTE, False),
        ("postgresql+psycopg://ct@db/ct", False),
        ("", False),
    ],
)
def test_only_the_embedded_address_is_inside_iris(url: str, inside: bool) -> None:
    assert Settings(store_url=url).on_iris is inside


@pytest.mark.parametrize("url", ["iris+emb:///IRISAPP", REMOTE])
def test_the_hosts_messages_are_never_in_an_iris(url: str, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, store_url=url)
    assert settings.messages_url == f"sqlite:///{tmp_path.resolve() / 'store' / 'ct.db'}"
    assert settings.database_url == url


def test_elsewhere_they_are_beside_the_catalogue() -> None:
    url = "postgresql+psycopg://ct@db/ct"
    assert Settings(store_url=url).messages_url == url


def test_the_password_is_said_or_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f"{WORD}\n", encoding="utf-8")
    said = Settings(store_url=REMOTE, store_password=SecretStr(WORD))
    read = Settings(store_url=REMOTE, store_password_file=file)
    assert (said.password, read.password) == (WORD, WORD)
    assert Settings(store_url=REMOTE).password is None


def test_the_password_is_in_no_text_of_the_settings() -> None:
    settings = Settings(store_url=REMOTE, store_password=SecretStr(WORD))
    assert settings.password == WORD
    assert WORD not in f"{settings!r} {settings} {settings.model_dump_json()}"


def test_a_password_that_nobody_would_use_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"belong to an address iris://"):
        _ = Settings(store_password=SecretStr(WORD)).password


def test_two_passwords_are_refused(tmp_path: Path) -> None:
    both = Settings(
        store_url=REMOTE, store_password=SecretStr(WORD), store_password_file=tmp_path / "x"
    )
    with pytest.raises(ConfigError, match="not both"):
        _ = both.password


def test_a_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    settings = Settings(store_url=REMOTE, store_password_file=tmp_path / "absent")
    with pytest.raises(ConfigError, match=r"absent cannot be read \(FileNotFoundError\)"):
        _ = settings.password


def test_training_runs_by_this_interpreter_unless_it_is_none() -> None:
    """Inside IRIS ``sys.executable`` is no Python."""
    assert Settings().training_python == sys.executable
    assert Settings(store_url="iris+emb:///IRISAPP").training_python == "python3"
    assert Settings(python=Path("/opt/py/bin/python3")).training_python == "/opt/py/bin/python3"


def test_inside_iris_the_console_log_is_that_of_the_instance(tmp_path: Path) -> None:
    inside = Settings(home=tmp_path, store_url="iris+emb:///IRISAPP")
    assert isinstance(console_log(inside), IrisConsoleLog)
    for url in (REMOTE, ""):
        assert isinstance(console_log(Settings(home=tmp_path, store_url=url)), MessagesLog)
