"""Lets the gateway follow its routes: what is new is started first, what is old ends last."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from iris_ct.serving.gateway import Gateway
from iris_ct.serving.options import GatewayOptions
from iris_ct.serving.pool import Backend, Limits
from iris_ct.serving.routes import BranchRoute, RouteTable, ServiceRoute
from iris_ct.serving.table import Branch, Service, Table

# Makes what answers for a branch of a service.
MakeBackend = Callable[[str, BranchRoute, Limits], Backend]
Key = tuple[object, ...]


class Switch:
    """Owns the backends of all branches; belongs to the gateway's loop."""

    def __init__(self, gateway: Gateway, options: GatewayOptions, make: MakeBackend) -> None:
        self._gateway, self._options, self._make = gateway, options, make
        self._backends: dict[Key, Backend] = {}
        # Services as they serve now, with the keys of their backends.
        self._serving: dict[str, tuple[Service, set[Key]]] = {}
        self._draining: dict[asyncio.Task[None], Backend] = {}
        self._one_at_a_time = asyncio.Lock()

    async def apply(self, routes: RouteTable, *, wait: bool = True) -> dict[str, str]:
        """Serve a route table.

        A service of which a new branch cannot start goes on as it was; a new one is kept, and
        answers 503 while its workers are tried again.

        Parameters
        ----------
        wait
            Until all that is new can answer; else requests wait for it.

        Returns
        -------
        dict
            By ``<service>/<branch>``, why it cannot answer.
        """
        async with self._one_at_a_time:
            fresh = self._start(routes)
            errors = await _failed(fresh) if wait else {}
            self._swap(routes, errors)
            return errors

    def _start(self, routes: RouteTable) -> dict[str, Backend]:
        """Start what is new, grow or shrink the rest; gives the new, by service and branch."""
        fresh = {}
        for service, branch in _branches(routes):
            key, limits = _key(service, branch), self._limits(service)
            backend = self._backends.get(key)
            if backend is None:
                backend = self._backends[key] = self._make(service.name, branch, limits)
                fresh[f"{service.name}/{branch.branch}"] = backend
            backend.limits = limits
            backend.scale(max(branch.instances, self._options.workers or 1))
        return fresh

    def _swap(self, routes: RouteTable, errors: dict[str, str]) -> None:
        serving = {}
        for service in routes.services:
            failed = any(f"{service.name}/{one.branch}" in errors for one in service.branches)
            held = self._serving.get(service.name)
            serving[service.name] = held if failed and held else self._service(service)
        self._serving = serving
        self._gateway.table = Table(routes.revision, [service for service, _ in serving.values()])
        used = {key for _, keys in serving.values() for key in keys}
        for key in [key for key in self._backends if key not in used]:
            backend = self._backends.pop(key)
            task = asyncio.get_running_loop().create_task(backend.drain())
            self._draining[task] = backend
            task.add_done_callback(lambda done: self._draining.pop(done, None))

    def _service(self, route: ServiceRoute) -> tuple[Service, set[Key]]:
        metrics = self._gateway.metrics
        branches = [
            Branch(
                one,
                self._backends[_key(route, one)],
                metrics.branch((route.name, one.branch, one.model, one.version)),
            )
            for one in route.branches
        ]
        return Service(route, branches), {_key(route, one) for one in route.branches}

    def _limits(self, service: ServiceRoute) -> Limits:
        options = self._options
        return Limits(
            timeout_s=service.timeout_s or options.timeout_s,
            start_s=options.start_timeout_s,
            drain_s=options.drain_s,
            max_queue=options.max_queue,
            log_bytes=options.log_max_mb << 20,
        )

    async def end(self) -> None:
        """Let all backends answer what they were asked, and end."""
        backends = [*self._backends.values()]
        self._backends = {}
        await asyncio.gather(*(one.drain() for one in backends), *self._draining)

    def tick(self, now: float) -> None:
        """Let calls time out."""
        for backend in self._all():
            backend.tick(now)

    def look(self) -> None:
        """Keep logs within their bounds."""
        for backend in self._all():
            backend.look()

    def _all(self) -> list[Backend]:
        return [*self._backends.values(), *self._draining.values()]

    def stats(self) -> list[dict[str, Any]]:
        """Give each branch's counts and processes, as the statistics frame says them."""
        return [
            {
                **branch.counts.stats(branch.image),
                "pids": branch.pool.pids,
                "ready": branch.pool.n_ready,
                "waiting": branch.pool.n_waiting,
                "restarts": branch.pool.n_restarts,
                "error": branch.pool.error,
            }
            for _service, branch in self._gateway.table.branches()
        ]


def _branches(routes: RouteTable) -> Iterator[tuple[ServiceRoute, BranchRoute]]:
    for service in routes.services:
        for branch in service.branches:
            yield service, branch


def _key(service: ServiceRoute, branch: BranchRoute) -> Key:
    return service.name, *branch.process


async def _failed(fresh: dict[str, Backend]) -> dict[str, str]:
    reasons = await asyncio.gather(*(backend.ready() for backend in fresh.values()))
    return {name: reason for name, reason in zip(fresh, reasons, strict=True) if reason}
