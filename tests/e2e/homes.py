"""Driving a home as its users do: files in, procedures asked."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl
import pytest
from tests.factories import RENTALS, day, rentals

from iris_ct import procedures
from iris_ct.bootstrap import build
from iris_ct.config import load_settings
from iris_ct.embedded import HostDoor, host_client, make_host

MODEL = "rentals"


class Home:
    """A home with the model rentals, and its host, started and stopped with the block."""

    def __init__(
        self,
        path: Path,
        monkeypatch: pytest.MonkeyPatch,
        *,
        extra: str = "",
        head: str = "",
        store_url: str = "",
        **environment: str,
    ) -> None:
        self.path = path
        (path / "models").mkdir(parents=True)
        self.write_model(extra=extra, head=head)
        values = {"CT_HOME": str(path), "CT_STORE_URL": store_url, "CT_SETTLE_S": "0.2"}
        for name, value in {**values, **environment}.items():
            monkeypatch.setenv(name, value)
        self.parts = build(load_settings())
        self._client = host_client(self.parts)
        self._host = make_host(self.parts)
        self._n_files = 0

    def __enter__(self) -> Self:
        self._host.start()
        self.door = HostDoor(self._client.__enter__())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._host.stop()
        self._client.__exit__(kind, error, trace)
        self.parts.store.close()

    def write_model(self, *, extra: str = "", head: str = "") -> None:
        """Write the model file: ``head`` before the first table, ``extra`` at its end."""
        text = head + RENTALS.format(extra=extra)
        (self.path / "models" / f"{MODEL}.toml").write_text(text)

    def file(self, rows: pl.DataFrame, name: str = "") -> Path:
        """Write rows as CSV beside the home."""
        self._n_files += 1
        path = self.path.parent / (name or f"rows{self._n_files:03}.csv")
        rows.write_csv(path)
        return path

    def ingest(self, rows: pl.DataFrame, *, kind: str = "rows") -> dict[str, Any]:
        """Hand rows over and wait for the end of what they start."""
        answers = procedures.ingest(
            self.parts, self.door, MODEL, [self.file(rows)], kind=kind, wait=True
        )
        return next(iter(answers))

    def first_model(self) -> dict[str, Any]:
        """Bring 30 quiet days, which make version 1 the champion."""
        return self.ingest(rentals(day(0), 30))

    def status(self) -> dict[str, Any]:
        """Ask how the model stands."""
        return procedures.status(self.parts, MODEL, pending_messages=self.door.pending())

    def decisions(self, kind: str) -> list[dict[str, Any]]:
        """List the decisions of one kind, oldest first."""
        every = procedures.decisions(self.parts, MODEL, newest=None)
        return [decision for decision in every if decision["kind"] == kind]
