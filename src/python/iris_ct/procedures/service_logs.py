"""The newest output of a service's processes, from their log files."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

# More than any limit of a request; the files are bounded too.
_MOST_READ = 8 << 20
_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:\d\d)?")


def read_logs(
    folder: Path, service: str, now: datetime, *, lines: int, seconds: int | None, limit: int
) -> dict[str, str]:
    """Give the end of each log file, by ``<service>-<file's name>``.

    Parameters
    ----------
    seconds : int or None
        Lines that say an older time at their beginning are left out, with what follows them;
        a file that says none counts as old as its last change.
    """
    told: dict[str, str] = {}
    for path in sorted(folder.glob("*.log")) if folder.is_dir() else []:
        found = _tail(path)
        if seconds is not None:
            found = _younger(found, path, now - timedelta(seconds=seconds))
        text = "\n".join(found[-lines:] if lines else [])
        # Whole characters of the last bytes.
        told[f"{service}-{path.stem}"] = (
            text.encode()[-limit:].decode("utf-8", "ignore") if limit else ""
        )
    return told


def _tail(path: Path) -> list[str]:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(size - _MOST_READ, 0))
        return file.read().decode("utf-8", "replace").splitlines()


def _younger(lines: list[str], path: Path, since: datetime) -> list[str]:
    times = [_time(line) for line in lines]
    if not any(times):
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        return lines if changed >= since else []
    kept, young = [], False
    for line, time in zip(lines, times, strict=True):
        young = time >= since if time is not None else young
        if young:
            kept.append(line)
    return kept


def _time(line: str) -> datetime | None:
    found = _TIME.match(line.lstrip("[= "))
    if found is None:
        return None
    time = datetime.fromisoformat(found.group().replace(",", "."))
    return time if time.tzinfo else time.replace(tzinfo=UTC)
