"""The home of the command line's tests, to ask through the surface."""

from __future__ import annotations

from tests.cli.conftest import copied, lived

__all__ = ["copied", "lived"]
