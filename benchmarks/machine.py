"""What the numbers were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("numpy", "polars", "pyarrow", "scipy", "lightgbm", "sqlalchemy", "mlflow", "duckdb")


def describe() -> str:
    """Give processor, cores, memory, load and versions in two lines."""
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {_memory_gb():.0f} GB, "
        f"{platform.system()} {platform.release()}; {load()}\n"
        f"CPython {platform.python_version()}, {packages}"
    )


def load() -> str:
    """Give the load averages: above the number of cores, other work was in the way."""
    return "load " + " ".join(f"{average:.1f}" for average in os.getloadavg())


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
