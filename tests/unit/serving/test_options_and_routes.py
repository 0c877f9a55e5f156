"""What the gateway is told is read without pydantic, and as the settings declare it."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from iris_ct.config import Settings
from iris_ct.core.errors import ConfigError
from iris_ct.serving.access import AccessOptions
from iris_ct.serving.options import GatewayOptions, read_options
from iris_ct.serving.routes import parse_routes, read_routes

NOWHERE = Path("/nonexistent/.env")


@pytest.mark.parametrize("kind", [GatewayOptions, AccessOptions])
def test_every_option_is_a_setting_with_the_same_default(kind: Any) -> None:
    """The one difference: no port of the settings means none for 'ct up' and 8080 for ct serve."""
    for field in fields(kind):
        if field.name not in {"home", "port"}:
            declared = Settings.model_fields[f"serve_{field.name}"]
            assert (field.name, declared.default) == (field.name, field.default)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(
        '# CT_SERVE_PORT=1\nCT_SERVE_PORT=2\nexport CT_HOME="a b" # here\nCT_SERVE_HOST=\n'
    )
    read = read_options(GatewayOptions, {"host": None}, environ={}, env_file=env)
    assert (read.port, read.home.name, read.host) == (2, "a b", "127.0.0.1")
    environ = {"CT_SERVE_PORT": "3", "CT_SERVE_WORKERS": "0"}
    assert read_options(GatewayOptions, environ=environ, env_file=env).port == 3
    read = read_options(GatewayOptions, {"port": 4}, environ=environ, env_file=env)
    assert (read.port, read.workers) == (4, 0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CT_SERVE_PORT", "many"),
        ("CT_SERVE_PORT", "65536"),
        ("CT_SERVE_WORKERS", "-1"),
        ("CT_SERVE_TIMEOUT_S", "0"),
        ("CT_SERVE_TIMEOUT_S", "nan"),
        ("CT_SERVE_MAX_BODY_MB", "0.5"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} = '?{text}"):
        read_options(GatewayOptions, environ={name: text}, env_file=NOWHERE)


BRANCH = {"branch": "a", "model": "m", "version": "1", "bundle": "serving/bundles/x"}


def _table(**changed: Any) -> bytes:
    service = {"name": "s", "branches": [{**BRANCH, **changed}]}
    return json.dumps({"revision": 1, "services": [service]}).encode()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"bundle": "../x"}, "is no path below the home"),
        ({"bundle": "/etc"}, "is no path below the home"),
        (
            {"version": 1},
            r"Expected `str`, got `int` - at `\$.services\[0\].branches\[0\].version`",
        ),
        ({"runtime": "java"}, "Invalid enum value"),
        ({"instances": 0}, "instances is 0"),
        ({"weight": 0.4}, "do not make 1"),
        ({"shadow": True}, "no branch that answers"),
        ({"branch": "a/b"}, "expected a name"),
    ],
)
def test_a_wrong_route_says_where_and_what(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse_routes(_table(**changed), source="routes.json")


def test_names_that_would_change_the_path_or_come_twice_are_refused() -> None:
    for name in ("", "..", "a/b", "a b%20", "a?b", "a\nb"):
        text = json.dumps({"services": [{"name": name, "branches": [BRANCH]}]}).encode()
        with pytest.raises(ConfigError, match="part of a path"):
            parse_routes(text, source="x")
    twice = {"services": [{"name": "s", "branches": [BRANCH]}] * 2}
    with pytest.raises(ConfigError, match="twice"):
        parse_routes(json.dumps(twice).encode(), source="x")


def test_no_file_is_an_empty_table(tmp_path: Path) -> None:
    assert read_routes(tmp_path / "routes.json").services == []


def test_weights_that_people_wrote_make_one() -> None:
    for weights in ((0.1, 0.9), (0.1, 0.2, 0.7), (0.3, 0.3, 0.4)):
        branches = [{**BRANCH, "branch": str(i), "weight": w} for i, w in enumerate(weights)]
        text = json.dumps({"services": [{"name": "s", "branches": branches}]}).encode()
        assert len(parse_routes(text, source="x").services[0].branches) == len(weights)
