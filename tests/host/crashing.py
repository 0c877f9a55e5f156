"""A process that runs a host and may kill itself; started by the crash tests.

Usage: python -m tests.host.crashing STORE_URL LOCK PRODUCTION REPLAY PROCESSES [ITEM WISH NUMBER]

Sends the task, if one is given, then waits until nothing is left to do.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.host.productions import Task

from iris_ct.host import Host


def main() -> None:
    store_url, lock, production, replay, processes, *task = sys.argv[1:]
    host = Host(
        f"tests.host.productions:{production}",
        store_url=store_url,
        lock_path=Path(lock),
        replay=replay == "True",
        processes=processes == "True",
    )
    with host:
        if task:
            item, wish, number = task
            host.send(item, Task(wish, int(number)))
        if not host.wait_idle(90):
            sys.exit(f"not idle: {host.journal.queues()}")


if __name__ == "__main__":
    main()
