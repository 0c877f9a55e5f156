"""Bodies of Python methods: as functions, and what they call of iris_ct."""

from __future__ import annotations

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import Any

from tests.objectscript.syntax import Member, python_body

from iris_ct.procedures import catalogue


def function(member: Member) -> Callable[..., Any]:
    """Make the function that IRIS makes of a Python class method: its arguments, its body."""
    names: dict[str, Any] = {}
    exec(compile(source(member), f"<{member.name}>", "exec"), names)  # noqa: S102 - the bodies are the subject
    made: Callable[..., Any] = names[member.name]
    return made


def source(member: Member) -> str:
    """Write that function."""
    arguments = ", ".join(
        f"*{a.name}" if a.variadic else a.name + ("" if a.default is None else f"={a.default}")
        for a in member.arguments
    )
    body = textwrap.indent(python_body(member) or "pass", "    ")
    return f"def {member.name}({arguments}):\n{body}\n"


def wrong(member: Member) -> list[str]:
    """Say why a body is no Python; nothing if it is."""
    try:
        compile(source(member), f"<{member.name}>", "exec")
    except SyntaxError as error:
        return [f"line {(error.lineno or 1) - 1} of the body: {error.msg}"]
    return []


def wrong_calls(member: Member) -> Iterator[str]:
    """Say which names of iris_ct a body uses that do not exist, or calls wrongly."""
    tree = ast.parse(source(member))
    known: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("iris_ct"):
            for alias in node.names:
                found = _imported(node.module or "", alias.name)
                if found is None:
                    yield f"{node.module} has no {alias.name}"
                known[alias.asname or alias.name] = found
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _wrong_call(node, known)


def _imported(module: str, name: str) -> Any:
    try:
        home = importlib.import_module(module)
    except ImportError:
        return None
    if hasattr(home, name):
        return getattr(home, name)
    try:
        return importlib.import_module(f"{module}.{name}")
    except ImportError:
        return None


def _wrong_call(node: ast.Call, known: dict[str, Any]) -> Iterator[str]:
    said = ast.unparse(node.func)
    owner, _, attribute = said.partition(".")
    if known.get(owner) is None:
        return
    called = getattr(known[owner], attribute, None) if attribute else known[owner]
    if called is None:
        yield f"{said} does not exist"
        return
    try:
        inspect.signature(called).bind(*node.args, **{str(k.arg): k.value for k in node.keywords})
    except TypeError as error:
        # What is spread is counted when it runs.
        if not any(isinstance(argument, ast.Starred) for argument in node.args):
            yield f"{said}: {error}"
    yield from _wrong_procedure(node, said)


def _wrong_procedure(node: ast.Call, said: str) -> Iterator[str]:
    """Hold a call by a procedure's name to the catalogue."""
    if said not in {"surface.call", "surface.rows"} or not node.args:
        return
    name, *given = node.args
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return
    found = {p.name: p for p in catalogue.PROCEDURES}.get(name.value)
    if found is None:
        yield f"no procedure {name.value} in the catalogue"
    elif [ast.unparse(each) for each in given] != [a.name for a in found.arguments]:
        yield f"{name.value} takes {[a.name for a in found.arguments]}, in this order"
