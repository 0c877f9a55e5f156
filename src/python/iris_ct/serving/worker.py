"""A worker process: answers calls for one version of a model over a framed socket.

``python -m iris_ct.serving.worker --fd 5 --bundle DIR --journal DIR`` is how the gateway starts
one; `app.WorkerApp` has what it answers. It ends when its stream ends.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import uvloop

from iris_ct.adapters.bundles import load_bundle
from iris_ct.adapters.journal import MAX_BYTES, JournalWriter
from iris_ct.core.errors import CTError
from iris_ct.serving.app import WorkerApp
from iris_ct.serving.frames import CALL, DRAIN, Call, FrameProtocol, Hello, message_of

# Exit codes of a worker: it ended as it was asked to; it could not begin.
OK, REFUSED = 0, 2


class Answering(FrameProtocol):
    """The worker's end of the stream: all calls of one read are answered in one turn."""

    def __init__(self, app: WorkerApp) -> None:
        super().__init__()
        self.over = self.loop.create_future()
        self._app = app
        self._calls: list[tuple[int, Call]] = []
        self._is_draining = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say that calls may come."""
        super().connection_made(transport)
        self.send(Hello(os.getpid()))

    def data_received(self, data: bytes) -> None:
        """Answer the calls that these bytes complete, in their order, with one journal write."""
        super().data_received(data)
        calls, self._calls = self._calls, []
        if calls:
            answers = self._app.answer_all([call for _, call in calls])
            for (request_id, _), answer in zip(calls, answers, strict=True):
                self.send(answer, request_id)
        if self._is_draining and self.transport is not None:
            self.flush()
            self.transport.close()

    def received(self, kind: int, request_id: int, payload: bytes) -> None:
        """Take one frame."""
        if kind == CALL:
            self._calls.append((request_id, message_of(kind, payload)))
        elif kind == DRAIN:
            self._is_draining = True

    def ended(self, error: Exception | None) -> None:
        """End the process: the gateway is gone, or wants no more."""
        if not self.over.done():
            self.over.set_result(None)


async def serve(connection: socket.socket, app: WorkerApp) -> None:
    """Answer calls until the stream ends."""
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(lambda: Answering(app), sock=connection)
    await protocol.over


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the bundle and serve it; what is wrong with it is said on standard error."""
    asked = _parser().parse_args(arguments)
    # Ctrl-C in a terminal is for the gateway, which drains its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        scorer = load_bundle(asked.bundle, threads=asked.threads)
    except CTError as error:
        sys.stderr.write(f"{error}\n")
        return REFUSED
    journal = None
    if asked.journal is not None:
        journal = JournalWriter(
            asked.journal, max_bytes=asked.journal_mb << 20, sync_s=asked.sync_s
        )
    app = WorkerApp(scorer, journal)
    # What is loaded stays: the collector need not look at it again.
    gc.collect()
    gc.freeze()
    uvloop.run(serve(socket.socket(fileno=asked.fd), app))
    if journal is not None:
        journal.close()
    return OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="iris_ct.serving.worker", description=__doc__)
    parser.add_argument("--fd", type=int, required=True, help="number of the socket")
    parser.add_argument("--bundle", type=Path, required=True, help="folder of the model version")
    parser.add_argument(
        "--journal", type=Path, help="folder of the journal; default: none is kept"
    )
    parser.add_argument("--journal-mb", type=int, default=MAX_BYTES >> 20, help="its limit")
    parser.add_argument("--sync-s", type=float, default=1.0, help="seconds between syncs to disk")
    parser.add_argument("--threads", type=int, default=1, help="threads for sets of rows")
    return parser


if __name__ == "__main__":
    sys.exit(main())
