"""A model's timeline as a drawing: one lane for each kind of event, time from left to right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

from iris_ct.procedures.door import Answer

By = Literal["event", "arrival"]

LANES = {
    "champion": "Champion",
    "data": "Data",
    "drift": "Drift",
    "error": "Error",
    "retraining": "Retraining",
    "decision": "Decisions",
}
# Of the drawing, in its own unit.
_LEFT, _RIGHT, _TOP, _LANE, _TALL = 110, 980, 8, 46, 30
_TICKS = 5
# A bar below this width has no room for its name; nothing is drawn thinner than a hair.
_NAMED, _HAIR = 26.0, 2.0


@dataclass(frozen=True)
class Shape:
    """One mark.

    Attributes
    ----------
    form : str
        ``bar``, ``dot``, ``alarm`` (a triangle) or ``mark`` (a diamond).
    tone : str
        Class of its colour; the form says the same without colour.
    x, y, width, height : float
        Of a bar its corner and size, of others their middle.
    """

    form: Literal["bar", "dot", "alarm", "mark"]
    tone: str
    x: float
    y: float
    width: float
    height: float
    words: str
    label: str = ""


@dataclass(frozen=True)
class Lane:
    """One lane: its name and its middle."""

    name: str
    y: float


@dataclass(frozen=True)
class Timeline:
    """Everything that is drawn; ``ticks`` are places with their words."""

    lanes: tuple[Lane, ...]
    shapes: tuple[Shape, ...]
    ticks: tuple[tuple[float, str], ...]
    limit: float | None
    words: str
    width: int = _RIGHT + 20
    height: int = _TOP + len(LANES) * _LANE + 30
    left: int = _LEFT
    right: int = _RIGHT


def draw(events: Sequence[Answer], *, positions: str, by: By) -> Timeline | None:
    """Draw the events; None if none of them has a place.

    Parameters
    ----------
    events : sequence of dict
        As `procedures.timeline` gives them, newest first.
    positions : str
        What an event position is: ``time`` or ``row``.
    by : str
        ``event``: by the newest event known then; ``arrival``: by the clock on the wall.
    """
    placed = [(place, event) for event in reversed(events) if (place := _place(event, by))]
    if not placed:
        return None
    first, last = (pick(place for place, _ in placed) for pick in (min, max))
    x = _scale(first, last)
    middles = {kind: _TOP + (n + 0.5) * _LANE for n, kind in enumerate(LANES)}
    is_time = by == "arrival" or positions == "time"
    tallest = max(
        (e["size"] or 0 for _, e in placed if e["kind"] in {"data", "labels"}), default=0
    )
    limit = next((e["limit"] for _, e in placed if e["kind"] == "error"), None)
    highest = max([limit or 0, *(e["size"] or 0 for _, e in placed if e["kind"] == "error")])
    shapes = [*_reigns(placed, x, middles["champion"])]
    for place, event in placed:
        kind = "data" if event["kind"] == "labels" else event["kind"]
        if kind in {"data", "error"}:
            size = event["size"] or 0
            share = size / (tallest if kind == "data" else highest or 1) if size else 0.0
            shapes.append(_tall(event, x(place), middles[kind], share))
        elif kind != "champion":
            shapes.append(_mark(event, x(place), middles[kind]))
    return Timeline(
        lanes=tuple(Lane(name, middles[kind]) for kind, name in LANES.items()),
        shapes=tuple(shapes),
        ticks=_ticks(first, last, x, is_time=is_time),
        limit=None if not limit else middles["error"] + _TALL / 2 - _TALL * limit / highest,
        words=_words(placed),
    )


def _place(event: Answer, by: By) -> float | None:
    """Give where an event stands; what has no event position has no place by events."""
    if by == "arrival":
        return datetime.fromisoformat(event["at"]).timestamp() * 1e6
    position = event["position"]
    return None if position is None else float(position)


def _scale(first: float, last: float) -> Callable[[float], float]:
    length = (last - first) or 1.0
    return lambda place: round(_LEFT + (_RIGHT - _LEFT) * (place - first) / length, 1)


def _reigns(
    placed: Sequence[tuple[float, Answer]], x: Callable[[float], float], middle: float
) -> list[Shape]:
    """Draw who served from when to when; the last one serves on."""
    began = [(place, event) for place, event in placed if event["kind"] == "champion"]
    if not began:
        return []
    ends = [place for place, _ in began[1:]] + [max(place for place, _ in placed)]
    shapes = []
    for n, ((place, event), end) in enumerate(zip(began, ends, strict=True)):
        width = max(x(end) - x(place), _HAIR)
        label = f"v{event['version']}"
        shapes.append(
            Shape(
                "bar",
                "reign" if n % 2 == 0 else "reign other",
                x(place),
                middle - _TALL / 2,
                round(width, 1),
                _TALL,
                f"{event['event']}: {event['words']}",
                label if width >= _NAMED else "",
            )
        )
    return shapes


def _tall(event: Answer, x: float, middle: float, share: float) -> Shape:
    height = round(max(_TALL * share, _HAIR), 1)
    tone = "alarm" if event["notable"] else "calm"
    return Shape(
        "bar",
        tone if event["kind"] != "labels" else f"{tone} labels",
        x - 1.5,
        round(middle + _TALL / 2 - height, 1),
        3.0,
        height,
        _said(event),
    )


def _mark(event: Answer, x: float, middle: float) -> Shape:
    if event["kind"] == "drift":
        form: Literal["alarm", "dot"] = "alarm" if event["notable"] else "dot"
        return Shape(form, form, x, middle, 6, 6, _said(event))
    tone = "alarm" if event["notable"] else "calm"
    return Shape("mark", tone, x, middle, 6, 6, _said(event))


def _said(event: Answer) -> str:
    return f"{event['event']}: {event['words']}"


def _ticks(
    first: float, last: float, x: Callable[[float], float], *, is_time: bool
) -> tuple[tuple[float, str], ...]:
    steps = _TICKS if last > first else 1
    places = [first + (last - first) * n / max(steps - 1, 1) for n in range(steps)]
    words = [_say(place, last - first, is_time=is_time) for place in places]
    repeated = any(a == b for a, b in pairwise(words))
    return (
        tuple(zip(map(x, places), words, strict=True)) if not repeated else ((x(first), words[0]),)
    )


def _say(place: float, length: float, *, is_time: bool) -> str:
    if not is_time:
        return f"row {place:.0f}"
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=place)
    within_days = length < timedelta(days=3) / timedelta(microseconds=1)
    return f"{moment:%m-%d %H:%M:%S}" if within_days else f"{moment:%Y-%m-%d}"


def _words(placed: Sequence[tuple[float, Answer]]) -> str:
    """Say in one sentence what the drawing shows."""
    counts = {
        kind: sum(event["kind"] == kind for _, event in placed) for kind in (*LANES, "labels")
    }
    alarms = sum(event["kind"] in {"drift", "error"} and event["notable"] for _, event in placed)
    return (
        f"{counts['data']} arrivals of rows and {counts['labels']} of labels, "
        f"{counts['drift']} drift reports, {alarms} alarms of drift or error, "
        f"{counts['retraining']} retrainings, {counts['champion']} champions and "
        f"{counts['decision']} other decisions; the list below has them all."
    )
