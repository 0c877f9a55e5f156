"""What a keyboard and a screen reader need, and colours that can be told apart."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import pytest
from tests.control.console.pages import ADDRESSES, Pages

import iris_ct.control.console as console

CSS = (Path(console.__file__).parent / "assets" / "console.css").read_text()
GROUNDS = ("paper", "sheet")
TEXTS = ("ink", "quiet", "link", "good", "alarm")
# Marks, edges and the frame of what has the focus: they need less contrast than words.
SIGNS = ("mark", "reign", "other", "alarm", "focus")


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_page_has_landmarks_and_headings_in_order(pages: Pages, address: str) -> None:
    page = pages.page(address, pages.ask(address).status)
    assert page.one("html").attributes["lang"] == "en"
    assert len(page.one("head").one("title").text) > len(" – continuous training")  # noqa: RUF001
    assert len(page.find("main")) == len(page.find("header")) == len(page.find("footer")) == 1
    assert all(nav.attributes["aria-label"] for nav in page.find("nav"))
    levels = [
        int(element.tag[1]) for element in page.walk() if re.fullmatch(r"h[1-6]", element.tag)
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_first_link_skips_to_the_content(pages: Pages, address: str) -> None:
    page = pages.page(address, pages.ask(address).status)
    assert page.find("a")[0].attributes["href"] == "#main"
    assert page.one("*", id="main").tag == "main"


@pytest.mark.parametrize("address", ADDRESSES)
def test_what_is_on_a_page_has_a_name(pages: Pages, address: str) -> None:
    page = pages.page(address, pages.ask(address).status)
    ids = [element.attributes["id"] for element in page.walk() if "id" in element.attributes]
    assert len(ids) == len(set(ids))
    for element in page.walk():
        for reference in element.attributes.get("aria-labelledby", "").split():
            assert page.one("*", id=reference).text
        if element.attributes.get("role") == "region":
            assert element.attributes["aria-label"]
        if element.tag == "a":
            assert element.text
        if element.tag == "svg":
            assert element.attributes["role"] == "img"
            # A picture's content is not read out, so nothing in it may be asked for.
            assert not element.find("a")
        if element.tag == "table":
            assert element.one("caption").text
            heads = element.one("thead").find("th")
            assert heads
            assert {head.attributes["scope"] for head in heads} == {"col"}
            for row in element.one("tbody").find("tr"):
                width = sum(
                    int(cell.attributes.get("colspan", 1))
                    for cell in row.walk()
                    if cell.tag in ("td", "th")
                )
                assert width == len(heads)


def test_the_page_that_is_shown_is_marked_in_the_menu(pages: Pages) -> None:
    for address, name in (
        ("/console", "Models"),
        ("/console/models/rentals", "Models"),
        ("/console/messages/1", "Messages"),
        ("/console/quarantine", "Quarantine"),
    ):
        menu = pages.page(address).one("nav", aria_label="Console")
        marked = [link.text for link in menu.find("a") if "aria-current" in link.attributes]
        assert marked == [name]


@pytest.mark.parametrize("address", ["/console", "/console/services"])
def test_live_numbers_are_announced_politely(pages: Pages, address: str) -> None:
    page = pages.page(address)
    said = page.one("p", role="status")
    assert said.attributes["aria-live"] == "polite"
    # Single numbers are not: they change every two seconds.
    assert not [p for p in page.find("span") if "aria-live" in p.attributes]


def schemes() -> dict[str, dict[str, str]]:
    """Read the colours of both schemes."""
    light, dark = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    colours = re.compile(r"--([\w-]+): (#[0-9a-f]{6});")
    return {"light": dict(colours.findall(light)), "dark": dict(colours.findall(dark))}


def luminance(colour: str) -> float:
    """Give the relative luminance as WCAG 2.2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio as WCAG 2.2 defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_wcag_says() -> None:
    assert contrast("#ffffff", "#000000") == pytest.approx(21.0)
    # The well-known lightest grey that passes AA on white.
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_signs_can_be_told_from_their_ground(scheme: str) -> None:
    colours = schemes()[scheme]
    for ground in GROUNDS:
        for text in TEXTS:
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for sign in SIGNS:
            assert contrast(colours[sign], colours[ground]) >= 3.0, (sign, ground)
    for bar in ("reign", "other"):
        assert contrast(colours["on-bar"], colours[bar]) >= 4.5


def test_both_schemes_have_the_same_colours_and_no_rule_has_another() -> None:
    light, dark = schemes()["light"], schemes()["dark"]
    assert light.keys() == dark.keys()
    rules = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL)
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b|rgb|hsl", rules)
    assert set(re.findall(r"[^-]color: var\(--([\w-]+)\)", rules)) <= set(TEXTS)
    assert "outline: none" not in rules.replace("main:focus { outline: none; }", "")
    assert ":focus-visible { outline: 3px" in rules
