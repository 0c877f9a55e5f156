"""What the pages tell a newcomer to type exists, and what they link to is there."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from iris_ct.cli.verbs import VERBS

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/index.md",
        "docs/operations.md",
        "docs/iris.md",
        "docs/deployment.md",
    )
]
WHERE = {verb.name: verb.where for verb in VERBS}
page = pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)


def commands(path: Path) -> Iterator[list[str]]:
    """Give the words of each command in the page's console blocks and code spans."""
    text = path.read_text(encoding="utf-8")
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    for line in [*lines, *re.findall(r"`([^`\n]+)`", prose)]:
        words = line.partition("  #")[0].split()
        if words[:2] == ["docker", "exec"] and "ct" in words:
            words = words[words.index("ct") :]
        if words[:1] in (["make"], ["ct"]) and len(words) > 1:
            yield words


def verb_of(words: list[str]) -> str:
    """Give the verb of a `ct` command; `--home DIR` may stand before it."""
    rest = words[1:]
    return rest[2] if rest[0] == "--home" else rest[0]


def targets() -> set[str]:
    """Give the targets of the Makefile."""
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


@page
def test_every_target_of_make_exists(page: Path) -> None:
    named = {words[1] for words in commands(page) if words[0] == "make"}
    assert named <= targets()


@page
def test_every_verb_of_ct_exists(page: Path) -> None:
    named = {verb_of(words) for words in commands(page) if words[0] == "ct"}
    assert named - {"--help"} <= set(WHERE)


@page
def test_every_option_of_ct_exists(page: Path) -> None:
    """By the names of the verb's parameters and of those that it shares with others."""
    for words in commands(page):
        if words[0] != "ct" or verb_of(words) not in WHERE:
            continue
        module, _, function = WHERE[verb_of(words)].partition(":")
        source = inspect.getsource(import_module(module))
        known = {
            "home",
            "json",
            *inspect.signature(getattr(import_module(module), function)).parameters,
        }
        for option in (word[2:] for word in words if word.startswith("--")):
            assert option.replace("-", "_") in known or f'"--{option}"' in source, words


@page
def test_every_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    relative = [link for link in links if "://" not in link]
    assert [link for link in relative if not (page.parent / link).exists()] == []


def test_every_target_of_make_is_described_by_make_help() -> None:
    lines = (ROOT / "Makefile").read_text().splitlines()
    described = {line.partition(":")[0] for line in lines if re.match(r"[a-z-]+:.*## ", line)}
    assert described == targets()


def test_every_verb_is_mentioned_in_the_pages() -> None:
    named = {verb_of(words) for path in PAGES for words in commands(path) if words[0] == "ct"}
    assert set(WHERE) - named == set()
