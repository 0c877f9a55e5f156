"""Statistics as a gateway sends them, second by second of a clock that a test moves."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iris_ct.control.board import Board

# Upper ends of the latency buckets in seconds, and one without an end.
BOUNDS_S = [0.001, 0.002, 0.005, 0.01]
IMAGES = {"a": "rentals:1", "b": "rentals:2"}


class Gateway:
    """Counts the requests of the two models of service ``pair``, and tells the board of them."""

    def __init__(self, home: Path) -> None:
        self.now_s = 1000.0
        self.board = Board(
            home, address="http://127.0.0.1:8080", pid=os.getpid(), now_s=lambda: self.now_s
        )
        self._errors = dict.fromkeys(IMAGES, 0)
        self._buckets = {branch: [0] * (len(BOUNDS_S) + 1) for branch in IMAGES}

    def second(
        self, requests: Mapping[str, int], *, bucket: int, errors: Mapping[str, int] | None = None
    ) -> None:
        """Let a second pass in which each branch answered so many requests, all so fast."""
        self.now_s += 1.0
        for branch, n in requests.items():
            self._buckets[branch][bucket] += n
        for branch, n in (errors or {}).items():
            self._errors[branch] += n
        self.tell()

    def restart(self) -> None:
        """Count from nothing."""
        self._buckets = {branch: [0] * (len(BOUNDS_S) + 1) for branch in IMAGES}

    def tell(self) -> None:
        """Send a statistics frame."""
        branches = [self._branch(branch) for branch in IMAGES]
        self.board.take(json.dumps({"bounds_s": BOUNDS_S, "branches": branches}).encode())

    def _branch(self, branch: str) -> dict[str, Any]:
        n = sum(self._buckets[branch])
        return {
            "service": "pair",
            "branch": branch,
            "image": IMAGES[branch],
            "pids": [101, 102] if branch == "a" else [103],
            "requests": n,
            "errors": self._errors[branch],
            "timeouts": 0,
            "rows": n,
            "latency_s": 0.0,
            "buckets": self._buckets[branch],
        }


def write_state(home: Path, *, reason: str = "") -> None:
    """Write what a control process says of the services, as this process."""
    branches = [
        {"branch": "a", "image": "rentals:1", "weight": 0.8, "instances": 2, "shadow": False},
        {"branch": "b", "image": "rentals:2", "weight": 0.2, "instances": 1, "shadow": False},
    ]
    state = {
        "address": "http://127.0.0.1:8080",
        "pid": os.getpid(),
        "revision": 1,
        "services": {
            "pair": {"status": "running", "reason": "", "instances": 3, "branches": branches},
            "rentals": {
                "status": "error" if reason else "running",
                "reason": reason,
                "instances": 1,
                "branches": [],
            },
        },
    }
    (home / "serving").mkdir(exist_ok=True)
    (home / "serving" / "state.json").write_text(json.dumps(state))
