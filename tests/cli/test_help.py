"""``ct --help`` and each verb's help: complete, with examples, and at once."""

from __future__ import annotations

import importlib
import inspect
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.running import Said, ct

from iris_ct.cli.main import make_app
from iris_ct.cli.verbs import VERBS, Verb

DOCS = Path(__file__).parents[2] / "docs"
HEAVY = [
    "mlflow",
    "lightgbm",
    "pandas",
    "polars",
    "duckdb",
    "scipy",
    "sqlalchemy",
    "matplotlib",
    "iop",
    "iris",
    "numpy",
    "pyarrow",
    "sklearn",
    "pydantic",
    "rich",
]
ISSUE_VERBS = [
    "init",
    "up",
    "serve",
    "down",
    "ingest",
    "labels",
    "predict",
    "retrain",
    "status",
    "drift",
    "history",
    "explain",
    "rollback",
    "promote",
    "service",
    "model",
    "quarantine",
    "trace",
    "log",
    "purge",
    "token",
    "doctor",
    "demo",
]


def test_help_lists_all_verbs_with_a_line_each() -> None:
    said = _alone("main(['--help'])")
    assert [verb.name for verb in VERBS] == ISSUE_VERBS
    for verb in VERBS:
        assert re.search(rf"^  {verb.name} +{re.escape(verb.line)}$", said.out, re.MULTILINE)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["--home", "x", "--help"]])
def test_help_is_shown_however_it_is_asked_for(arguments: list[str]) -> None:
    said = _alone(f"main({arguments!r})")
    assert (said.code, said.out.splitlines()[0]) == (0, "Usage: ct [--home DIR] VERB ...")


def test_help_imports_nothing_heavy_and_takes_little_time() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = _alone("main(['--help']); print('MODULES', *sys.modules)")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    modules = said.out.partition("MODULES ")[2].split()
    assert not {name.partition(".")[0] for name in modules} & {*HEAVY, "cyclopts"}
    # Time of the processor, so that a busy machine does not matter.
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert seconds < 0.5


def test_finding_a_verb_imports_nothing_heavy() -> None:
    modules = ", ".join(sorted({verb.where.partition(":")[0] for verb in VERBS}))
    said = _alone(f"import {modules}; print('MODULES', *sys.modules)")
    loaded = {name.partition(".")[0] for name in said.out.partition("MODULES ")[2].split()}
    assert not loaded & set(HEAVY) - {"rich"}


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_help_of_a_verb_has_its_line_and_its_examples(verb: Verb, tmp_path: Path) -> None:
    said = ct(tmp_path / "none", verb.name, "--help")
    assert said.code == 0
    assert verb.line in " ".join(said.out.split())
    assert all(example in said.out for example in verb.examples)
    assert not (tmp_path / "none").exists(), "asking for help makes no home"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_line_of_a_verb_is_that_of_its_docstring(verb: Verb) -> None:
    module, _, name = verb.where.partition(":")
    function = getattr(importlib.import_module(module), name)
    text = function.help if verb.is_group else inspect.getdoc(function)
    assert (text or "").splitlines()[0] == verb.line


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_examples_of_a_verb_are_well_formed(verb: Verb) -> None:
    for example in verb.examples:
        command, bound, _ = make_app().parse_args(
            example.removeprefix("ct "), exit_on_error=False, print_error=False
        )
        assert callable(command)
        assert bound.arguments is not None


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_verb_has_its_chapter_with_an_example_in_the_documentation(verb: Verb) -> None:
    text = (DOCS / "cli.md").read_text()
    assert f"\n## ct {verb.name}\n" in text
    chapter = text.partition(f"\n## ct {verb.name}\n")[2].partition("\n## ")[0]
    assert f"$ ct {verb.name}" in chapter
    assert "Exit code" in chapter


def _alone(code: str) -> Said:
    """Run Python in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; from iris_ct.cli.main import main; {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return Said(done.returncode, done.stdout, done.stderr)
