"""What answers were worth: the loss of a version on rows whose labels have come."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.errors import CTError
from iris_ct.core.evaluation.losses import mean_loss, row_losses
from iris_ct.core.rollout import Loss
from iris_ct.ports import Store

# Below it the standard error of a mean is not to be trusted.
MIN_LABELS = 100
# Joining labels reads files, and labels come late anyway.
EVERY_S = 30.0


Losses = Mapping[str, Loss | None]


class Quality:
    """Remembers losses for a while; belongs to one thread."""

    def __init__(self, store: Store, now_s: Callable[[], float]) -> None:
        self._store, self._now_s = store, now_s
        self._known: dict[tuple[str, str, bool], tuple[float, Losses]] = {}

    def losses(self, stable: str, candidate: str, *, shadow: bool) -> Losses:
        """Give the losses of two images ``<model>:<version>``.

        That of the stable one is on the stretch of rows in which the candidate has labels: before,
        it may have had an easier time, and a drift was perhaps why there is a candidate.

        Parameters
        ----------
        shadow : bool
            The candidate looks on.

        Returns
        -------
        mapping
            By image. None for what is none of ours, or has predicted fewer than `MIN_LABELS` rows
            first that have labels.
        """
        asked = stable, candidate, shadow
        known = self._known.get(asked)
        if known is None or self._now_s() - known[0] > EVERY_S:
            known = self._now_s(), self._compared(stable, candidate, shadow=shadow)
            # Of a rollout that is over nothing more is asked.
            fresh = known[0] - 2 * EVERY_S
            self._known = {one: said for one, said in self._known.items() if said[0] > fresh}
            self._known[asked] = known
        return known[1]

    def _compared(self, stable: str, candidate: str, *, shadow: bool) -> Losses:
        found: dict[str, Loss | None] = {stable: None, candidate: None}
        tried = self._measured(candidate, shadow=shadow)
        if tried is not None:
            found[candidate], stretch = tried
            held = self._measured(stable, shadow=False, stretch=stretch)
            found[stable] = None if held is None else held[0]
        return found

    def _measured(
        self, image: str, *, shadow: bool, stretch: tuple[int, int] | None = None
    ) -> tuple[Loss, tuple[int, int]] | None:
        """Measure an image on its rows; give the first and the last position of these, too."""
        model, _, version = image.partition(":")
        if not version.isdecimal():
            return None
        try:
            kept = self._store.models.get(model, int(version))
        except CTError:
            return None
        specification = self._store.specifications.get(kept.spec_digest)
        arrivals = self._store.batches.arrivals(model)
        if not arrivals:
            return None
        outcomes = self._store.predictions.outcomes(
            specification,
            as_of_seq=max(batch.seq for batch in arrivals),
            from_position=stretch and stretch[0],
            to_position=stretch and stretch[1],
            version=int(version),
            shadow=shadow,
        )
        position = outcomes.position
        if len(position) < MIN_LABELS:
            return None
        metric = specification.metric
        losses = row_losses(
            metric, outcomes.truth, outcomes.predictions, positive=specification.positive
        )
        return measured(metric, losses), (int(position.min()), int(position.max()))


def measured(metric: str, losses: NDArray[np.float64]) -> Loss:
    """Give the metric of row losses with its standard error.

    The error of ``rmse``, a square root, is that of the mean over twice the root (the delta
    method).

    Examples
    --------
    >>> measured("mae", np.array([1.0, 3.0])), measured("rmse", np.array([1.0, 7.0]))
    (Loss(value=2.0, standard_error=1.0, n_rows=2), Loss(value=2.0, standard_error=0.75, n_rows=2))
    """
    value, n_rows = mean_loss(metric, losses), len(losses)
    error = float(losses.std(ddof=1)) / math.sqrt(n_rows)
    if metric == "rmse":
        error = error / (2.0 * value) if value > 0.0 else 0.0
    return Loss(value, error, n_rows)
