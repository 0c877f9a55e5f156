"""Rollouts: when a new model gets more of the requests, and when it is taken back.

A candidate passes through stages, first as a shadow whose answers nobody gets, then with a growing
share of the requests. The rule is looked at all the time; so that looking often does not raise the
share of false alarms, rates and losses are compared by confidence sequences, which hold at every
number of requests at once. What happens to the routes is decided here and done elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf, lgamma, log, log1p, sqrt
from typing import Literal, NamedTuple

from iris_ct.core.errors import ConfigError

Verdict = Literal["wait", "forward", "back"]

SHADOW = "shadow"
ERRORS, SLOW, LOSS = "share of errors", "share of slow answers", "loss"
_WHY_BACK = {
    ERRORS: "it fails more often than the stable model",
    SLOW: "it is slow more often than the stable model",
    LOSS: "its loss is higher than the stable model's",
}

# Halvings of a bracket of width 1: beyond the digits of a float64.
_HALVINGS = 60
# A candidate is called slow for what the stable model is slow for only this often.
_SLOW_QUANTILE = 0.99
# Labelled rows at which the bounds of a loss are narrowest beside those of a single look.
_NARROWEST = 1000


@dataclass(frozen=True)
class Stage:
    """One step of a rollout; ``share`` of the requests in [0, 1], 0 for a shadow."""

    share: float

    @property
    def is_shadow(self) -> bool:
        """Whether the candidate's answers are given to nobody."""
        return self.share == 0.0

    def __str__(self) -> str:
        """Give the stage as it is written: ``shadow`` or a percentage."""
        return SHADOW if self.is_shadow else f"{self.share:.4g}"


@dataclass(frozen=True)
class RolloutPolicy:
    """When a stage is passed, and when the candidate is taken back.

    Attributes
    ----------
    stages : tuple of Stage
        In growing order; after the last one the candidate answers everything.
    min_requests : int
        Requests that the candidate must have answered in a stage.
    min_stage_s : float
        Seconds that a stage lasts at least.
    error_margin : float
        How much larger than the stable model's the share of errors may be.
    slow_margin : float
        The same for the share of slow answers.
    loss_margin : float
        How much larger, relatively, the loss on rows with labels may be.
    significance : float
        False-alarm rate of each comparison over the whole stage.
    """

    stages: tuple[Stage, ...] = (Stage(0.0), Stage(0.1), Stage(0.5))
    min_requests: int = 200
    min_stage_s: float = 60.0
    error_margin: float = 0.005
    slow_margin: float = 0.05
    loss_margin: float = 0.05
    significance: float = 0.01


class Loss(NamedTuple):
    """A metric on rows whose labels have come: its value, its standard error and their number."""

    value: float
    standard_error: float
    n_rows: int


@dataclass(frozen=True)
class Traffic:
    """What one model did in a stage; all counts of requests.

    ``slow`` are answers above the limit that was fixed when the stage began; ``loss`` is None
    while too few labels have come.
    """

    requests: int
    errors: int
    slow: int
    loss: Loss | None = None


@dataclass(frozen=True)
class RolloutCheck:
    """One look at one number: what was found, what was required, and whether it was met."""

    name: str
    observed: float
    required: float
    passed: bool


@dataclass(frozen=True)
class RolloutDecision:
    """What to do with the candidate, and why."""

    verdict: Verdict
    reason: str
    checks: tuple[RolloutCheck, ...]


def judge(
    stable: Traffic, candidate: Traffic, *, elapsed_s: float, policy: RolloutPolicy
) -> RolloutDecision:
    """Decide what happens to a candidate in its stage.

    Parameters
    ----------
    stable, candidate : Traffic
        Since the stage began.
    elapsed_s : float
        Since the stage began.

    Returns
    -------
    RolloutDecision
        ``back`` as soon as one rate is surely too high; ``forward`` once the stage has lasted and
        seen enough; else ``wait``.
    """
    checks = [
        _rate(
            ERRORS,
            (stable.errors, stable.requests),
            (candidate.errors, candidate.requests),
            margin=policy.error_margin,
            significance=policy.significance,
        ),
        _rate(
            SLOW,
            (stable.slow, stable.requests),
            (candidate.slow, candidate.requests),
            margin=policy.slow_margin,
            significance=policy.significance,
        ),
    ]
    if candidate.loss is not None and stable.loss is not None:
        low, _ = loss_bounds(candidate.loss, significance=policy.significance / 2)
        _, high = loss_bounds(stable.loss, significance=policy.significance / 2)
        limit = high * (1.0 + policy.loss_margin)
        checks.append(RolloutCheck(LOSS, low, limit, low <= limit))
    failed = [check for check in checks if not check.passed]
    if failed:
        return RolloutDecision("back", _WHY_BACK[failed[0].name], tuple(checks))
    enough = (
        RolloutCheck(
            "requests",
            candidate.requests,
            policy.min_requests,
            candidate.requests >= policy.min_requests,
        ),
        RolloutCheck("seconds", elapsed_s, policy.min_stage_s, elapsed_s >= policy.min_stage_s),
    )
    checks.extend(enough)
    if all(check.passed for check in enough):
        return RolloutDecision("forward", "the stage is passed", tuple(checks))
    return RolloutDecision("wait", "the stage goes on", tuple(checks))


def rate_bounds(hits: int, trials: int, *, significance: float) -> tuple[float, float]:
    """Bound a rate from below and above, at every number of trials at once.

    Parameters
    ----------
    hits, trials : int
        ``0 <= hits <= trials``.
    significance : float
        Probability that the true rate is ever outside, at whatever number of trials one looks.

    Returns
    -------
    tuple of float
        Of those rates ``p`` for which ``(trials + 1) * binomial(hits; trials, p)`` exceeds the
        significance: the confidence sequence of a uniform mixture [1]_.

    References
    ----------
    .. [1] Robbins (1970), "Statistical methods related to the law of the iterated logarithm",
       Annals of Mathematical Statistics 41(5).

    Examples
    --------
    >>> low, high = rate_bounds(0, 1000, significance=0.01)
    >>> low, round(high, 4)
    (0.0, 0.0114)
    """
    if trials == 0:
        return 0.0, 1.0
    rate = hits / trials
    level = log(significance) - log1p(trials) - _log_choices(hits, trials)

    def inside(p: float) -> bool:
        return _log_likelihood(p, hits, trials) > level

    low = 0.0 if hits == 0 else _edge(0.0, rate, inside)
    high = 1.0 if hits == trials else _edge(1.0, rate, inside)
    return low, high


def loss_bounds(loss: Loss, *, significance: float) -> tuple[float, float]:
    """Bound a loss from below and above, at every number of rows at once.

    Parameters
    ----------
    significance : float
        Probability, for many rows, that the true loss is ever outside.

    Returns
    -------
    tuple of float
        The asymptotic confidence sequence of [1]_, narrowest at `_NARROWEST` rows.

    References
    ----------
    .. [1] Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (2024), "Time-uniform central limit
       theory and asymptotic confidence sequences", Annals of Statistics 52(6), equation (2).

    Examples
    --------
    >>> low, high = loss_bounds(Loss(1.0, 0.01, 1000), significance=0.01)
    >>> round(low, 4), round(high, 4)
    (0.9643, 1.0357)
    """
    level = -2.0 * log(significance)
    mixed = loss.n_rows * (level + log1p(level)) / _NARROWEST
    radius = loss.standard_error * sqrt(
        2.0 * (mixed + 1.0) / mixed * (0.5 * log1p(mixed) - log(significance))
    )
    return loss.value - radius, loss.value + radius


def slow_limit(bounds_s: Sequence[float], counts: Sequence[int]) -> float | None:
    """Give the time above which an answer is slow: the bucket of the stable model's 99 %.

    Parameters
    ----------
    bounds_s : sequence of float
        Upper ends of the histogram's buckets, growing.
    counts : sequence of int
        Answers in each bucket, not cumulated, and those above the last bound.

    Returns
    -------
    float or None
        One of ``bounds_s``; None if there are no answers, or it lies above the last bound.
    """
    total, seen = sum(counts), 0
    if total == 0:
        return None
    for bound, count in zip(bounds_s, counts, strict=False):
        seen += count
        if seen >= _SLOW_QUANTILE * total:
            return bound
    return None


def parse_stages(text: str) -> tuple[Stage, ...]:
    """Read stages as they are written: ``shadow,0.1,0.5``.

    Raises
    ------
    ConfigError
        If a stage is neither ``shadow`` nor a share between 0 and 1, or they do not grow.

    Examples
    --------
    >>> [str(stage) for stage in parse_stages("shadow, 0.1, 0.5")]
    ['shadow', '0.1', '0.5']
    """
    stages = []
    for word in (part.strip() for part in text.split(",")):
        try:
            share = 0.0 if word == SHADOW else float(word)
        except ValueError:
            share = -1.0
        if not (0.0 < share < 1.0 or word == SHADOW):
            raise ConfigError(
                f"'{word}' is no stage of a rollout. Expected '{SHADOW}' or a share of the "
                "requests between 0 and 1, for example 'shadow,0.1,0.5'."
            )
        stages.append(Stage(share))
    if any(before.share >= after.share for before, after in pairwise(stages)):
        raise ConfigError(
            f"The stages '{text}' do not grow. Expected each share to be larger than the one "
            f"before, with '{SHADOW}' in front if at all."
        )
    return tuple(stages)


def _rate(
    name: str,
    stable: tuple[int, int],
    candidate: tuple[int, int],
    *,
    margin: float,
    significance: float,
) -> RolloutCheck:
    """Hold the least that the candidate's rate can be against the most the stable one's can."""
    low, _ = rate_bounds(*candidate, significance=significance / 2)
    _, high = rate_bounds(*stable, significance=significance / 2)
    # Without requests of its own the stable model says nothing: then no error is the standard.
    limit = (high if stable[1] else 0.0) + margin
    return RolloutCheck(name, low, limit, low <= limit)


def _edge(outside: float, inside: float, holds: Callable[[float], bool]) -> float:
    """Find by halving where a region ends that holds at ``inside`` and not at ``outside``."""
    for _ in range(_HALVINGS):
        middle = (outside + inside) / 2
        if holds(middle):
            inside = middle
        else:
            outside = middle
    return inside


def _log_choices(hits: int, trials: int) -> float:
    return lgamma(trials + 1) - lgamma(hits + 1) - lgamma(trials - hits + 1)


def _log_likelihood(p: float, hits: int, trials: int) -> float:
    misses = trials - hits
    if (p <= 0.0 and hits) or (p >= 1.0 and misses):
        return -inf
    return (hits * log(p) if hits else 0.0) + (misses * log1p(-p) if misses else 0.0)
