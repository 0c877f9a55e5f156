"""The composition root builds the real parts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from iris_ct.adapters.telemetry.logs import logger
from iris_ct.bootstrap import build
from iris_ct.config import Settings

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def _structlog_as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_process_that_builds_its_parts_logs_from_the_level_of_the_settings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not only the command line's own process: in strict mode every slot is one."""
    parts = build(Settings(home=tmp_path, log_level="INFO"))
    logger().debug("too fine")
    logger().info("heard")
    parts.store.close()
    assert [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()] == [
        "heard"
    ]
