"""The clients of docs/serving.md, run as they stand there against a real gateway."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving.real import PATIENCE_S, Serving

pytestmark = pytest.mark.integration
DOCUMENT = Path(__file__).parents[3] / "docs" / "serving.md"
_SECTION = re.compile(r"^## Clients\n(.*?)^## ", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```\n```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTIONS = _SECTION.findall(DOCUMENT.read_text("utf-8"))
EXAMPLES = _BLOCK.findall(_SECTIONS[0])


def test_every_block_is_an_example_with_its_output() -> None:
    assert _SECTIONS[0].count("```") == 4 * len(EXAMPLES)
    assert len(EXAMPLES) >= 8


@pytest.mark.parametrize(
    ("language", "text", "shown"),
    EXAMPLES,
    ids=[f"{number}-{one[0]}" for number, one in enumerate(EXAMPLES)],
)
def test_an_example_prints_what_is_shown(
    served: Serving, language: str, text: str, shown: str
) -> None:
    port = served.netloc.partition(":")[2]
    run = ["bash", "-ec"] if language == "bash" else [sys.executable, "-W", "ignore", "-c"]
    ran = subprocess.run(
        [*run, text.replace("8080", port)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    said = re.sub(r"-?[0-9]+\.[0-9]+(e-?[0-9]+)?", "NUMBER", ran.stdout.strip())
    assert re.sub(r'"puid":"[0-9a-f]{28}"', '"puid":"ID"', said) == shown.strip(), ran.stdout
