"""The description of a real gateway: asked at random it holds, and its page works in a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright
from tests.servers import missing
from tests.serving.real import PATIENCE_S, Serving

pytestmark = [pytest.mark.integration, pytest.mark.slow]
# The machine may be busy with other things.
_PATIENCE_MS = 60_000.0


def test_schemathesis_finds_nothing(served: Serving, tmp_path: Path) -> None:
    """All checks, every path once with a valid and once with an invalid request."""
    ran = subprocess.run(
        [
            str(Path(sys.executable).with_name("st")),
            *("run", f"{served.address}/openapi.json", "--no-color", "--seed=1"),
            # The body of each path stays short in the suite; the codecs' own test goes deeper.
            *("--phases=examples,fuzzing", "--max-examples=1", "--request-timeout=60"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-8000:] + ran.stderr[-2000:]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("There is no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program,
            args=["--no-sandbox", "--headless", "--disable-gpu", "--disable-dev-shm-usage"],
            timeout=_PATIENCE_MS,
        )
        yield browser
        browser.close()


def test_the_page_asks_a_model_in_a_browser(served: Serving, chromium: Browser) -> None:
    page = chromium.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    elsewhere: list[str] = []
    page.on(
        "request",
        lambda sent: None if sent.url.startswith(served.address) else elsewhere.append(sent.url),
    )
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{served.address}/openapi")
    described = json.loads(page.request.get(f"{served.address}/openapi.json").text())
    for path in described["paths"]:
        expect(page.locator("#paths")).to_contain_text(path)
    for path in ("/v2/models/rentals/infer", "/model-endpoints/rentals", "/invocations"):
        title = page.locator("summary").filter(has_text=re.compile(rf"^POST {path}$"))
        asked = page.locator("details").filter(has=title)
        title.click()
        asked.get_by_role("button", name="Send").click()
        expect(asked.get_by_role("status")).to_contain_text("200 in")
    assert (wrong, elsewhere) == ([], [])
    page.close()
