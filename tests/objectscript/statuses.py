"""Whether every %Status is looked at, as far as the text of one method tells.

A status counts as looked at inside ``$$$ThrowOnError``, in a condition, or where it is given on by
``quit`` or ``return``; kept in a variable, when that variable is used before it is set again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

from tests.objectscript.known import FACTS, STATUS_OF_OBJECTS
from tests.objectscript.syntax import ClassText, Member, ancestors, first, line, text, walk
from tree_sitter import Node

_GIVEN_ON = frozenset({"command_quit", "command_return"})
_ASKED = frozenset({"command_if", "command_elseif", "elseif_block", "command_while"})
# Methods of classes that are made by the compiler and not here.
_CALLS = frozenset({"class_method_call", "relative_dot_method", "oref_method"})


def unchecked(each: ClassText, known: Mapping[str, ClassText]) -> Iterator[tuple[int, str]]:
    """Give the places where a status is lost."""
    for member in each.members:
        if member.kind in {"method", "classmethod"} and not member.is_python:
            yield from _in_method(each, member, known)


def _in_method(
    each: ClassText, member: Member, known: Mapping[str, ClassText]
) -> Iterator[tuple[int, str]]:
    for node in walk(member.node):
        name = _status_method(node, each, known)
        if name is None or _is_looked_at(node):
            continue
        variable = _variable(node)
        if variable is None or not _is_used(member, node, variable):
            yield line(node), f"{member.name}: the status of {name} is lost"


def _status_method(node: Node, each: ClassText, known: Mapping[str, ClassText]) -> str | None:
    """Name the method that a call gives a status of; None if it gives none."""
    if node.type not in _CALLS:
        return None
    if node.type == "oref_method" and _is_relative(node):
        return None
    method = text(first(node, "method_name"))
    if node.type == "oref_method":
        return method if method in STATUS_OF_OBJECTS else None
    owner = each.name if node.type == "relative_dot_method" else text(first(node, "class_name"))
    if owner in known:
        found = known[owner].methods().get(method)
        return method if found is not None and found.type.name == "%Status" else None
    fact = FACTS.get(f"{owner}.{method}")
    return f"{owner}.{method}" if fact is not None and fact.gives_status else None


def _is_relative(node: Node) -> bool:
    return node.parent is not None and node.parent.type == "relative_dot_method"


def _is_looked_at(node: Node) -> bool:
    inner = node
    for outer in ancestors(node):
        if outer.type in _GIVEN_ON:
            return True
        if outer.type in {"command_macro", "macro"}:
            return _is_check(text(outer))
        if outer.type in _ASKED and inner.type == "expression":
            return True
        if outer.type == "statement":
            return False
        inner = outer
    return False


def _is_check(macro: str) -> bool:
    return macro.startswith(("$$$ThrowOnError", "$$$ISERR", "$$$ISOK"))


def _variable(node: Node) -> str | None:
    """Name the local variable that a call's status is set to; None if it is set to none."""
    for outer in ancestors(node):
        if outer.type == "set_argument":
            target = first(outer, "set_target")
            return text(target) if target is not None and "." not in text(target) else None
        if outer.type == "statement":
            return None
    return None


def _is_used(member: Member, call: Node, variable: str) -> bool:
    """Say whether a variable is used between this and the next time it is set."""
    places = [n for n in walk(member.node) if n.type == "lvn" and text(n) == variable]
    later = [n for n in places if n.start_byte > call.start_byte]
    return bool(later) and not _is_target(later[0])


def _is_target(node: Node) -> bool:
    return any(outer.type == "set_target" for outer in _up_to_statement(node))


def _up_to_statement(node: Node) -> Iterator[Node]:
    for inner, outer in pairwise([node, *ancestors(node)]):
        if outer.type in {"statement", "method_args"}:
            return
        yield outer
        if inner.type == "statement":
            return
