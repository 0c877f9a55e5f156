from __future__ import annotations

import json
import re
from pathlib import Path

from tests.unit.core.wire import exchanges

PAGE = Path(__file__).parents[4] / "docs" / "serving.md"


def test_examples_of_the_page_are_golden_exchanges() -> None:
    """Request and answer follow each other, and both are in one exchange."""
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition("## Protocols\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```(json|text)\n(.*?)\n```", section, re.DOTALL)
    shown = [
        (request.strip() if kind == "text" else json.loads(request), json.loads(answer))
        for (kind, request), (_, answer) in zip(blocks[::2], blocks[1::2], strict=True)
    ]
    golden = [exchanges.load(name) for name in exchanges.names()]
    held = [
        (
            one["request"]["text"].strip() if "text" in one["request"] else one["request"]["json"],
            one["answer"]["json"],
        )
        for one in golden
        if "json" in one["answer"] and "base64" not in one["request"]
    ]
    assert len(shown) >= 15
    assert all(pair in held for pair in shown)
