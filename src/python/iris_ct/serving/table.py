"""The table that requests are answered by: paths to services, services to branches.

A table never changes; a new one takes its place in one assignment.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b

from iris_ct.core.wire.refusal import OPEN_INFERENCE
from iris_ct.serving.metrics import BranchCounts
from iris_ct.serving.paths import OF_ANY, OF_SERVICE
from iris_ct.serving.pool import Backend
from iris_ct.serving.routes import BranchRoute, ServiceRoute

_HASH_SPAN = float(1 << 64)


class Branch:
    """One model version in a service, and what answers for it."""

    __slots__ = ("counts", "image", "name", "pool", "route")

    def __init__(self, route: BranchRoute, pool: Backend, counts: BranchCounts) -> None:
        self.route, self.pool, self.counts = route, pool, counts
        self.name = route.branch
        self.image = route.image or f"{route.model}:{route.version}"


class Service:
    """One service: who answers, in which shares, and who looks on."""

    __slots__ = ("branches", "domain", "ends", "name", "owner", "shadows")

    def __init__(self, route: ServiceRoute, branches: Iterable[Branch]) -> None:
        self.name, self.domain, self.owner = route.name, route.domain, route.owner
        every = list(branches)
        self.branches = [branch for branch in every if not branch.route.shadow]
        self.shadows = [branch for branch in every if branch.route.shadow]
        total, ends = 0.0, []
        for branch in self.branches:
            total += branch.route.weight
            ends.append(total)
        # The last share ends at 1 whatever the sum of decimal fractions is.
        self.ends = [*ends[:-1], 1.0]

    def choose(self, key: bytes) -> Branch:
        """Give the branch of one request.

        Parameters
        ----------
        key
            Requests of the same key get the same branch as long as weights stay; of growing
            weights a key that was moved stays moved. Empty: chance decides.
        """
        branches = self.branches
        if len(branches) == 1:
            return branches[0]
        # Chance here is a share, not a secret.
        at = share_of(self.name, key) if key else random.random()  # noqa: S311
        for branch, end in zip(branches, self.ends, strict=True):
            if at < end:
                return branch
        return branches[-1]

    def versions(self) -> list[str]:
        """Versions that answer, in the order of the branches."""
        return list(dict.fromkeys(branch.route.version for branch in self.branches))

    def of_version(self, version: str) -> Service | None:
        """Give the service as if only the branches of a version were there; None: it has none."""
        branches = [branch for branch in self.branches if branch.route.version == version]
        if not branches:
            return None
        if len(branches) == len(self.branches):
            return self
        part = Service.__new__(Service)
        part.name, part.domain, part.owner = self.name, self.domain, self.owner
        part.branches, part.shadows = branches, self.shadows
        weights = [branch.route.weight for branch in branches]
        total = sum(weights)
        part.ends = [sum(weights[: i + 1]) / total if total else 1.0 for i in range(len(weights))]
        return part

    @property
    def is_ready(self) -> bool:
        """Whether every branch that answers has a worker."""
        return all(branch.pool.n_ready for branch in self.branches)


def share_of(service: str, key: bytes) -> float:
    """Give the place of a key between 0 and 1, the same in every process.

    Examples
    --------
    >>> share_of("bikes", b"42") == share_of("bikes", b"42"), 0 <= share_of("x", b"y") < 1
    (True, True)
    """
    digest = blake2b(key, digest_size=8, key=service.encode()[:64]).digest()
    return int.from_bytes(digest, "little") / _HASH_SPAN


class Endpoint:
    """What a path asks for: a protocol, of a service; None: of the one that the request names."""

    __slots__ = ("protocol", "service")

    def __init__(self, protocol: str, service: Service | None) -> None:
        self.protocol, self.service = protocol, service


class Table:
    """All services and the paths that POST a request to one of their models."""

    def __init__(self, revision: int, services: Iterable[Service]) -> None:
        self.revision = revision
        self.services: Mapping[str, Service] = {service.name: service for service in services}
        self.endpoints: Mapping[str, Endpoint] = dict(_endpoints(self.services.values()))
        # The paths as they come over the wire where nothing in them is coded.
        self.targets = frozenset(path.encode() for path in self.endpoints if path.isascii())

    def branches(self) -> Iterator[tuple[Service, Branch]]:
        """Go through all branches, also of shadows."""
        for service in self.services.values():
            for branch in (*service.branches, *service.shadows):
                yield service, branch


def _endpoints(services: Iterable[Service]) -> Iterator[tuple[str, Endpoint]]:
    for path, protocol in OF_ANY.items():
        yield path, Endpoint(protocol, None)
    for service in services:
        for path, protocol in OF_SERVICE.items():
            yield f"/model-endpoints/{service.name}{path}", Endpoint(protocol, service)
        yield f"/v2/models/{service.name}/infer", Endpoint(OPEN_INFERENCE, service)
        for version in service.versions():
            path = f"/v2/models/{service.name}/versions/{version}/infer"
            yield path, Endpoint(OPEN_INFERENCE, service.of_version(version))
