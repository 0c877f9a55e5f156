"""The demo's report as files: a plot (PNG), a page that needs no network (HTML), and JSON."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iris_ct.demo.facts import DemoResult, MonthFacts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Readable on white and, with the page's own background, in the dark.
_SERVED, _FROZEN, _MARK = "#1668b8", "#b8531a", "#7a7a7a"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Bike rentals: continuous training</title>
<style>
  body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto;
         padding: 0 1rem; color: #1a1a1a; background: #fff; }}
  svg {{ width: 100%; height: auto; background: #fff; border-radius: 4px; }}
  table {{ border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }}
  th, td {{ padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8884; }}
  th:first-child, td:first-child, td.text, th.text {{ text-align: left; }}
  @media (prefers-color-scheme: dark) {{ body {{ color: #e6e6e6; background: #1b1b1b; }} }}
</style>
<h1>Bike rentals: continuous training</h1>
{lines}
{plot}
<table>
<tr>{heads}</tr>
{rows}
</table>
<p>Error: mean absolute error in bikes an hour. Served: by the champion, before the month's rows
trained a model. Frozen: by the first champion on the same rows, had it never been replaced.</p>
"""


def write_json(result: DemoResult, path: Path) -> None:
    """Write the result as JSON, with the keys of `DemoResult`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result.content(), indent=2) + "\n", encoding="utf-8")


def write_report(result: DemoResult, folder: Path) -> list[Path]:
    """Write ``bikes.png`` and ``bikes.html``; give their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    figure = _draw(result.months)
    image, page = folder / "bikes.png", folder / "bikes.html"
    figure.savefig(image, dpi=150)
    page.write_text(_page(result, _as_svg(figure)), encoding="utf-8")
    return [image, page]


def _draw(months: Sequence[MonthFacts]) -> Figure:
    """Draw both errors over the months; a mark where the champion changed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # No pyplot: it keeps state and looks for a display.
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    names = [month.month for month in months]
    for label, colour, errors in (
        ("first model, frozen", _FROZEN, [month.frozen_mae for month in months]),
        ("served champion", _SERVED, [month.served_mae for month in months]),
    ):
        drawn = [float("nan") if error is None else error for error in errors]
        axes.plot(names, drawn, color=colour, marker="o", markersize=4, label=label)
    promoted = [name for name, month in zip(names, months, strict=True) if _is_promoted(month)]
    axes.plot(
        promoted,
        [0.02] * len(promoted),
        transform=axes.get_xaxis_transform(),
        linestyle="none",
        marker="^",
        color=_MARK,
        label="new champion",
    )
    axes.set_ylabel("error on the arriving month\n(MAE, bikes an hour)")
    axes.set_ylim(bottom=0)
    axes.set_xlim(-0.5, len(names) - 0.5)
    for tick in axes.get_xticklabels():
        tick.set(rotation=60, ha="right", rotation_mode="anchor")
    axes.grid(axis="y", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper left")
    return figure


def _as_svg(figure: Figure) -> str:
    from matplotlib import rc_context

    text = io.StringIO()
    # Text as text and fixed ids: smaller, searchable, and the same for the same numbers.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "ct"}):
        figure.savefig(
            text, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    drawn = text.getvalue()
    return drawn[drawn.index("<svg") :]


def _page(result: DemoResult, plot: str) -> str:
    heads = ("month", "rows", "drifted features", "decision", "champion", "served", "frozen")
    return _PAGE.format(
        lines="\n".join(f"<p>{html.escape(line)}</p>" for line in result.quotes()),
        plot=plot,
        heads="".join(_cell("th", head, text=head == "decision") for head in heads),
        rows="\n".join(f"<tr>{_cells(month)}</tr>" for month in result.months),
    )


def _cells(month: MonthFacts) -> str:
    said = f"{month.trigger}: " if month.trigger else ""
    return "".join(
        (
            _cell("td", month.month),
            _cell("td", month.rows),
            _cell("td", month.drifted_features),
            _cell("td", f"{said}{month.decision}, {month.reason}", text=True),
            _cell("td", month.champion),
            _cell("td", month.served_mae),
            _cell("td", month.frozen_mae),
        )
    )


def _cell(tag: str, content: Any, *, text: bool = False) -> str:
    shown = "" if content is None else f"{content:.1f}" if isinstance(content, float) else content
    kind = ' class="text"' if text else ""
    return f"<{tag}{kind}>{html.escape(str(shown))}</{tag}>"


def _is_promoted(month: MonthFacts) -> bool:
    return month.decision == "promoted"
