"""Static tokens: kept as digests, changed by one at a time, seen by a running gateway."""

from __future__ import annotations

import base64
import json
import logging
import re
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.cli.running import ct
from tests.serving.access.asking import door, status

from iris_ct.core.errors import ConfigError, NameTakenError, UnknownTokenError
from iris_ct.serving.access import Access, AccessOptions, Principal
from iris_ct.serving.access.tokens import (
    create_token,
    delete_token,
    digest_of,
    expiry_after,
    read_tokens,
    tokens_path,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ASKED = ("POST", "/invocations")


def make(home: Path, name: str, **more: object) -> str:
    said = {"role": "reader", "domains": ("*",), "now": NOW, **more}
    return create_token(home, name, **said)[0]  # type: ignore[arg-type]  # each test says what fits


def test_a_token_is_long_random_and_not_in_the_file(tmp_path: Path) -> None:
    tokens = [make(tmp_path, f"n{number}") for number in range(3)]
    assert len(set(tokens)) == 3
    # 32 bytes as base64 without padding: 43 characters.
    assert all(re.fullmatch(r"ct_[A-Za-z0-9_-]{43}", token) for token in tokens)
    text = tokens_path(tmp_path).read_text()
    assert not [token for token in tokens if token[3:] in text]
    kept = json.loads(text)["tokens"][0]
    assert kept["sha256"] == digest_of(tokens[0])
    assert sorted(kept) == ["created", "domains", "expires", "name", "role", "sha256"]


def test_the_digest_is_sha_256_of_the_whole_token() -> None:
    # echo -n ct_abc | sha256sum
    expected = "5cc527a520c97c06abf7ff41aeae02689f856d83c267eeb60cb8ba0f49b922f3"
    assert digest_of("ct_abc") == expected


def test_only_the_owner_reads_and_writes_the_file(tmp_path: Path) -> None:
    make(tmp_path, "ci")
    folder = tokens_path(tmp_path).parent
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_file_that_others_may_write_lets_nobody_in(tmp_path: Path) -> None:
    make(tmp_path, "ci")
    tokens_path(tmp_path).chmod(0o662)
    with pytest.raises(ConfigError, match="chmod 600"):
        Access(AccessOptions(home=tmp_path))
    # A secret that a container mounts may be readable: it holds digests.
    tokens_path(tmp_path).chmod(0o444)
    assert Access(AccessOptions(home=tmp_path)).is_on


def test_a_running_gateway_sees_new_and_deleted_tokens(tmp_path: Path) -> None:
    first = make(tmp_path, "first")
    with door(AccessOptions(home=tmp_path)) as at:
        assert status(at.ask(*ASKED, first)) == 200
        second = make(tmp_path, "second", role="admin", domains=("loans",))
        delete_token(tmp_path, "first")
        at.later(1.0)
        assert at.ask(*ASKED, second) == Principal("second", "admin", ("loans",))
        assert status(at.ask(*ASKED, first)) == 401


def test_the_first_token_closes_an_open_gateway_and_deleting_it_opens_nothing(
    tmp_path: Path,
) -> None:
    with door(AccessOptions(home=tmp_path)) as at:
        assert status(at.ask(*ASKED)) == 200
        token = make(tmp_path, "ci")
        at.later(1.0)
        assert [status(at.ask(*ASKED, said)) for said in (None, token)] == [401, 200]
        delete_token(tmp_path, "ci")
        at.later(1.0)
        assert [status(at.ask(*ASKED, said)) for said in (None, token)] == [401, 401]
        tokens_path(tmp_path).unlink()
        at.later(1.0)
        assert status(at.ask(*ASKED)) == 401


def test_a_damaged_file_lets_nobody_in_and_is_told_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token = make(tmp_path, "ci")
    whole = tokens_path(tmp_path).read_text()
    with door(AccessOptions(home=tmp_path)) as at, caplog.at_level(logging.ERROR):
        assert status(at.ask(*ASKED, token)) == 200
        tokens_path(tmp_path).write_text(whole[:40])
        for _ in range(3):
            at.later(1.0)
            assert status(at.ask(*ASKED, token)) == 503
        assert len(caplog.records) == 1
        assert "is damaged" in caplog.text
        assert token not in caplog.text
        tokens_path(tmp_path).write_text(whole)
        at.later(1.0)
        assert status(at.ask(*ASKED, token)) == 200


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{", '{"version": 2, "tokens": []}', '{"tokens": []}'),
        '{"version": 1, "tokens": [{"name": "a"}]}',
        '{"version": 1, "tokens": [{"name": "a", "sha256": "x", "role": "god", "domains": [],'
        ' "created": "2026-11-21T00:00:00Z"}]}',
        '{"version": 1, "tokens": [{"name": "a", "sha256": "x", "role": "admin", "domains": [],'
        ' "created": "2026-11-21T00:00:00"}]}',
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tokens_path(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="is damaged"):
        read_tokens(path)


def test_a_token_ends_when_it_expires_and_not_a_minute_later(tmp_path: Path) -> None:
    token = make(tmp_path, "ci", expires=NOW + timedelta(seconds=10))
    wall = NOW.timestamp()
    with door(AccessOptions(home=tmp_path), wall=lambda: wall) as at:
        assert status(at.ask(*ASKED, token)) == 200
        at.later(9.9)
        assert status(at.ask(*ASKED, token)) == 200
        at.later(0.2)
        wall += 10.1
        assert status(at.ask(*ASKED, token)) == 401


def test_two_who_create_at_once_both_get_theirs(tmp_path: Path) -> None:
    threads = [threading.Thread(target=make, args=(tmp_path, f"n{number}")) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = read_tokens(tokens_path(tmp_path))
    assert kept is not None
    assert {token.name for token in kept} == {f"n{number}" for number in range(8)}


def test_what_cannot_be_created_or_deleted_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "ci")
    with pytest.raises(NameTakenError, match="ct token delete ci"):
        make(tmp_path, "ci")
    with pytest.raises(UnknownTokenError, match="ct token list"):
        delete_token(tmp_path, "other")
    wrong = {
        "name": {"name": "a b"},
        "role": {"name": "x", "role": "god"},
        "domain": {"name": "x", "domains": ("a/b",)},
        "expired": {"name": "x", "expires": NOW - timedelta(seconds=1)},
    }
    for expected, said in wrong.items():
        with pytest.raises(ConfigError, match=expected):
            make(tmp_path, **said)  # type: ignore[arg-type]  # as each row says
    assert len(read_tokens(tokens_path(tmp_path)) or ()) == 1


def test_an_expiry_is_a_span_or_a_time() -> None:
    assert expiry_after("12h", NOW) == NOW + timedelta(hours=12)
    assert expiry_after("8w", NOW) == NOW + timedelta(weeks=8)
    assert expiry_after("2027-01-31T10:00:00+02:00", NOW) == datetime(2027, 1, 31, 8, tzinfo=UTC)
    for wrong in ("", "1y", "-3d", "3", "99999999d", "2027-13-01"):
        with pytest.raises(ConfigError, match="is no expiry"):
            expiry_after(wrong, NOW)


def test_many_tokens_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Each way to write a token is another header; only some thousand are remembered."""
    token = make(tmp_path, "ci")
    with door(AccessOptions(home=tmp_path)) as at:
        for number in range(4200):
            basic = b"Basic " + base64.b64encode(f"{number}:{token}".encode())
            at.access.check(
                {"method": "GET", "path": "/", "headers": []}, {b"authorization": basic}
            )
        assert len(at.access._known) == 4096


def test_the_command_creates_lists_and_deletes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The command sets it, for this test only.
    monkeypatch.setenv("CT_HOME", str(tmp_path))
    said = ct(tmp_path, "token", "create", "ci", "--role", "operator", "--domain", "loans")
    token = said.out.strip()
    assert said.code == 0
    assert re.fullmatch(r"ct_[A-Za-z0-9_-]{43}", token)
    assert "Shown this once" in said.err
    assert token not in said.err
    with door(AccessOptions(home=tmp_path)) as at:
        assert at.ask(*ASKED, token) == Principal("ci", "operator", ("loans",))
    listed = ct(tmp_path, "token", "list", "--json")
    (row,) = json.loads(listed.out)
    assert (row["name"], row["domains"], row["state"]) == ("ci", ["loans"], "valid")
    assert "sha256" not in row
    assert ct(tmp_path, "token", "create", "ci").code == 1
    assert ct(tmp_path, "token", "delete", "ci").code == 0
    assert ct(tmp_path, "token", "delete", "ci").code == 1
    assert ct(tmp_path, "token", "delete").code == 2
    assert ct(tmp_path, "token", "list", "--role", "reader").code == 2
    assert "any more" in ct(tmp_path, "token", "list").out
