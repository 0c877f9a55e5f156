"""Class files as trees, and what the checker needs of them as plain values."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import tree_sitter_objectscript
from tree_sitter import Language, Node, Parser

ROOT = Path(__file__).parents[2]
CLASSES = ROOT / "src" / "cls"

_PARSER = Parser(Language(tree_sitter_objectscript.language_objectscript()))
_KINDS = frozenset({"method", "classmethod", "query", "property", "parameter", "xdata", "index"})


@dataclass(frozen=True)
class Type:
    """A type with its parameters, as ``%String(MAXLEN = 128)``."""

    name: str = ""
    parameters: str = ""

    def parameter(self, name: str) -> str | None:
        """Give a parameter's text; None if it is not set."""
        found = re.search(rf'\b{name}\s*=\s*("[^"]*"|[^,)]+)', self.parameters)
        return found.group(1).strip().strip('"') if found else None


@dataclass(frozen=True)
class Argument:
    """One formal argument; ``default`` None says that it must be given."""

    name: str
    type: Type
    default: str | None
    passing: str
    variadic: bool


@dataclass(frozen=True)
class Member:
    """A method, query, property, parameter or data block of a class."""

    kind: str
    name: str
    arguments: tuple[Argument, ...]
    type: Type
    keywords: Mapping[str, str]
    body: str
    node: Node

    @property
    def line(self) -> int:
        """First line, from 1."""
        return self.node.start_point[0] + 1

    @property
    def is_python(self) -> bool:
        """True for ``[ Language = python ]``."""
        return self.keywords.get("language", "").lower() == "python"

    @property
    def is_sql(self) -> bool:
        """True for what SQL can call."""
        return "sqlproc" in self.keywords


@dataclass(frozen=True)
class ClassText:
    """One class file."""

    path: Path
    source: str

    @cached_property
    def tree(self) -> Node:
        """Root of the syntax tree."""
        return _PARSER.parse(self.source.encode()).root_node

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes of the tree, in the order of the text."""
        return tuple(walk(self.tree))

    @cached_property
    def name(self) -> str:
        """Name of the class; empty if the file has none."""
        heads = [text(node) for node in self.nodes if _is_head(node)]
        return heads[0] if heads else ""

    @cached_property
    def extends(self) -> tuple[str, ...]:
        """Names of the classes that it extends."""
        found = (node for node in self.nodes if node.type == "class_extends")
        return tuple(
            text(child) for node in found for child in node.children if child.type == "class_name"
        )

    @cached_property
    def opening(self) -> str:
        """First line of the file."""
        return self.source.partition("\n")[0]

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """All members in their order."""
        return tuple(_member(node) for node in self.nodes if node.type in _KINDS)

    def methods(self) -> dict[str, Member]:
        """Methods and class methods by name."""
        return {m.name: m for m in self.members if m.kind in {"method", "classmethod"}}

    def of_kind(self, kind: str) -> dict[str, Member]:
        """Members of one kind by name."""
        return {m.name: m for m in self.members if m.kind == kind}


def read_classes(folder: Path = CLASSES) -> tuple[ClassText, ...]:
    """Read every class file below a folder."""
    return tuple(ClassText(path, path.read_text()) for path in sorted(folder.rglob("*.cls")))


def walk(node: Node) -> Iterator[Node]:
    """Give a node and all below it, in the order of the text."""
    yield node
    for child in node.children:
        yield from walk(child)


def text(node: Node | None) -> str:
    """Give the text of a node; empty for none."""
    return node.text.decode() if node is not None and node.text is not None else ""


def line(node: Node) -> int:
    """Give the first line of a node, from 1."""
    return node.start_point[0] + 1


def errors(each: ClassText) -> Iterator[Node]:
    """Give the places where the parser found no sense."""
    return (node for node in each.nodes if node.type == "ERROR" or node.is_missing)


def ancestors(node: Node) -> Iterator[Node]:
    """Give what a node lies in, from the inside out."""
    while node.parent is not None:
        node = node.parent
        yield node


def first(node: Node, *kinds: str) -> Node | None:
    """Give the first node of one of the kinds below a node."""
    return next((each for each in walk(node) if each.type in kinds), None)


def python_body(member: Member) -> str:
    """Give a Python method's body as it counts: without the indentation of the file."""
    return textwrap.dedent(member.body).strip("\n")


def _is_head(node: Node) -> bool:
    return (
        node.type == "class_name"
        and node.parent is not None
        and node.parent.type == "class_definition"
    )


def _member(node: Node) -> Member:
    return Member(
        kind=node.type,
        name=_name(node),
        arguments=tuple(_argument(each) for each in _direct(node, "arguments", "argument")),
        type=_type(next(_direct(node, "return_type"), None)),
        keywords=_keywords(node),
        body=text(next(_direct(node, "external_method_body_content"), None)),
        node=node,
    )


def _inner(node: Node) -> Node:
    """A method's parts lie one level deeper than those of other members."""
    return next((c for c in node.children if c.type == "method_definition"), node)


def _direct(node: Node, *kinds: str) -> Iterator[Node]:
    """Give children of the first kind, of those the children of the next one, and so on."""
    level = [_inner(node)]
    for kind in kinds:
        level = [child for parent in level for child in parent.children if child.type == kind]
    return iter(level)


def _name(node: Node) -> str:
    return next(
        (text(child) for child in _inner(node).children if child.type.endswith("_name")), ""
    )


def _keywords(node: Node) -> dict[str, str]:
    lists = (c for c in _inner(node).children if c.type.endswith("_keywords"))
    words = ",".join(text(each).strip("[] \n") for each in lists)
    pairs = (word.partition("=") for word in words.split(",") if word.strip())
    return {key.strip().lower(): value.strip() for key, _, value in pairs}


def _type(node: Node | None) -> Type:
    found = re.match(
        r"(?is)as\s+([%\w.]+(?:\s+of\s+[%\w.]+)?)\s*(?:\((.*)\))?$", text(node).strip()
    )
    return Type(found.group(1), found.group(2) or "") if found else Type()


def _argument(node: Node) -> Argument:
    name = next(child for child in node.children if child.type == "method_arg")
    kinds = {child.type: child for child in node.children}
    default = kinds.get("default_argument_value")
    return Argument(
        name=text(name).removesuffix("..."),
        type=_type(kinds.get("return_type")),
        default=text(default).removeprefix("=").strip() if default is not None else None,
        passing=next((k.removeprefix("keyword_") for k in kinds if k in _PASSING), ""),
        variadic=text(name).endswith("..."),
    )


_PASSING = frozenset({"keyword_byref", "keyword_output"})
