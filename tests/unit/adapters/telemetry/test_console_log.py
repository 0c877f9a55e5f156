"""Console log: the files of a home, and IRIS' own by a recording class."""

import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from iris_ct.adapters.telemetry.console_log import IrisConsoleLog, MessagesLog
from iris_ct.core.audit import AuditEvent, Severity
from iris_ct.core.errors import StoreError

EVENT = AuditEvent(
    event_id="e1",
    model="bikes",
    step="Training",
    severity=Severity.INFO,
    text="training starts",
    facts={"n_rows": 10},
    happened_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
)


def event_ids(log: Path) -> list[str]:
    """Read as a shop's reader does: oldest file first, passing over what is no JSON."""
    ids: dict[str, None] = {}
    older = sorted(log.parent.glob(f"{log.name}.*"), key=lambda file: -int(file.suffix[1:]))
    for file in (*older, log):
        for line in file.read_text().splitlines():
            with suppress(ValueError):
                ids[json.loads(json.loads(line)["text"])["id"]] = None
    return list(ids)


def test_an_event_becomes_one_line_in_each_file(tmp_path: Path) -> None:
    MessagesLog(tmp_path, time_zone=UTC).write(EVENT)
    console = (tmp_path / "log" / "messages.log").read_text()
    structured = (tmp_path / "log" / "ct.log").read_text()
    assert console.startswith(f"01/02/26-03:04:05:000 ({os.getpid()}) 0 [CT.Training] {{")
    assert console.endswith("}\n")
    assert structured.startswith('{ "when": "2026-01-02 03:04:05.000", "pid": ')
    assert structured.count("\n") == console.count("\n") == 1


def test_a_line_written_again_after_a_crash_is_read_once(tmp_path: Path) -> None:
    log = MessagesLog(tmp_path)
    log.write(EVENT)
    log.write(EVENT)
    assert event_ids(log.structured_path) == ["e1"]


def test_a_fixed_event_name_stands_in_both_files(tmp_path: Path) -> None:
    MessagesLog(tmp_path, event_name="Utility.Event").write(EVENT)
    assert "[Utility.Event]" in (tmp_path / "log" / "messages.log").read_text()
    assert '"event": "Utility.Event"' in (tmp_path / "log" / "ct.log").read_text()


def test_full_files_are_renamed_and_the_oldest_removed(tmp_path: Path) -> None:
    log = MessagesLog(tmp_path, max_bytes=600, keep=2)
    for number in range(20):
        log.write(replace(EVENT, event_id=f"e{number}"))
    names = sorted(path.name for path in (tmp_path / "log").glob("[a-z]*"))
    assert names == [
        "ct.log",
        "ct.log.1",
        "ct.log.2",
        "messages.log",
        "messages.log.1",
        "messages.log.2",
    ]
    read = event_ids(log.structured_path)
    assert read == [f"e{number}" for number in range(20 - len(read), 20)]
    assert len(read) >= 4


def test_a_torn_last_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    log = MessagesLog(tmp_path)
    log.write(replace(EVENT, event_id="whole"))
    with log.structured_path.open("a") as file:
        file.write('{ "when": "2026-01-0')
    log.write(replace(EVENT, event_id="next"))
    assert event_ids(log.structured_path) == ["whole", "next"]


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from iris_ct.adapters.telemetry.console_log import MessagesLog
from iris_ct.core.audit import AuditEvent, Severity
log = MessagesLog(Path(sys.argv[1]), max_bytes=4000, keep=1000)
for number in range(100):
    log.write(AuditEvent(f"{sys.argv[2]}-{number}", "bikes", "Gate", Severity.INFO, "held",
                         {"number": number}, datetime.now(UTC)))
"""


def test_processes_that_write_at_once_lose_and_mix_nothing(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name])
        for name in ("a", "b", "c")
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0, 0]
    read = event_ids(tmp_path / "log" / "ct.log")
    assert sorted(read) == sorted(f"{name}-{n}" for name in "abc" for n in range(100))


class RecordingSystem:
    """Stands for ``%SYS.System``."""

    def __init__(self, status: object = 1) -> None:
        self.status = status
        self.calls: list[tuple[Any, ...]] = []

    def WriteToConsoleLog(self, *arguments: Any) -> object:
        self.calls.append(arguments)
        return self.status


def test_iris_gets_text_flag_severity_and_event() -> None:
    system = RecordingSystem()
    classes = {"%SYS.System": system}
    log = IrisConsoleLog(cls=classes.__getitem__)
    log.write(replace(EVENT, severity=Severity.SEVERE))
    [(text, flag, severity, name)] = system.calls
    assert text.startswith('{"id":"e1","model":"bikes",')
    assert (flag, severity, name) == (0, 2, "CT.Training")
    assert type(severity) is int


def test_a_status_other_than_ok_is_an_error() -> None:
    log = IrisConsoleLog(cls=lambda _: RecordingSystem("0 \x01 <PROTECT>"))
    with pytest.raises(StoreError, match="event e1"):
        log.write(EVENT)
