"""Progress on long work: one moving line on standard error, and only on a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Seconds between two looks at how far the work is.
_LOOK_S = 0.5


@contextmanager
def working(text: str, look: Callable[[], str] | None = None) -> Iterator[Callable[[str], None]]:
    """Show that work is under way.

    Parameters
    ----------
    text : str
        What is done.
    look : callable, optional
        Asked now and then, in a thread of its own, how far it is.

    Yields
    ------
    callable
        Changes the text.
    """
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console
    from rich.markup import escape

    said = {"text": text, "far": ""}
    ended = threading.Event()
    console = Console(stderr=True)

    def line() -> str:
        return escape(f"{said['text']} {said['far']}".rstrip())

    with console.status(line()) as status:

        def say(new: str) -> None:
            said.update(text=new, far="")
            status.update(line())

        def watch() -> None:
            while look is not None and not ended.wait(_LOOK_S):
                said["far"] = look()
                status.update(line())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield say
        finally:
            ended.set()
            watcher.join()
