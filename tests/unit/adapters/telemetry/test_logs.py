"""The program's own log: JSON lines with known names only."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from iris_ct.adapters.telemetry.logs import configure_logs, logger, tell
from iris_ct.core.audit import AuditEvent, Severity


@pytest.fixture(autouse=True)
def _structlog_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_line_is_json_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO")
    logger().info("training starts", model="bikes", n_rows=10)
    out, err = capsys.readouterr()
    said = json.loads(err)
    assert out == ""
    assert datetime.fromisoformat(said.pop("timestamp")).tzinfo is not None
    assert said == {"event": "training starts", "level": "info", "model": "bikes", "n_rows": 10}


def test_lines_below_the_level_are_dropped(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("WARNING")
    logger().info("quiet")
    logger().warning("loud")
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == ["loud"]


def test_lines_go_to_a_file_if_one_is_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO", path=tmp_path / "log" / "program.log")
    logger().info("one")
    logger().info("two")
    lines = (tmp_path / "log" / "program.log").read_text().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["one", "two"]
    assert capsys.readouterr().err == ""


def test_what_could_be_a_value_of_a_row_is_left_out_and_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logs("INFO")
    logger().info("checked", model="bikes", income=4711, name="Ada")
    said = json.loads(capsys.readouterr().err)
    assert "4711" not in str(said)
    assert "Ada" not in str(said)
    assert said["left_out"] == ["income", "name"]


@pytest.mark.parametrize(
    ("severity", "level"),
    [(Severity.INFO, "info"), (Severity.WARNING, "info"), (Severity.SEVERE, "error")],
)
def test_an_audit_event_is_told_with_its_id(
    severity: Severity, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("INFO")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    tell(AuditEvent("e1", "bikes", "Gate", severity, "held", {"x": "secret"}, at))
    said = json.loads(capsys.readouterr().err)
    assert (said["event"], said["event_id"], said["level"]) == ("held", "e1", level)
    assert said["severity"] == severity.name
    assert "secret" not in str(said)
