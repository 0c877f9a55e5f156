"""Keeps the host of a process across stops and starts, and takes up uploaded productions."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from iris_ct.host.component import describe
from iris_ct.host.database import utc_now
from iris_ct.host.errors import HostError, HostLockedError, UploadError
from iris_ct.host.foreign import Foreign
from iris_ct.host.host import Host
from iris_ct.host.uploads import KeptUpload, Upload, Uploads


class HostKeeper:
    """The one host of this process. Any thread may call the methods; they wait for one another.

    Parameters
    ----------
    make : callable
        Makes a host, not started, for a production by its reference; None for the product's own.
    uploads : Uploads, optional
        Where uploaded productions are; without it none is taken up.

    Raises
    ------
    PlanError
        If the production to begin with cannot run here.
    """

    def __init__(self, make: Callable[[str | None], Host], uploads: Uploads | None = None) -> None:
        self._make = make
        self.uploads = uploads
        self._life = threading.Lock()
        self._taking = threading.Lock()
        self.started_at = ""
        self.stopped_at = ""
        current = uploads.current if uploads else None
        if current is None or uploads is None:
            self.host = make(None)
        else:
            self.host = self._make_current(uploads, current)

    def start(self) -> None:
        """Start the host, with the uploaded production that waits for it, if any."""
        with self._life:
            self._start()

    def stop(self, drain_timeout_s: float = 10.0) -> None:
        """Stop the host; see `Host.stop`."""
        with self._life:
            self._stop(drain_timeout_s)

    def restart(self) -> None:
        """Stop and start the host."""
        with self._life:
            self._stop()
            self._start()

    def update(self) -> None:
        """Restart the host if an uploaded production waits for it; else there is nothing new."""
        with self._life:
            if self._waiting() is not None and self.host.is_running:
                self._stop()
                self._start()

    def take(self, upload: Upload) -> KeptUpload:
        """Check and keep an upload; while it is checked, the host can be stopped and started.

        Raises
        ------
        UploadError
            If no uploads are allowed, or this one is refused.
        """
        if self.uploads is None:
            raise UploadError("This host takes no uploads.")
        with self._taking:
            return self.uploads.take(upload, alone=self._life)

    def _make_current(self, uploads: Uploads, current: KeptUpload) -> Host:
        imports = _Imports(uploads, current)
        with Foreign() as making:
            return self._make(current.reference)
        imports.undo()
        raise UploadError(
            f"The uploaded production {current.digest} cannot be loaded any more. Remove "
            f"{uploads.folder / 'current.json'} to run the product's own production. "
            f"{describe(making.error or HostError())}"
        ) from making.error

    def _waiting(self) -> KeptUpload | None:
        return self.uploads.next if self.uploads else None

    def _stop(self, drain_timeout_s: float = 10.0) -> None:
        if self.host.is_running:
            self.host.stop(drain_timeout_s)
            self.stopped_at = utc_now()

    def _start(self) -> None:
        kept = self._waiting()
        if kept is not None and self.uploads is not None and not self.host.is_running:
            self._start_next(kept, self.uploads)
        else:
            self.host.start()
        self.started_at = self.host.since or ""

    def _start_next(self, kept: KeptUpload, uploads: Uploads) -> None:
        imports = _Imports(uploads, kept)
        with Foreign() as starting:
            host = self._make(kept.reference)
            host.start()
        if starting.error is not None:
            imports.undo()
            if isinstance(starting.error, HostLockedError):
                # Nothing is wrong with the upload; it still waits.
                raise starting.error
            uploads.drop_next()
            self.host.start()
            raise UploadError(
                f"The uploaded production {kept.digest} did not start; the former one runs "
                f"again. {describe(starting.error)}"
            ) from starting.error
        uploads.appoint(kept)
        self.host = host


class _Imports:
    """Lets this process import from an upload's folder, and no longer from another's."""

    def __init__(self, uploads: Uploads, kept: KeptUpload) -> None:
        self._root = uploads.folder.resolve()
        self._path = list(sys.path)
        self._removed = self._forget(kept.module)
        kept_path = [entry for entry in sys.path if not self._is_inside(entry)]
        sys.path[:] = [str(uploads.folder_of(kept).resolve()), *kept_path]
        importlib.invalidate_caches()

    def undo(self) -> None:
        """Give everything back as it was."""
        self._forget("")
        sys.path[:] = self._path
        sys.modules.update(self._removed)
        importlib.invalidate_caches()

    def _forget(self, name: str) -> dict[str, ModuleType]:
        found = {
            known: module
            for known, module in sys.modules.items()
            if known == name or self._is_inside(getattr(module, "__file__", None) or "")
        }
        for known in found:
            del sys.modules[known]
        return found

    def _is_inside(self, place: str) -> bool:
        return bool(place) and Path(place).resolve().is_relative_to(self._root)
