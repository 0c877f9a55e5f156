"""How much memory this process holds, held at most, and may hold."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def limit_memory(mb: int) -> None:
    """Let this process ask the system for no more memory of its own than this.

    Counted is what it may write to (``RLIMIT_DATA``, Linux 4.7 or newer), not address space: a
    library reserves much more of that than it ever uses. Beyond it an allocation fails, in Python
    with a MemoryError.
    """
    limit = mb * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def resident_mb() -> float:
    """Give the resident memory now; where the system does not say, the peak."""
    return _from_status("VmRSS") or peak_mb()


def forget_peak() -> None:
    """Start measuring the peak anew, where the system can."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        # Not Linux, or not allowed: the peak then counts from the start of the process.
        return


def peak_mb() -> float:
    """Give the highest resident memory since `forget_peak`."""
    # macOS counts bytes, everyone else kilobytes.
    unit = 1 if sys.platform == "darwin" else 1024
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    return _from_status("VmHWM") or usage


def _from_status(name: str) -> float | None:
    if not _STATUS.exists():
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text("ascii"), re.MULTILINE)
    return int(found[1]) / 1024 if found else None
