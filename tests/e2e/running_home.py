"""Runs a home's host until everything that was begun is finished, then exits 0."""

from __future__ import annotations

import os
import sys
import time

from iris_ct.bootstrap import build
from iris_ct.config import load_settings
from iris_ct.embedded import host_client, make_host

TIMEOUT_S = 240.0


def main() -> int:
    """Run the host of CT_HOME; 1 if it is not finished in time."""
    os.environ["CT_TEST_HOST_PID"] = str(os.getpid())
    parts = build(load_settings())
    store = parts.store
    with make_host(parts), host_client(parts) as client:
        deadline = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline:
            done = (
                store.models.champions("rentals")
                and not store.models.unregistered()
                and not store.models.alias_pending()
                and not store.audit.unwritten()
                and client.pending() == 0
            )
            if done:
                return 0
            time.sleep(0.1)
    return 1


if __name__ == "__main__":
    sys.exit(main())
