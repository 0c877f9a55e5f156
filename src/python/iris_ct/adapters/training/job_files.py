"""The files of training cycles: ``store/<model>/jobs/<cycle>/``, written once each."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from iris_ct.adapters.durable import write_whole
from iris_ct.core.dataset.split import Split
from iris_ct.ports import TrainingOutcome

if TYPE_CHECKING:
    import polars as pl

_CANCELLED = "cancelled"


class FolderJobFiles:
    """`ports.JobFiles` in a folder of the home.

    What is there is whole: each file is written beside its place and renamed, ``split.json``
    after ``roles.npy``. Safe in several threads and processes, because a repeated step writes
    the same content.
    """

    def __init__(self, home: Path) -> None:
        self._home = home

    def save_split(self, model: str, cycle_id: str, split: Split) -> None:
        """Keep the split; an earlier one stays."""
        folder = self._folder(model, cycle_id)
        if (folder / "split.json").exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        with write_whole(self.roles_path(model, cycle_id)) as file:
            np.save(file, split.roles)
        facts = {name: said for name, said in asdict(split).items() if name != "roles"}
        with write_whole(folder / "split.json") as file:
            file.write(json.dumps(facts).encode())

    def split(self, model: str, cycle_id: str) -> Split | None:
        """Give the split, or None before it was made."""
        path = self._folder(model, cycle_id) / "split.json"
        if not path.exists():
            return None
        roles = np.load(self.roles_path(model, cycle_id))
        return Split(roles=roles, **json.loads(path.read_text("utf-8")))

    def roles_path(self, model: str, cycle_id: str) -> Path:
        """Give the NumPy file of the roles."""
        return self._folder(model, cycle_id) / "roles.npy"

    def output(self, model: str, cycle_id: str, phase: str) -> Path:
        """Give the directory in which a phase's training process writes."""
        return self._folder(model, cycle_id) / phase

    def outcome(self, model: str, cycle_id: str, phase: str) -> TrainingOutcome | None:
        """Give a finished fit's record, or None."""
        path = self.output(model, cycle_id, phase) / "result.json"
        if not path.exists():
            return None
        said: dict[str, Any] = json.loads(path.read_text("utf-8"))
        said["candidates"] = tuple(said["candidates"])
        said["curve"] = tuple(said["curve"])
        return TrainingOutcome(**said)

    def artefact(self, model: str, cycle_id: str, phase: str) -> dict[str, bytes]:
        """Give a finished fit's ``model.txt`` and ``encoding.json``."""
        folder = self.output(model, cycle_id, phase)
        return {name: (folder / name).read_bytes() for name in ("model.txt", "encoding.json")}

    def ask_to_cancel(self, model: str, cycle_id: str) -> None:
        """Leave a mark that every process of this home sees, also after a crash."""
        folder = self._folder(model, cycle_id)
        folder.mkdir(parents=True, exist_ok=True)
        with write_whole(folder / _CANCELLED):
            pass

    def is_cancelled(self, model: str, cycle_id: str) -> bool:
        """Tell whether the mark is there."""
        return (self._folder(model, cycle_id) / _CANCELLED).exists()

    def holdout_predictions(self, model: str, cycle_id: str) -> pl.DataFrame:
        """Give the evaluated fit's predictions of the holdout, in the snapshot's order."""
        import polars as pl

        return pl.read_parquet(self.output(model, cycle_id, "challenger") / "holdout.parquet")

    def _folder(self, model: str, cycle_id: str) -> Path:
        return self._home / "store" / model / "jobs" / cycle_id
