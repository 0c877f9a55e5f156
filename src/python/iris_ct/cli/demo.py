"""``ct demo``: two years of bike rentals, month by month, and what retraining was worth."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from iris_ct.cli.options import HOME, Home

if TYPE_CHECKING:
    from rich.console import Console

    from iris_ct.demo.facts import DemoResult


def demo(
    *,
    keep: Path | None = None,
    json: Path | None = None,
    months: Annotated[int, Parameter(validator=Number(gte=1, lte=24))] = 24,
    home: Home = HOME,
) -> None:
    """Hand two years of bike rentals over, month by month, and show what retraining was worth.

    Real data (examples/bike_sharing) goes through the inbox of a home of its own; nothing else
    is touched. Ends with the totals and a plot, which is written to --keep, or else below the
    home that --home names.

    Example: ct demo --keep bikes

    Parameters
    ----------
    keep
        Keep the home in this directory, to explore; without it the home is temporary.
    json
        Write served_mae, frozen_mae, trainings, promotions, rejections, holds, seconds and
        months to this file.
    months
        Stop after so many months.
    """
    from rich.console import Console

    from iris_ct.cli import demo_view as view
    from iris_ct.config import load_settings
    from iris_ct.demo.journey import run_demo
    from iris_ct.demo.report import write_json, write_report

    home.choose()
    console = Console(highlight=False)
    reports = load_settings().root / "demo" if keep is None else keep.resolve() / "demo"
    with _place(keep) as place:
        view.print_head(console, place, kept=keep is not None)
        result = run_demo(place, n_months=months, on_month=lambda m: view.print_month(console, m))
    report = write_report(result, reports)
    if json is not None:
        write_json(result, json)
    _print_end(console, result, [*report, *([json] if json else [])])
    if keep is not None:
        view.print_next(console, keep)


def _print_end(console: Console, result: DemoResult, files: list[Path]) -> None:
    from iris_ct.cli import demo_view as view

    view.print_totals(console, result)
    for line in result.quotes():
        console.print(line, soft_wrap=True)
    console.print()
    for path in files:
        console.print(f"Written: {path}", soft_wrap=True)


@contextmanager
def _place(keep: Path | None) -> Iterator[Path]:
    """Give the directory of the home; a temporary one goes at the end."""
    if keep is not None:
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="ct-demo-", ignore_cleanup_errors=True) as directory:
        yield Path(directory).resolve()
