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
        # What is being started, until its service is served or given up.
        self._starts: dict[Key, asyncio.Task[str | None]] = {}
        self._superseded: asyncio.Event | None = None

    async def apply(self, routes: RouteTable, *, wait: bool = True) -> dict[str, str]:
        """Serve a route table.

        Each service is served as it was wished as soon as all that is new in it can answer, and
        waits for no other one. If a new branch cannot start, the service goes on as it was; a new
        service is kept, and answers 503 while its workers are tried again.

        Parameters
        ----------
        wait
            Until all that is new can answer, or another table is to be served; else requests
            wait for it.

        Returns
        -------
        dict
            By ``<service>/<branch>``, why it cannot answer.
        """
        if self._superseded is not None:
            self._superseded.set()
        superseded = self._superseded = asyncio.Event()
        self._start(routes)
        self._swap(routes, waits=wait)
        reasons: dict[str, str] = {}
        newer = asyncio.ensure_future(superseded.wait())
        try:
            while wait and (under_way := self._under_way(routes)) and not superseded.is_set():
                await asyncio.wait([*under_way, newer], return_when=asyncio.FIRST_COMPLETED)
                if not superseded.is_set():
                    reasons |= self._swap(routes)
        finally:
            newer.cancel()
        return {**self._failing(), **reasons}

    def _start(self, routes: RouteTable) -> None:
        """Start what is new, grow or shrink the rest."""
        loop = asyncio.get_running_loop()
        for service, branch in _branches(routes):
            key, limits = _key(service, branch), self._limits(service)
            backend = self._backends.get(key)
            is_new = backend is None
            if backend is None:
                backend = self._backends[key] = self._make(service.name, branch, limits)
            backend.limits = limits
            backend.scale(max(branch.instances, self._options.workers or 1))
            if is_new:
                self._starts[key] = loop.create_task(backend.ready())

    def _under_way(self, routes: RouteTable) -> list[asyncio.Task[str | None]]:
        keys = [_key(service, branch) for service, branch in _branches(routes)]
        starts = [self._starts[key] for key in keys if key in self._starts]
        return [start for start in starts if not start.done()]

    def _swap(self, routes: RouteTable, *, waits: bool = True) -> dict[str, str]:
        """Serve what can be served now; gives why what has just been started cannot."""
        serving: dict[str, tuple[Service, set[Key]]] = {}
        reasons: dict[str, str] = {}
        wanted: set[Key] = set()
        for service in routes.services:
            keys = {_key(service, one): f"{service.name}/{one.branch}" for one in service.branches}
            failed = {name: reason for key, name in keys.items() if (reason := self._failure(key))}
            reasons |= failed
            held = self._serving.get(service.name)
            is_starting = waits and any(
                key in self._starts and not self._starts[key].done() for key in keys
            )
            if is_starting:
                # It may have failed in part, and is not judged before it is known whole.
                wanted |= keys.keys()
            # What failed was ended, and stays so until another table asks for it again.
            is_given_up = any(key not in self._backends for key in keys)
            if (is_starting or failed or is_given_up) and held is not None:
                serving[service.name] = held
            elif not is_starting:
                serving[service.name] = self._service(service)
                for key in keys:
                    self._starts.pop(key, None)
        self._serving = serving
        self._gateway.table = Table(routes.revision, [service for service, _ in serving.values()])
        used = wanted.union(*(keys for _, keys in serving.values()))
        for key in [key for key in self._backends if key not in used]:
            self._drain(key)
        return reasons

    def _failure(self, key: Key) -> str | None:
        """Give why what is being started cannot; None also while that is not known."""
        start = self._starts.get(key)
        return start.result() if start is not None and start.done() else None

    def _drain(self, key: Key) -> None:
        self._starts.pop(key, None)
        backend = self._backends.pop(key)
        task = asyncio.get_running_loop().create_task(backend.drain())
        self._draining[task] = backend
        task.add_done_callback(lambda done: self._draining.pop(done, None))

    def _failing(self) -> dict[str, str]:
        """Say what is served and cannot answer, by service and branch."""
        return {
            f"{service.name}/{branch.name}": branch.pool.error
            for service, branch in self._gateway.table.branches()
            if branch.pool.error is not None and not branch.pool.n_ready
        }

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
        if self._superseded is not None:
            self._superseded.set()
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
