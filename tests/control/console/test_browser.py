"""The console in a real Chromium: keyboard, dark mode, live numbers, and nothing to complain of.

With ``CT_SCREENSHOTS=URL`` the pictures of docs/console.md are taken anew: there a gateway serves
a home that ``ct demo --keep`` made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from tests.control.console.gateway import Gateway
from tests.control.console.pages import ADDRESSES
from tests.servers import missing

from iris_ct.bootstrap import Parts
from iris_ct.control.console import make_app
from iris_ct.host.rest_server import RestServer

pytestmark = pytest.mark.integration

IMAGES = Path(__file__).parents[3] / "docs" / "images"
SHOWN = os.environ.get("CT_SCREENSHOTS", "")
_ARGUMENTS = [
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-sync",
    "--no-first-run",
]
# The machine may be busy with other things.
_PATIENCE_MS = 60_000.0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A browser; while it runs, this thread can have no other event loop."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        missing("There is no chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=_ARGUMENTS, timeout=_PATIENCE_MS
        )
        yield browser
        browser.close()


@pytest.fixture
def address(served_home: Parts, gateway: Gateway) -> Iterator[str]:
    """Where the console listens."""
    app = make_app(served_home, gateway.board)
    server = RestServer(app, host="127.0.0.1", port=0)
    yield server.url
    server.close()


class Watched:
    """A page of the browser and what it complained of."""

    def __init__(self, page: Page, address: str) -> None:
        self.page, self.address = page, address
        self.complaints: list[str] = []
        self.asked: list[str] = []
        page.set_default_timeout(_PATIENCE_MS)
        page.on(
            "console",
            lambda message: (
                self.complaints.append(message.text)
                if message.type in {"error", "warning"}
                else None
            ),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: str) -> Page:
        """Open a page of the console."""
        self.page.goto(self.address + path)
        return self.page


@pytest.fixture
def watched(chromium: Browser, address: str) -> Iterator[Watched]:
    """A window; what it complains of fails the test."""
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    window = Watched(page, address)
    yield window
    page.close()
    assert window.complaints == []
    assert [url for url in window.asked if not url.startswith(address)] == []


def test_every_page_opens_without_a_complaint_and_fits_the_window(watched: Watched) -> None:
    """Two of the addresses are not there, which the browser says by itself."""
    for address in ADDRESSES[:-2]:
        page = watched.open(address)
        expect(page.locator("h1")).to_be_visible()
        # What is wider scrolls in a frame of its own.
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.set_viewport_size({"width": 360, "height": 640})
    for address in ADDRESSES[:-2]:
        watched.open(address)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), address


def test_the_keyboard_reaches_the_links_in_their_order(watched: Watched) -> None:
    page = watched.open("/console")
    page.locator("button").wait_for()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        reached.append(focused.inner_text().strip() or focused.get_attribute("aria-label") or "")
        seen = page.evaluate(
            "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"
        )
        assert seen, f"the focus on {reached[-1]} cannot be seen"
    assert reached[0] == "Skip to the content"
    menu = ["Continuous training", "Models", "Services", "Messages", "Production", "Quarantine"]
    assert reached[1:7] == menu
    assert reached[7] == "Pause live numbers"
    assert "rentals" in reached[8:]
    page.keyboard.press("Shift+Tab")


def test_the_skip_link_leads_to_the_content(watched: Watched) -> None:
    page = watched.open("/console/production")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


def test_a_model_is_opened_with_the_keyboard(watched: Watched) -> None:
    page = watched.open("/console")
    page.get_by_role("link", name="rentals").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/console/models/rentals")
    expect(page.get_by_role("heading", level=1)).to_have_text("Model rentals")
    expect(page.get_by_role("img", name="Timeline of rentals")).to_be_visible()


def test_light_and_dark_differ(watched: Watched) -> None:
    found = {}
    for scheme in ("light", "dark"):
        watched.page.emulate_media(color_scheme=scheme)
        page = watched.open("/console/models/rentals")
        ground, ink = page.evaluate(
            "() => { const s = getComputedStyle(document.documentElement);"
            " return [s.backgroundColor, s.color]; }"
        )
        bar = page.locator("svg .reign").first.evaluate("bar => getComputedStyle(bar).fill")
        found[scheme] = (ground, ink, bar)
    assert found["light"] == ("rgb(255, 255, 255)", "rgb(26, 35, 44)", "rgb(29, 95, 158)")
    assert found["dark"] == ("rgb(17, 22, 27)", "rgb(232, 237, 242)", "rgb(143, 191, 255)")


def test_live_numbers_change_until_they_are_paused(watched: Watched, gateway: Gateway) -> None:
    page = watched.open("/console/services")
    rate = page.locator('[data-live="service pair rate"]')
    expect(rate).to_have_text("20/s")
    for _ in range(10):
        gateway.second({"a": 70, "b": 10}, bucket=2)
    expect(rate).to_have_text("80/s", timeout=_PATIENCE_MS)
    page.get_by_role("button", name="Pause live numbers").click()
    for _ in range(10):
        gateway.second({"a": 1, "b": 1}, bucket=2)
    # Longer than the script waits between two looks.
    page.wait_for_timeout(2500)
    expect(rate).to_have_text("80/s")
    page.get_by_role("button", name="Go on with live numbers").click()
    expect(rate).to_have_text("2/s", timeout=_PATIENCE_MS)


def test_a_page_is_whole_without_its_script(chromium: Browser, address: str) -> None:
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(_PATIENCE_MS)
    page.goto(f"{address}/console/services")
    expect(page.locator('[data-live="service pair rate"]')).to_have_text("20/s")
    expect(page.get_by_role("button")).to_have_count(0)
    context.close()


@pytest.mark.parametrize(
    ("name", "path", "scheme", "height"),
    [
        ("models", "/console", "light", 420),
        ("model", "/console/models/{model}", "light", 985),
        ("decision", "/console/decisions/{model}", "light", 620),
        ("services", "/console/services", "dark", 680),
        ("production", "/console/production", "light", 860),
    ],
)
def test_the_pictures_of_the_manual_can_be_taken(
    chromium: Browser,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    name: str,
    path: str,
    scheme: str,
    height: int,
) -> None:
    address = SHOWN or request.getfixturevalue("address")
    folder, model = (IMAGES, "bikes") if SHOWN else (tmp_path, "rentals")
    page = chromium.new_page(
        viewport={"width": 1280, "height": height},
        color_scheme=scheme,  # type: ignore[arg-type]  # a literal
    )
    page.goto(address + path.format(model=model), timeout=_PATIENCE_MS)
    picture = folder / f"console-{name}.png"
    page.screenshot(path=picture)
    page.close()
    for taken in (picture, IMAGES / picture.name):
        assert 5_000 < taken.stat().st_size < 200_000
