"""A model version: one trained artefact with everything needed to serve and explain it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Recipe:
    """How a model was made, apart from its rows: equal recipes on newer rows are a *refresh*.

    ``digest`` covers what the specification says about learning (features, target, parameters,
    seed, threads); ``window`` is the chosen training window, ``rounds`` the boosting rounds.
    """

    digest: str
    window: str
    rounds: int

    def is_refresh_of(self, other: Recipe) -> bool:
        """Tell whether only the rows (and the rounds they led to) differ."""
        return self.digest == other.digest and self.window == other.window


@dataclass(frozen=True)
class ModelVersion:
    """One version of one model.

    Attributes
    ----------
    version : int
        1, 2, 3 ... within the model; one per cycle that trained.
    spec_digest : str
        The specification it was trained and is served with.
    artifact : str
        Directory relative to the home with ``model.txt`` (LightGBM's native text) and
        ``encoding.json``.
    artifact_digest : str
        SHA-256 over both files.
    refitted : bool
        It is the recipe refitted up to the newest mature row, not the evaluated fit itself.
    fit_from, fit_until : int
        Smallest and largest event position of its training rows.
    n_rows : int
        Training rows.
    snapshot_digest : str
        SHA-256 of the snapshot file.
    metrics : mapping
        Metrics of the evaluated fit on its holdout, by name.
    holdout_loss : float or None
        Mean loss (`Specification.metric`) of the evaluated fit on its holdout.
    run_id, registry_version : str or None
        MLflow's run and version; None until registered.
    """

    model: str
    version: int
    cycle_id: str
    spec_digest: str
    recipe: Recipe
    artifact: str
    artifact_digest: str
    refitted: bool
    fit_from: int
    fit_until: int
    n_rows: int
    snapshot_digest: str
    metrics: Mapping[str, Any]
    holdout_loss: float | None
    trained_at: datetime
    run_id: str | None = None
    registry_version: str | None = None


@dataclass(frozen=True)
class Champion:
    """Who serves, since when, and by which decision.

    Attributes
    ----------
    seq : int
        Place in the history of the alias ``champion``, from 1; the newest serves.
    since_position : int or None
        Event position from which it served.
    """

    model: str
    seq: int
    version: int
    since: datetime
    since_position: int | None
    decision_id: str
    actor: str
