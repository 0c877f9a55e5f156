"""What the page of services shows: wishes, branches, rollouts, and how answers go now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from iris_ct import procedures
from iris_ct.bootstrap import Parts
from iris_ct.control.board import Board
from iris_ct.control.console.paging import paged
from iris_ct.control.console.rates import Gauge, Live
from iris_ct.control.console.site import say, say_rate, say_seconds
from iris_ct.control.rollouts import Progress, Rollouts
from iris_ct.core.service import CHAMPION
from iris_ct.procedures import services as asked
from iris_ct.procedures.asker import Asker
from iris_ct.procedures.door import Answer
from iris_ct.procedures.serving_state import ServingState, read_state


@dataclass(frozen=True)
class Serving:
    """What serves this home now, as far as who asks may see it."""

    parts: Parts
    board: Board
    asker: Asker

    @cached_property
    def gauge(self) -> Gauge:
        """What was counted of late."""
        return Gauge(self.board.recent())

    @property
    def is_known(self) -> bool:
        """Whether live numbers are known."""
        return self.gauge.is_known

    @cached_property
    def services(self) -> list[Answer]:
        """All services, by name."""
        return asked.services(self.parts, self.asker)

    @cached_property
    def state(self) -> ServingState:
        """What the gateway's control process wrote of itself."""
        return read_state(self.parts.home)

    @property
    def total(self) -> Live:
        """How answers of all services go that may be seen."""
        names = {one["name"] for one in self.services}
        sees_all = self.asker.domains is None
        return self.gauge.read(lambda state: sees_all or state.service in names)

    def of_images(self, model: str) -> Live:
        """Tell how answers of a model's versions go, in all services."""
        return self.gauge.read(lambda state: state.image.rpartition(":")[0] == model)

    def of_model(self, name: str) -> list[Answer]:
        """Give the services that serve a model."""
        return [one for one in self.services if any(m["id"] == name for m in one["models"])]


def services(serving: Serving, page: int) -> dict[str, Any]:
    """Show all services."""
    shown, pages = paged(serving.services, page)
    rollouts = Rollouts(serving.parts.home / "serving" / "rollouts.json")
    return {
        "services": [_service(serving, one, rollouts.of(one["name"])) for one in shown],
        "pages": pages,
        "serves": serving.state.serves,
        "address": serving.state.address,
        "live": serving.is_known,
        "total": serving.total,
    }


def live(serving: Serving) -> dict[str, Any]:
    """Give the live numbers of all pages, by the place where a page shows them, and in words."""
    numbers: dict[str, str] = {}
    for one in serving.services:
        name = one["name"]
        numbers |= _texts(f"service {name}", _of_service(serving, name))
        for branch in _branches(serving, name):
            numbers |= _texts(f"branch {name} {branch['branch']}", branch["live"])
    for model in procedures.models(serving.parts):
        numbers |= _texts(f"model {model}", serving.of_images(model))
    total = serving.total
    return {"known": serving.is_known, "numbers": numbers, "words": say_live(total)}


def say_live(total: Live) -> str:
    """Say in one sentence how answers go."""
    if total.rate is None:
        return "No live numbers: the gateway has told nothing yet."
    if total.p50_s is None:
        return f"{say_rate(total.rate)} answered; no request in the last minute."
    return (
        f"{say_rate(total.rate)} answered; half of the requests within {say_seconds(total.p50_s)}, "
        f"99 in 100 within {say_seconds(total.p99_s)}."
    )


def _texts(place: str, found: Live) -> dict[str, str]:
    return {
        f"{place} rate": say_rate(found.rate),
        f"{place} errors": say_rate(found.errors),
        f"{place} p50": say_seconds(found.p50_s),
        f"{place} p99": say_seconds(found.p99_s),
        f"{place} instances": say(len(found.pids)),
    }


def _service(serving: Serving, told: Answer, progress: Progress | None) -> dict[str, Any]:
    state: Mapping[str, Any] = serving.state.services.get(told["name"], {})
    return {
        **told,
        "owner": told.get("createdByUserName") or "",
        "champion": all(model["version"] == CHAMPION for model in told["models"]),
        "reason": state.get("reason", ""),
        "live": _of_service(serving, told["name"]),
        "branches": _branches(serving, told["name"]),
        "scaling": told.get("autoScaling"),
        "rollout": progress,
    }


def _of_service(serving: Serving, name: str) -> Live:
    return serving.gauge.read(lambda state: state.service == name)


def _branches(serving: Serving, name: str) -> list[dict[str, Any]]:
    """Give the models of a service as they are served now."""
    state: Mapping[str, Any] = serving.state.services.get(name, {})
    return [
        {**branch, "live": _of_branch(serving, name, branch["branch"])}
        for branch in state.get("branches") or ()
    ]


def _of_branch(serving: Serving, service: str, branch: str) -> Live:
    return serving.gauge.read(lambda state: state.service == service and state.branch == branch)
