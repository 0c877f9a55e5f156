"""Strict mode: every slot in an operating-system process of its own."""

from __future__ import annotations

from dataclasses import dataclass

from iris_ct.host.database import Synchronous
from iris_ct.host.node import Node


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker process needs to know, as plain values."""

    production: str
    store_url: str
    bells: str
    replay: bool
    synchronous: Synchronous


class ProcessPool:
    """The slots of all items as processes."""

    def __init__(self, node: Node, settings: WorkerSettings) -> None:
        raise NotImplementedError
