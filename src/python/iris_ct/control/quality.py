"""What answers were worth: the loss of a version on rows whose labels have come."""

from __future__ import annotations

import math
from collections.abc import Callable

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


class Quality:
    """Remembers each image's loss for a while; belongs to one thread."""

    def __init__(self, store: Store, now_s: Callable[[], float]) -> None:
        self._store, self._now_s = store, now_s
        self._known: dict[tuple[str, bool], tuple[float, Loss | None]] = {}

    def loss(self, image: str, *, shadow: bool = False) -> Loss | None:
        """Give the loss of ``<model>:<version>``.

        None if it is none of ours, or fewer than `MIN_LABELS` rows that it predicted first have
        labels.
        """
        known = self._known.get((image, shadow))
        if known is None or self._now_s() - known[0] > EVERY_S:
            known = self._now_s(), self._measured(image, shadow=shadow)
            self._known[image, shadow] = known
        return known[1]

    def _measured(self, image: str, *, shadow: bool) -> Loss | None:
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
            version=int(version),
            shadow=shadow,
        )
        if len(outcomes.position) < MIN_LABELS:
            return None
        metric = specification.metric
        losses = row_losses(
            metric, outcomes.truth, outcomes.predictions, positive=specification.positive
        )
        return measured(metric, losses)


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
