"""What a benchmark says: a table of what was measured beside what, and notes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Table:
    """One benchmark's results, printed as Markdown."""

    title: str
    head: tuple[str, ...]
    rows: list[tuple[str, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Append a row."""
        if len(cells) != len(self.head):
            raise ValueError(
                f"A row of {len(cells)} cells in a table of {len(self.head)} columns."
            )
        self.rows.append(cells)

    def text(self) -> str:
        """Give it as Markdown."""
        lines = [f"## {self.title}", "", _line(self.head), _line(["---"] * len(self.head))]
        lines += [_line(row) for row in self.rows]
        if self.notes:
            lines += ["", *(f"- {note}" for note in self.notes)]
        return "\n".join(lines)


def _line(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def ms(seconds: float) -> str:
    """Give milliseconds with three digits that count."""
    return f"{seconds * 1e3:.3g} ms"


def s(seconds: float) -> str:
    """Give seconds."""
    return f"{seconds:.3g} s"


def rate(n: int, seconds: float) -> str:
    """Give thousands a second."""
    return f"{n / seconds / 1e3:.0f}k/s"


def times(ratio: float) -> str:
    """Give a ratio."""
    return f"{ratio:.3g}x"
