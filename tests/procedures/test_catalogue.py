"""One definition holds the surfaces together: SQL classes, command line and documentation."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from iris_ct import procedures
from iris_ct.cli.main import make_app
from iris_ct.cli.verbs import VERBS
from iris_ct.core.errors import ConfigError
from iris_ct.procedures.catalogue import PROCEDURES, Procedure, find

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "procedures.md").read_text()
CLASS = (ROOT / "src" / "cls" / "CT" / "Procedures.cls").read_text()

# What has no procedure in SQL, and why.
NOT_IN_SQL = {
    "init": "looks at a file of the person who asks",
    "up": "the instance runs the production",
    "down": "the instance runs the production",
    "labels": "hands over files; in SQL labels come with the table",
    "trace": "the portal's Visual Trace",
    "purge": "a task of the instance",
    "doctor": "looks at the machine",
    "demo": "makes a home of its own",
    "serve": "the gateway is a process of its own; an instance serves by WSGI",
    "service": "asks the gateway's control process, also over HTTP",
    "model": "hands over files and keys of the person who asks",
    "token": "writes a file that the gateway alone reads",
}

# Asked in two halves by the command line, which may have to run the production in between.
_HALVES = {"ingest_source": "hand_over_source"}

# From the page "Reserved words" of the documentation of InterSystems SQL (2025.1).
RESERVED = frozenset(
    [
        "absolute",
        "add",
        "all",
        "allocate",
        "alter",
        "and",
        "any",
        "are",
        "as",
        "asc",
        "assertion",
        "at",
        "authorization",
        "avg",
        "begin",
        "between",
        "bit",
        "bit_length",
        "both",
        "by",
        "cascade",
        "case",
        "cast",
        "char",
        "character",
        "character_length",
        "char_length",
        "check",
        "close",
        "coalesce",
        "collate",
        "commit",
        "connect",
        "connection",
        "constraint",
        "constraints",
        "continue",
        "convert",
        "corresponding",
        "count",
        "create",
        "cross",
        "current",
        "current_date",
        "current_time",
        "current_timestamp",
        "current_user",
        "cursor",
        "date",
        "deallocate",
        "dec",
        "decimal",
        "declare",
        "default",
        "deferrable",
        "deferred",
        "delete",
        "desc",
        "describe",
        "descriptor",
        "diagnostics",
        "disconnect",
        "distinct",
        "domain",
        "double",
        "drop",
        "else",
        "end",
        "endexec",
        "escape",
        "except",
        "exception",
        "exec",
        "execute",
        "exists",
        "external",
        "extract",
        "false",
        "fetch",
        "first",
        "float",
        "for",
        "foreign",
        "found",
        "from",
        "full",
        "get",
        "global",
        "go",
        "goto",
        "grant",
        "group",
        "having",
        "hour",
        "identity",
        "immediate",
        "in",
        "indicator",
        "initially",
        "inner",
        "input",
        "insensitive",
        "insert",
        "int",
        "integer",
        "intersect",
        "interval",
        "into",
        "is",
        "isolation",
        "join",
        "language",
        "last",
        "leading",
        "left",
        "level",
        "like",
        "local",
        "lower",
        "match",
        "max",
        "min",
        "minute",
        "module",
        "names",
        "national",
        "natural",
        "nchar",
        "next",
        "no",
        "not",
        "null",
        "nullif",
        "numeric",
        "octet_length",
        "of",
        "on",
        "only",
        "open",
        "option",
        "or",
        "order",
        "outer",
        "output",
        "overlaps",
        "pad",
        "partial",
        "prepare",
        "preserve",
        "primary",
        "prior",
        "privileges",
        "procedure",
        "public",
        "read",
        "real",
        "references",
        "relative",
        "restrict",
        "revoke",
        "right",
        "role",
        "rollback",
        "rows",
        "schema",
        "scroll",
        "second",
        "section",
        "select",
        "session_user",
        "set",
        "shard",
        "smallint",
        "some",
        "space",
        "sqlerror",
        "sqlstate",
        "statistics",
        "substring",
        "sum",
        "sysdate",
        "system_user",
        "table",
        "temporary",
        "then",
        "time",
        "timezone_hour",
        "timezone_minute",
        "to",
        "top",
        "trailing",
        "transaction",
        "trim",
        "true",
        "union",
        "unique",
        "update",
        "upper",
        "user",
        "using",
        "values",
        "varchar",
        "varying",
        "when",
        "whenever",
        "where",
        "with",
        "work",
        "write",
        "zone",
        "value",
        "key",
        "timestamp",
    ]
)


@pytest.mark.parametrize("procedure", PROCEDURES, ids=lambda procedure: procedure.name)
def test_a_procedure_is_a_function_with_a_chapter(procedure: Procedure) -> None:
    assert callable(getattr(procedures, procedure.function))
    _, found, rest = PAGE.partition(f"\n## {procedure.function}\n")
    assert found, f"docs/procedures.md has no chapter {procedure.function}"
    chapter = rest.partition("\n## ")[0]
    assert f"CT.{procedure.sql_name}(" in chapter


@pytest.mark.parametrize("procedure", PROCEDURES, ids=lambda procedure: procedure.name)
def test_the_class_has_each_procedure_with_its_arguments_and_columns(procedure: Procedure) -> None:
    """Names, order, types and defaults, as the class definition says them."""
    kind = "Query" if procedure.result == "rows" else "ClassMethod"
    declared = re.search(
        rf"^{kind} {procedure.name}\(((?:[^()]|\([^()]*\))*)\) As (.*?)\[(.*)\]$",
        CLASS,
        re.MULTILINE,
    )
    assert declared is not None
    arguments, result, keywords = declared.groups()
    assert f"SqlName = {procedure.sql_name}" in keywords
    assert "SqlProc" in keywords
    said = re.findall(r"(\w+) As (%\w+)(?:\([^()]*\))?(?: = (\"\"|\d+))?", arguments)
    assert said == [
        (
            a.name,
            a.sql_type,
            "" if a.default is None else ('""' if a.default == "" else str(a.default)),
        )
        for a in procedure.arguments
    ]
    if procedure.result == "rows":
        rowspec = re.search(r'ROWSPEC = "([^"]*)"', result)
        assert rowspec is not None
        columns = re.findall(r"(\w+):(%\w+)(?:\([^()]*\))?(?:,|$)", rowspec[1])
        assert columns == [(c.name, c.sql_type) for c in procedure.columns]


@pytest.mark.parametrize("procedure", PROCEDURES, ids=lambda procedure: procedure.name)
def test_the_command_line_asks_the_same(procedure: Procedure) -> None:
    verb, *rest = procedure.verb.removeprefix("ct ").split()
    assert verb in {known.name for known in VERBS}
    given = [
        {"NAME": "bikes", "N": "3"}.get(word, word if word.startswith("--") else "x")
        for word in rest
    ]
    command, bound, _ = make_app().parse_args(
        [verb, *given], exit_on_error=False, print_error=False
    )
    assert callable(command)
    assert bound.arguments
    source = inspect.getsource(inspect.getmodule(command) or command)
    asked = _HALVES.get(procedure.function, procedure.function)
    assert f"procedures.{asked}(" in source


def test_every_verb_has_a_procedure_or_a_reason_to_have_none() -> None:
    asked = {procedure.verb.split()[1] for procedure in PROCEDURES}
    assert asked | set(NOT_IN_SQL) == {verb.name for verb in VERBS}
    assert not asked & set(NOT_IN_SQL)


def test_no_name_in_sql_is_a_reserved_word() -> None:
    names = [p.sql_name for p in PROCEDURES] + [c.name for p in PROCEDURES for c in p.columns]
    assert [name for name in names if name.casefold() in RESERVED] == []
    assert len({p.sql_name.casefold() for p in PROCEDURES}) == len(PROCEDURES)


def test_only_operators_change_something() -> None:
    readers = {procedure.name for procedure in PROCEDURES if procedure.role == "reader"}
    assert readers == {
        "Predict",
        "PredictDetail",
        "ServedAt",
        "Status",
        "Drift",
        "History",
        "Decisions",
        "Explain",
        "Quarantine",
        "Log",
    }


def test_arguments_get_their_types_and_defaults() -> None:
    assert find("decisions").bind(["bikes"]) == ["bikes", 20]
    assert find("Decisions").bind(["bikes", "5"]) == ["bikes", 5]
    assert find("Status").bind([]) == [""]
    assert find("Retrain").bind(["0012", True]) == ["0012", 1]
    assert find("RollbackTo").bind(["bikes", "", None]) == ["bikes", 0, ""]
    assert find("Promote").bind(["bikes", 3.0, "why"]) == ["bikes", 3, "why"]


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("Drift", [], "Drift needs 'model'"),
        ("Drift", ["bikes", 1, 2], "takes 1 arguments"),
        ("Promote", ["bikes", "three", "why"], "'version' must be a whole number"),
        ("Promote", ["bikes", 2.5, "why"], "'version' must be a whole number"),
    ],
)
def test_wrong_arguments_are_named(name: str, given: list[object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        find(name).bind(given)  # type: ignore[arg-type]


def test_an_unknown_procedure_is_told_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"no procedure 'Prophesy'.*ServedAt"):
        find("Prophesy")
