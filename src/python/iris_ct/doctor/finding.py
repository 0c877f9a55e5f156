"""One finding of the doctor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from iris_ct.core.errors import CTError

State = Literal["ok", "warning", "failed"]

# What a sick installation may raise where a healthy one does not.
_SYMPTOMS = (CTError, ImportError, OSError, RuntimeError, ValueError)


@dataclass(frozen=True)
class Finding:
    """What was looked at, how it is, and what to do about it (empty when all is well)."""

    name: str
    state: State
    text: str
    advice: str = ""

    def content(self) -> dict[str, Any]:
        """Give the finding as plain JSON values."""
        return asdict(self)


def examine(name: str, check: Callable[[], Finding], *, advice: str) -> Finding:
    """Run a check; what it stumbles over is a finding too."""
    try:
        return check()
    except _SYMPTOMS as error:
        text = str(error).strip() or type(error).__name__
        return Finding(name, "failed", text, advice)
