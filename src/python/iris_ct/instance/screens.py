"""What ``CT.Terminal`` shows: text of at most 80 columns, for people at the iris terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from iris_ct.bootstrap import Parts
from iris_ct.core.errors import ConfigError
from iris_ct.procedures import catalogue
from iris_ct.procedures.catalogue import Procedure
from iris_ct.procedures.door import Door

WIDTH = 80
# Characters of a table's last column below which a record is shown line by line instead.
_LAST_COLUMN = 16

Here = Callable[[], tuple[Parts, Door]]
Row = dict[str, Any]

HELP = """\
CT: continuous training of models. In this terminal, quotes as shown:

  do ##class(CT.Terminal).Status()              how all models stand
  do ##class(CT.Terminal).Status("bikes")       how one stands
  do ##class(CT.Terminal).Drift("bikes")        the newest drift report
  do ##class(CT.Terminal).History("bikes")      who served when, and why
  do ##class(CT.Terminal).Explain("bikes")      the last decision in words
  do ##class(CT.Terminal).Predict("bikes", key) one row, by key or JSON object
  do ##class(CT.Terminal).Retrain("bikes")      ask for a retraining
  do ##class(CT.Terminal).Promote("bikes", 4, "why")   let a kept version serve
  do ##class(CT.Terminal).Rollback("bikes", 3, "why")  go back to a version
  do ##class(CT.Terminal).Tail("bikes", 20)     the newest events
  do ##class(CT.Terminal).Help()                this

In SQL the same is in schema CT: SELECT * FROM CT.Status('bikes')"""


def draw(name: str, given: Sequence[catalogue.Scalar], here: Here) -> str:
    """Give the text of one command.

    Raises
    ------
    ConfigError
        If there is no such command.
    """
    command = _COMMANDS.get(name)
    if command is None:
        raise ConfigError(f"There is no command '{name}'. There are: {', '.join(_COMMANDS)}.")
    return command(given, here)


def _status(given: Sequence[catalogue.Scalar], here: Here) -> str:
    rows = _rows("Status", given, here)
    if not rows:
        return "No model yet. Put a model file into the models folder; see docs/models.md."
    if any(given):
        return facts(rows[0])
    return table(
        rows,
        (
            ("model", "model"),
            ("champion", "champion_version"),
            ("rows", "n_rows"),
            ("held", "quarantined_rows"),
            ("drift", "drifted"),
            ("cycle", "open_cycle"),
            ("newest event", "newest_event"),
        ),
    )


def _drift(given: Sequence[catalogue.Scalar], here: Here) -> str:
    rows = _rows("Drift", given, here)
    if not rows:
        return "No drift was measured yet: that needs a serving version and newer rows."
    first = rows[0]
    head = f"report {first['report_id']}, {say(first['measured_at'])} UTC"
    against = f"against version {first['version']}" if first["version"] else "against nothing"
    columns = (
        ("column", "column_name"),
        ("role", "column_role"),
        ("drifted", "drifted"),
        ("psi", "psi"),
        ("limit", "psi_threshold"),
        ("p adj.", "adjusted_p_value"),
        ("reason", "reason"),
    )
    return "\n".join((head, against, "", table(rows, columns)))


def _history(given: Sequence[catalogue.Scalar], here: Here) -> str:
    rows = _rows("History", given, here)
    if not rows:
        return "Nothing has served yet."
    columns = (
        ("version", "version"),
        ("since (UTC)", "served_from"),
        ("by", "actor"),
        ("rows", "n_rows"),
        ("loss", "holdout_loss"),
        ("why", "verdict"),
    )
    return table(rows, columns)


def _explain(given: Sequence[catalogue.Scalar], here: Here) -> str:
    return "\n".join(wrapped(row["words"]) for row in _rows("Explain", given, here))


def _tail(given: Sequence[catalogue.Scalar], here: Here) -> str:
    return "\n".join(
        wrapped(
            f"{say(row['happened_at'])} {row['severity']} {row['model']} {row['step']}: "
            f"{row['event_text']}"
        )
        for row in _rows("Log", given, here)
    )


def _answer(name: str) -> Callable[[Sequence[catalogue.Scalar], Here], str]:
    def show(given: Sequence[catalogue.Scalar], here: Here) -> str:
        procedure = catalogue.find(name)
        answer = catalogue.perform(procedure, *here(), given)
        return facts(answer)

    return show


_COMMANDS: dict[str, Callable[[Sequence[catalogue.Scalar], Here], str]] = {
    "Status": _status,
    "Drift": _drift,
    "History": _history,
    "Explain": _explain,
    "Retrain": _answer("Retrain"),
    "Rollback": _answer("Rollback"),
    "Promote": _answer("Promote"),
    "Predict": _answer("PredictDetail"),
    "Tail": _tail,
    "Help": lambda _given, _here: HELP,
}


def _rows(name: str, given: Sequence[catalogue.Scalar], here: Here) -> list[Row]:
    procedure: Procedure = catalogue.find(name)
    found = catalogue.perform(procedure, *here(), given)
    names = [column.name for column in procedure.columns]
    return [dict(zip(names, row, strict=True)) for row in found]


def facts(answer: Row) -> str:
    """Write names and values, one pair a line; what has no value is left out."""
    told = {name: say(value) for name, value in answer.items() if value not in (None, "")}
    width = max(len(name) for name in told)
    return "\n".join(
        wrapped(f"{name:<{width}}  {text}", indent=width + 2) for name, text in told.items()
    )


def table(rows: Sequence[Row], columns: Sequence[tuple[str, str]]) -> str:
    """Write rows below headings; the last column wraps, and what is too wide becomes records."""
    texts = [[say(row[name]) for _, name in columns] for row in rows]
    heads = [head for head, _ in columns]
    widths = [max(map(len, cells)) for cells in zip(heads, *texts, strict=True)]
    before = sum(widths[:-1]) + 2 * len(widths[:-1])
    if WIDTH - before < min(widths[-1], _LAST_COLUMN):
        records = (dict(zip(heads, row, strict=True)) for row in texts)
        return "\n\n".join(facts(record) for record in records)
    return "\n".join(_line(row, widths, before) for row in [heads, *texts])


def _line(row: Sequence[str], widths: Sequence[int], before: int) -> str:
    front = "".join(f"{cell:<{width}}  " for cell, width in zip(row, widths[:-1], strict=False))
    return wrapped(front + row[-1], indent=before)


def wrapped(text: str, *, indent: int = 4) -> str:
    """Break lines at 80 columns; what goes on stands indented.

    Examples
    --------
    >>> print(wrapped("x " * 44, indent=2))
    x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x x
      x x x x
    """
    lines = [
        textwrap.fill(
            line,
            WIDTH,
            subsequent_indent=" " * min(indent, WIDTH - _LAST_COLUMN),
            drop_whitespace=True,
            replace_whitespace=False,
            break_on_hyphens=False,
        )
        for line in text.splitlines()
    ]
    return "\n".join(lines)


def say(value: Any) -> str:
    """Say a value shortly.

    Examples
    --------
    >>> say(0.123456789), say(None), say(True), say({"a": 0.25}), say("2026-01-31 10:00:00.123456")
    ('0.1235', '-', 'yes', 'a 0.25', '2026-01-31 10:00:00')
    """
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{key} {say(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(say(item) for item in value) or "-"
    text = str(value)
    # A time to the second.
    return text[:19] if len(text) == 26 and text[10] == " " and text[19] == "." else text
