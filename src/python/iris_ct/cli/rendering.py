"""How answers look: JSON, tables on a terminal, aligned text elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence

Rows = Sequence[Sequence[object]]

# Characters below which a column of sentences is hard to read.
_SENTENCE_WIDTH = 24


def show_json(answer: object) -> None:
    """Print an answer as JSON, and nothing else; indented for a person."""
    indent = 2 if sys.stdout.isatty() else None
    print(json.dumps(answer, ensure_ascii=False, indent=indent), flush=True)


def show_table(columns: Sequence[str], rows: Rows, *, empty: str = "") -> None:
    """Print a table; ``empty`` is said when there is no row."""
    texts = [[say(cell) for cell in row] for row in rows]
    if not texts:
        print(empty)
    elif sys.stdout.isatty():
        _rich_table(columns, texts)
    else:
        print("\n".join(_aligned([list(columns), *texts])))


def show_plain_table(columns: Sequence[str], rows: Rows) -> None:
    """Print columns with two blanks or more between them, on a terminal too, and if there is no row."""
    print("\n".join(_aligned([list(columns), *rows])), flush=True)


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one pair a line; pairs without a value are left out."""
    pairs = [[name, say(value)] for name, value in facts if value not in (None, "")]
    print("\n".join(_aligned(pairs)))


def show_lines(lines: Iterable[str]) -> None:
    """Print lines."""
    for line in lines:
        print(line, flush=True)


def warn(text: str) -> None:
    """Print a line for the person beside the answer: on standard error."""
    print(text, file=sys.stderr, flush=True)


def say(value: object) -> str:
    """Say a value shortly.

    Examples
    --------
    >>> say(0.123456789), say(None), say(True), say(["a", "b"]), say(1200000)
    ('0.1235', '-', 'yes', 'a, b', '1200000')
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(say(item) for item in value) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{key} {say(item)}" for key, item in value.items()) or "-"
    return str(value)


def say_time(moment: str | None) -> str:
    """Say an ISO 8601 instant to the second, in UTC.

    Examples
    --------
    >>> say_time("2026-11-21T08:34:39.208392+00:00"), say_time(None)
    ('2026-11-21 08:34:39', '-')
    """
    return "-" if moment is None else moment[:19].replace("T", " ")


def _aligned(rows: Rows) -> list[str]:
    texts = [[say(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(row[i]) for row in texts) for i in range(len(texts[0]))]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in texts
    ]


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    widths = [max(map(len, column)) + 1 for column in zip(columns, *rows, strict=True)]
    # The last column holds the sentences and gives way first; on a narrow terminal all do.
    fits = sum(widths[:-1]) + _SENTENCE_WIDTH <= console.width
    for place, column in enumerate(columns, start=1):
        table.add_column(column, no_wrap=fits and place < len(columns), overflow="fold")
    for row in rows:
        # As text, so that brackets in a name are no markup.
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    console.print(table)
