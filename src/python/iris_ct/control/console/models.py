"""What the pages of models show: all of them at a glance, and one of them with its timeline."""

from __future__ import annotations

from typing import Any

from iris_ct import procedures
from iris_ct.bootstrap import Parts
from iris_ct.control.console.drawing import By, draw
from iris_ct.control.console.paging import Pages, paged
from iris_ct.control.console.services import Serving
from iris_ct.core.errors import CTError
from iris_ct.procedures.door import Answer

# Of each kind of event, as many as one drawing can show apart.
_NEWEST = 300


def overview(parts: Parts, serving: Serving, page: int) -> dict[str, Any]:
    """Show how all models stand; one whose file is wrong says so in its row."""
    names, pages = paged(procedures.models(parts), page)
    return {
        "home": str(parts.home),
        "models_dir": str(parts.settings.models_dir),
        "rows": [_row(parts, serving, name) for name in names],
        "pages": pages,
        "live": serving.is_known,
    }


def model(parts: Parts, serving: Serving, name: str, *, by: By, page: int) -> dict[str, Any]:
    """Show one model.

    Raises
    ------
    UnknownModelError
        If there is none of that name.
    """
    told = procedures.timeline(parts, name, newest=_NEWEST)
    events, pages = paged(told["events"], page, size=100)
    reports = procedures.drift(parts, name)
    return {
        "row": _row(parts, serving, name),
        "report": reports[0] if reports else None,
        "drawing": draw(told["events"], positions=told["positions"], by=by),
        "by": by,
        "events": events,
        "pages": pages,
        "complete": told["complete"],
        "newest": _NEWEST,
    }


def quarantine(parts: Parts) -> dict[str, Any]:
    """Show what is held back, by model: counts and reasons, and no row."""
    found: list[tuple[str, list[Answer], int, str]] = []
    for name in procedures.models(parts):
        try:
            held = procedures.quarantine(parts, name)
        except CTError as error:
            found.append((name, [], 0, str(error)))
            continue
        rows = sorted(held, key=lambda row: str(row["arrived_at"]), reverse=True)
        if rows:
            found.append((name, rows[: Pages.SIZE], len(rows), ""))
    return {"models": found}


def _row(parts: Parts, serving: Serving, name: str) -> dict[str, Any]:
    """Give one model's line."""
    try:
        status = procedures.status(parts, name)
        champion = parts.store.models.champion(name)
    except CTError as error:
        return {"model": name, "failure": str(error)}
    return {
        "model": name,
        "failure": "",
        "since": champion.since.isoformat() if champion else None,
        "services": serving.of_model(name),
        "live": serving.of_images(name),
        **status,
    }
