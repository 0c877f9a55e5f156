"""Kills a process at one point of the product's code, once: put this folder on PYTHONPATH.

``CT_TEST_KILL_AT`` is ``module:qualified.name:before|after``; ``CT_TEST_KILL_MARK`` is a file that
is made by whoever dies, so that the next run lives; ``CT_TEST_KILL_HOST=1`` takes the host's own
process (``CT_TEST_HOST_PID``) along. The product itself holds no hook for tests.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.abc
import importlib.machinery
import os
import signal
import sys
from types import ModuleType
from typing import Any


class _Doomed(importlib.abc.Loader):
    """Loads a module, then wraps one of its functions."""

    def __init__(self, loader: importlib.abc.Loader, name: str, when: str) -> None:
        self._loader, self._name, self._when = loader, name, when

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        *path, attribute = self._name.split(".")
        owner: Any = module
        for name in path:
            owner = getattr(owner, name)
        setattr(owner, attribute, _deadly(getattr(owner, attribute), self._when))


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, module: str, name: str, when: str) -> None:
        self._module, self._name, self._when = module, name, when

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        if fullname != self._module:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Doomed(spec.loader, self._name, self._when)
        return spec


def _deadly(function: Any, when: str) -> Any:
    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            _die_once()
        result = function(*args, **kwargs)
        if when == "after":
            _die_once()
        return result

    return wrapped


def _die_once() -> None:
    with contextlib.suppress(FileExistsError):
        os.close(os.open(os.environ["CT_TEST_KILL_MARK"], os.O_CREAT | os.O_EXCL))
        if os.environ.get("CT_TEST_KILL_HOST") == "1":
            os.kill(int(os.environ["CT_TEST_HOST_PID"]), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)


if point := os.environ.get("CT_TEST_KILL_AT"):
    sys.meta_path.insert(0, _Finder(*point.split(":")))
