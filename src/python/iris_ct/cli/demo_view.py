"""How the demo looks in a terminal, and as plain text where there is none."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from iris_ct.cli.rendering import show_table

if TYPE_CHECKING:
    from rich.console import Console

    from iris_ct.demo.facts import DemoResult, MonthFacts

WIDTH = 100
_STYLES = {"promoted": "green", "held": "yellow", "rejected": "yellow", "failed": "red"}
# Columns before and after the reason, whose width follows the terminal.
_LEFT, _RIGHT = "{:<7} {:>5} {:>5}  ", " {:>5} {:>6} {:>6}"
_FIXED = len(_LEFT.format(*"123") + _RIGHT.format(*"123"))


def print_head(console: Console, home: Path, *, kept: bool) -> None:
    """Say what happens now, and head the columns."""
    console.print(
        f"Two years of bike rentals, one file a month, through {home}/inbox/bikes"
        + ("." if kept else " (temporary)."),
        soft_wrap=True,
    )
    console.print(
        "model: which version serves after the month; drift: features that differ from its window\n"
        "served: error (MAE) of the champion on the month's rows before they trained a model\n"
        "frozen: error of the first model on the same rows, had it never been replaced\n",
        soft_wrap=True,
    )
    _print_row(
        console, ("month", "rows", "drift"), "decision", ("model", "served", "frozen"), "bold"
    )


def print_month(console: Console, month: MonthFacts) -> None:
    """Print one month's line."""
    drift = "-" if month.drifted_features is None else str(month.drifted_features)
    trigger = f"{month.trigger}: " if month.trigger else ""
    _print_row(
        console,
        (month.month, str(month.rows), drift),
        f"{trigger}{month.decision}, {_in_short(month.reason)}",
        (
            f"v{month.champion}" if month.champion else "-",
            _error(month.served_mae),
            _error(month.frozen_mae),
        ),
        _STYLES.get(month.decision, ""),
    )


def print_totals(console: Console, result: DemoResult) -> None:
    """Print the closing table: both errors, by half-year and in all."""
    rows = []
    for period, months in _half_years(result.months).items():
        n_rows = sum(month.rows for month in months)
        served = sum(month.rows * (month.served_mae or 0.0) for month in months) / n_rows
        frozen = sum(month.rows * (month.frozen_mae or 0.0) for month in months) / n_rows
        rows.append(_errors(period, n_rows, served, frozen))
    if result.served_mae is not None and result.frozen_mae is not None:
        n_rows = sum(month.rows for month in result.months if month.served_mae is not None)
        rows.append(_errors("all", n_rows, result.served_mae, result.frozen_mae))
    console.print()
    show_table(
        ("error (MAE)", "   rows", " served", " frozen", "difference"),
        rows,
        empty="No champion served yet, so there is no error to compare.",
    )
    console.print()


def print_next(console: Console, keep: Path) -> None:
    """Say how to explore the home that was kept."""
    home = keep.resolve()
    store = f"sqlite:///{home / 'sandbox' / 'mlflow' / 'mlflow.db'}"
    console.print("\nTo explore it:")
    for command in (
        f"ct --home {shlex.quote(str(keep))} status bikes",
        f"ct --home {shlex.quote(str(keep))} explain bikes",
        f"ct --home {shlex.quote(str(keep))} history bikes",
        f"mlflow ui --backend-store-uri {shlex.quote(store)}",
    ):
        console.print(f"  {command}", soft_wrap=True)


def _print_row(
    console: Console,
    left: tuple[str, str, str],
    middle: str,
    right: tuple[str, str, str],
    style: str,
) -> None:
    width = WIDTH if not console.is_terminal else min(WIDTH, console.width)
    room = max(width - _FIXED, 8)
    shown = middle if len(middle) <= room else middle[: room - 3].rstrip() + "..."
    line = Text(_LEFT.format(*left))
    line.append(f"{shown:<{room}}", style=style)
    line.append(_RIGHT.format(*right))
    line.rstrip()
    console.print(line, soft_wrap=True)


def _in_short(reason: str) -> str:
    """Keep what was measured, where a reason ends with it in parentheses."""
    _, found, measured = reason.rstrip(")").partition(" (")
    return measured if found else reason


def _error(mae: float | None) -> str:
    return "-" if mae is None else f"{mae:.1f}"


def _errors(period: str, n_rows: int, served: float, frozen: float) -> tuple[str, ...]:
    change = served / frozen - 1.0
    return period, f"{n_rows:>7}", f"{served:>7.1f}", f"{frozen:>7.1f}", f"{change:>+10.0%}"


def _half_years(months: Sequence[MonthFacts]) -> dict[str, list[MonthFacts]]:
    """Group the months in which a champion served, for example as ``2011, second half``."""
    periods: dict[str, list[MonthFacts]] = {}
    for month in months:
        if month.served_mae is not None:
            half = "first" if int(month.month[5:]) <= 6 else "second"
            periods.setdefault(f"{month.month[:4]}, {half} half", []).append(month)
    return periods
