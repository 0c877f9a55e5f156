"""A home for the time of a benchmark."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from iris_ct import bootstrap, procedures
from iris_ct.adapters.training.process_trainer import ProcessTrainer
from iris_ct.bootstrap import Parts
from iris_ct.config import load_settings
from iris_ct.embedded import HostDoor, open_door
from iris_ct.flow.ingest import Arrival, Stored, ingest_file


@contextmanager
def workplace() -> Iterator[Path]:
    """Give an empty directory that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="ct-bench-", ignore_cleanup_errors=True) as path:
        yield Path(path)


@contextmanager
def parts_of(home: Path, **models: str) -> Iterator[Parts]:
    """Give the real parts of a home with these model files, by name.

    The components of the production find the same parts by the environment.
    """
    folder = home / "models"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in models.items():
        (folder / f"{name}.toml").write_text(text)
    os.environ.update(CT_HOME=str(home), CT_MODELS=str(folder))
    for name in ("CT_STORE_URL", "MLFLOW_TRACKING_URI"):
        os.environ.pop(name, None)
    parts = bootstrap.parts(load_settings())
    with contextlib.closing(parts.store):
        try:
            yield parts
        finally:
            if isinstance(parts.trainer, ProcessTrainer):
                parts.trainer.close()


def hand_over(parts: Parts, model: str, file: Path) -> Arrival:
    """Copy a file among the claimed ones, as `ct ingest` does."""
    claimed = parts.inbox.take_in(model, file)
    return Arrival(model, claimed.path, file.name, "rows", "", "benchmark")


def ingest(parts: Parts, arrival: Arrival) -> Stored:
    """Validate, summarise and store a file; anything but success stops the benchmark."""
    stored = ingest_file(
        arrival, files=parts.files, inbox=parts.inbox, store=parts.store, clock=parts.clock
    )
    if stored.outcome != "stored":
        raise RuntimeError(f"The benchmark's file was not stored: {stored.text}")
    return stored


@contextmanager
def production(parts: Parts) -> Iterator[HostDoor]:
    """Run the production in this process, in threads."""
    with open_door(parts) as door:
        yield door


def first_model(parts: Parts, model: str, file: Path) -> None:
    """Let the production take a file to its first champion."""
    with production(parts) as door:
        bring(parts, door, model, file)


def bring(parts: Parts, door: HostDoor, model: str, file: Path) -> int:
    """Hand a file to the production and wait for the promotion it leads to; give the session."""
    answer = next(procedures.ingest(parts, door, model, [file]))
    cycle = answer["cycle"] or {}
    if cycle.get("outcome") != "promoted":
        raise RuntimeError(f"The benchmark's file led to no champion: {answer}")
    return int(answer["session"])
