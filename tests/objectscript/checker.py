"""Rules about the classes of CT that a compiler on IRIS would hold, or that only we know.

Each rule takes a class and all classes, and gives findings; `check` asks them all. The rules see
one file's syntax tree and the Python side, never an instance.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from tests.objectscript import python_bodies, statuses
from tests.objectscript.known import FACTS, KEYWORDS, PERSISTENT
from tests.objectscript.syntax import (
    Argument,
    ClassText,
    Member,
    Type,
    errors,
    first,
    line,
    text,
)
from tree_sitter import Node

from iris_ct.adapters.store.iris_words import RESERVED
from iris_ct.procedures.catalogue import CLASS, PROCEDURES, Procedure
from iris_ct.procedures.catalogue import Argument as Wanted


@dataclass(frozen=True)
class Finding:
    """Something wrong: in which class, where, by which rule."""

    class_name: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.class_name}:{self.line}: {self.rule}: {self.text}"


Classes = Mapping[str, ClassText]
Place = tuple[int, str]
Rule = Callable[[ClassText, Classes], Iterator[Place]]


def check(classes: tuple[ClassText, ...]) -> list[Finding]:
    """Ask every rule about every class."""
    known = {each.name: each for each in classes}
    return [finding for each in classes for finding in check_one(each, known)]


def check_one(each: ClassText, known: Classes) -> Iterator[Finding]:
    """Ask every rule about one class among others."""
    for rule in RULES:
        for where, what in rule(each, known):
            yield Finding(each.name or each.path.name, where, rule.__name__, what)


def syntax(each: ClassText, _: Classes) -> Iterator[Place]:
    """The file is one class that parses."""
    for node in errors(each):
        yield line(node), f"cannot be read: {text(node)[:60]!r}"
    if not each.name:
        yield 1, "no class definition"


def keywords(each: ClassText, _: Classes) -> Iterator[Place]:
    """Every keyword of a member is one that IRIS has."""
    for member in each.members:
        for word in member.keywords.keys() - KEYWORDS[member.kind]:
            yield member.line, f"{member.name}: unknown keyword '{word}'"


def opening(each: ClassText, _: Classes) -> Iterator[Place]:
    """The first line names the Python module that the class calls, or says none."""
    found = re.match(r"/// Python: ([\w.]+)", each.opening)
    if found is None:
        yield 1, "the first line must begin with '/// Python: ' and a module, or none"
    elif found.group(1).rstrip(".") != "none" and not _is_module(found.group(1).rstrip(".")):
        yield 1, f"no Python module {found.group(1)}"


def stands_where_it_is_named(each: ClassText, _: Classes) -> Iterator[Place]:
    """Class CT.A.B is in CT/A/B.cls."""
    if each.path.with_suffix("").parts[-each.name.count(".") - 1 :] != tuple(each.name.split(".")):
        yield 1, f"{each.name} is in {each.path.name}"


def no_storage(each: ClassText, _: Classes) -> Iterator[Place]:
    """No storage by hand, and no place for a message's data (iris.md 4.5, 7.7)."""
    for number, content in enumerate(each.source.splitlines(), 1):
        if re.match(r"\s*(Storage\b|Parameter\s+DATALOCATION|.*<DataLocation>)", content, re.I):
            yield number, f"IRIS writes that itself: {content.strip()}"


def calls(each: ClassText, known: Classes) -> Iterator[Place]:
    """What is called of CT exists and takes that many arguments."""
    for node in each.nodes:
        called = _called(node, each)
        if called is None or not called[0].startswith("CT."):
            continue
        owner, name = called
        if owner not in known:
            yield line(node), f"no class {owner}"
        elif name.startswith("%"):
            continue
        elif name not in known[owner].methods():
            yield line(node), f"{owner} has no method {name}"
        else:
            yield from _arguments(node, known[owner].methods()[name], f"{owner}.{name}")


def facts(each: ClassText, _: Classes) -> Iterator[Place]:
    """What is called of IRIS' own classes is on the list of known facts."""
    for node in each.nodes:
        owner, name = _called(node, each) or ("CT.", "")
        if not owner.startswith("CT.") and f"{owner}.{name}" not in FACTS:
            yield line(node), f"{owner}.{name} is no known fact"


def members_of_the_class(each: ClassText, _: Classes) -> Iterator[Place]:
    """`..#PARAMETER` and `..Property` exist in the class."""
    for kind, node_kind in (
        ("parameter", "relative_dot_parameter"),
        ("property", "relative_dot_property"),
    ):
        for node in each.nodes:
            if node.type == node_kind:
                name = text(first(node, f"{kind}_name"))
                if name not in each.of_kind(kind):
                    yield line(node), f"{each.name} has no {kind} {name}"


def required_before_defaults(each: ClassText, _: Classes) -> Iterator[Place]:
    """Arguments that must be given stand before those with a default (iris.md 4.1)."""
    for member in each.members:
        seen = False
        for argument in member.arguments:
            if seen and argument.default is None and not argument.variadic:
                yield member.line, f"{member.name}: '{argument.name}' stands behind a default"
            seen = seen or argument.default is not None


def no_reference_into_python(each: ClassText, _: Classes) -> Iterator[Place]:
    """A Python method has no ByRef and no Output (iris.md 0.10)."""
    for member in each.members:
        for argument in member.arguments:
            if member.is_python and argument.passing:
                yield member.line, f"{member.name}: '{argument.name}' is {argument.passing}"


def python_compiles(each: ClassText, _: Classes) -> Iterator[Place]:
    """The body of a Python method is Python."""
    for member in each.members:
        if member.is_python:
            yield from ((member.line, f"{member.name}: {e}") for e in python_bodies.wrong(member))


def python_calls(each: ClassText, _: Classes) -> Iterator[Place]:
    """What a Python body imports and calls of iris_ct exists and takes these arguments."""
    for member in each.members:
        if member.is_python and not python_bodies.wrong(member):
            for what in python_bodies.wrong_calls(member):
                yield member.line, f"{member.name}: {what}"


def no_reserved_words(each: ClassText, _: Classes) -> Iterator[Place]:
    """No name in SQL is a reserved word."""
    for member in each.members:
        for name in _sql_names(each, member):
            if name.lower() in RESERVED or name.startswith("%"):
                yield member.line, f"{member.name}: '{name}' is a reserved word of SQL"


def lengths(each: ClassText, _: Classes) -> Iterator[Place]:
    """A text that SQL sees says how long it may be; 50 characters are the default (iris.md 4.5)."""
    for member in each.members:
        for name, kind in _sql_types(each, member):
            if kind.name == "%String" and kind.parameter("MAXLEN") is None:
                yield member.line, f"{member.name}: '{name}' has no MAXLEN"


def statuses_are_checked(each: ClassText, known: Classes) -> Iterator[Place]:
    """The status that a method gives is looked at, or given on."""
    yield from statuses.unchecked(each, known)


def catalogue(each: ClassText, _: Classes) -> Iterator[Place]:
    """CT.Procedures offers the catalogue: every procedure as it stands there, and no other."""
    if each.name != CLASS:
        return
    offered = {m.name: m for m in each.members if m.is_sql}
    for name in offered.keys() - {p.name for p in PROCEDURES}:
        yield offered[name].line, f"{name} is not in the catalogue"
    for procedure in PROCEDURES:
        if procedure.name not in offered:
            yield 1, f"{procedure.name} of the catalogue is missing"
        else:
            member = offered[procedure.name]
            for what in _differences(member, procedure):
                yield member.line, f"{procedure.name}: {what}"


def query_shells(each: ClassText, _: Classes) -> Iterator[Place]:
    """A query of rows has Execute, Fetch and Close of the documented form (iris.md 4.3)."""
    methods = each.methods()
    for query in each.of_kind("query").values():
        for suffix, wanted in _SHELL.items():
            method = methods.get(query.name + suffix)
            if method is None:
                yield query.line, f"{query.name} has no method {query.name}{suffix}"
                continue
            expected = [*wanted, *(query.arguments if suffix == "Execute" else ())]
            if [_shape(a) for a in method.arguments] != [_shape(a) for a in expected]:
                yield method.line, f"{method.name} has other arguments than expected"
            if method.is_python or method.type.name != "%Status":
                yield method.line, f"{method.name} must be ObjectScript and give a %Status"


RULES: tuple[Rule, ...] = (
    syntax,
    keywords,
    opening,
    stands_where_it_is_named,
    no_storage,
    calls,
    facts,
    members_of_the_class,
    required_before_defaults,
    no_reference_into_python,
    python_compiles,
    python_calls,
    no_reserved_words,
    lengths,
    statuses_are_checked,
    catalogue,
    query_shells,
)

_HANDLE = Argument("qHandle", Type("%Binary"), None, "byref", variadic=False)
_SHELL = {
    "Execute": (_HANDLE,),
    "Fetch": (
        _HANDLE,
        Argument("Row", Type("%List"), None, "byref", variadic=False),
        Argument("AtEnd", Type("%Integer"), "0", "byref", variadic=False),
    ),
    "Close": (_HANDLE,),
}


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _called(node: Node, each: ClassText) -> tuple[str, str] | None:
    """Give class and method of a call whose class is known from the text."""
    if node.type == "class_method_call":
        return text(first(node, "class_name")), text(first(node, "method_name"))
    if node.type == "relative_dot_method":
        return each.name, text(first(node, "method_name"))
    return None


def _arguments(node: Node, member: Member, said: str) -> Iterator[Place]:
    given = list(_given(node))
    variadic = any(a.variadic for a in member.arguments)
    fixed = [a for a in member.arguments if not a.variadic]
    if len(given) > len(fixed) and not variadic:
        yield line(node), f"{said} takes {len(fixed)} arguments, given {len(given)}"
    for place, argument in enumerate(fixed):
        content = given[place] if place < len(given) else ""
        if not content and argument.default is None:
            yield line(node), f"{said} needs '{argument.name}'"
        elif content and argument.passing and not content.startswith("."):
            yield line(node), f"{said} takes '{argument.name}' by reference: .{content}"


def _given(node: Node) -> Iterator[str]:
    """Give the texts of a call's arguments; an omitted one is empty."""
    listed = first(node, "method_args")
    inner = listed.children[1:-1] if listed is not None else []
    current = ""
    for child in inner:
        if child.type == ",":
            yield current
        current = "" if child.type == "," else text(child)
    if inner:
        yield current


def _sql_names(each: ClassText, member: Member) -> Iterator[str]:
    for keyword in ("sqlname", "sqlfieldname"):
        if keyword in member.keywords:
            yield member.keywords[keyword]
    if member.is_sql and "sqlname" not in member.keywords:
        yield member.name
    if member.kind == "property" and PERSISTENT & set(each.extends):
        yield member.keywords.get("sqlfieldname", member.name)
    yield from (name for name, _ in _columns(member))


def _sql_types(each: ClassText, member: Member) -> Iterator[tuple[str, Type]]:
    if member.kind == "property" and PERSISTENT & set(each.extends):
        yield member.name, member.type
    if member.is_sql:
        yield from ((a.name, a.type) for a in member.arguments)
        yield "result", member.type
    yield from _columns(member)


def _columns(member: Member) -> list[tuple[str, Type]]:
    """Read a ROWSPEC: names and types."""
    rows = member.type.parameter("ROWSPEC") or ""
    found = re.findall(r"(\w+):([%\w.]+)(?:\(([^)]*)\))?", rows)
    return [(name, Type(kind, parameters)) for name, kind, parameters in found]


def _differences(member: Member, procedure: Procedure) -> Iterator[str]:
    kind = "query" if procedure.result == "rows" else "classmethod"
    if member.kind != kind:
        yield f"expected a {kind}, found a {member.kind}"
    if member.keywords.get("sqlname") != procedure.sql_name:
        yield f"expected SqlName {procedure.sql_name}, found {member.keywords.get('sqlname')}"
    found = [_argument_text(a) for a in member.arguments]
    wanted = [_wanted_text(a) for a in procedure.arguments]
    if found != wanted:
        yield f"expected arguments {wanted}, found {found}"
    columns = [(n, t.name, t.parameter("MAXLEN")) for n, t in _columns(member)]
    expected = [
        (c.name, c.sql_type, str(c.max_length) if c.sql_type == "%String" else None)
        for c in procedure.columns
    ]
    if columns != expected:
        yield f"expected columns {expected}, found {columns}"
    length = str(procedure.max_length) if procedure.max_length else None
    if kind == "classmethod" and member.type.parameter("MAXLEN") != length:
        yield f"expected a result of {length} characters"


def _argument_text(argument: Argument) -> str:
    length = argument.type.parameter("MAXLEN")
    default = "" if argument.default is None else f" = {argument.default}"
    return f"{argument.name} {argument.type.name} {length or ''}{default}"


def _wanted_text(wanted: Wanted) -> str:
    length = wanted.max_length if wanted.sql_type == "%String" else ""
    quoted = f'"{wanted.default}"' if isinstance(wanted.default, str) else wanted.default
    return f"{wanted.name} {wanted.sql_type} {length}{'' if quoted is None else f' = {quoted}'}"


def _shape(argument: Argument) -> tuple[str, str, str | None, str]:
    return argument.name, argument.type.name, argument.default, argument.passing
