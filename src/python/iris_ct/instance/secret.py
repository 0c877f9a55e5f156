"""Reads a secret's file for the classes: the password that the gateway outside IRIS logs in with."""

from __future__ import annotations

from pathlib import Path


def read(path: str) -> str:
    """Give the one line of a file; nothing where there is no such file.

    Raises
    ------
    OSError
        If it is there and cannot be read.
    """
    file = Path(path)
    return file.read_text("utf-8").strip() if file.exists() else ""
