"""Rollouts under way: which model of a service is tried, how far it has come, and what is next.

The state is one small file in the home, so that a rollout goes on after a restart. Each step is a
decision record of the candidate's model before the routes follow it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

import msgspec

from iris_ct.adapters.durable import write_whole
from iris_ct.control.counts import Counts
from iris_ct.core.decision import Check, Decision
from iris_ct.core.rollout import (
    Loss,
    RolloutDecision,
    RolloutPolicy,
    Stage,
    Traffic,
    judge,
    slow_limit,
)
from iris_ct.flow.identify import decision_id

_RULE = (
    "a stage is passed after its time and its requests; the candidate is taken back as soon as the "
    "least its rate or loss can be exceeds the most the stable model's can be plus the margin; a "
    "rollback ends the rollout"
)

LossOf = Callable[[str], Loss | None]
"""Gives the loss of an image on rows with labels; None: too few."""


@dataclass(frozen=True)
class Progress:
    """One rollout.

    Attributes
    ----------
    stable, candidate : str
        Images: ``<model>:<version>``.
    stage : int
        Index into the policy's stages.
    state : str
        ``running``, or ``back`` once the candidate was taken back: it is not tried again.
    before : mapping
        What each image had answered when the stage began.
    slow_limit_s : float or None
        Above it an answer counts as slow.
    """

    service: str
    stable: str
    candidate: str
    stage: int
    state: Literal["running", "back"]
    began_at: datetime
    before: dict[str, Counts]
    slow_limit_s: float | None = None


@dataclass(frozen=True)
class Step:
    """What one look has led to; ``progress`` None says that the rollout is over."""

    progress: Progress | None
    decision: Decision | None


class Rollouts:
    """All rollouts of a home, kept in one file; owned by one thread of the control process.

    Raises
    ------
    msgspec.MsgspecError
        If the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._all: dict[str, Progress] = {}
        if path.is_file():
            self._all = msgspec.json.decode(path.read_bytes(), type=dict[str, Progress])

    def of(self, service: str) -> Progress | None:
        """Give the rollout of a service, also one that ended with ``back``."""
        return self._all.get(service)

    def services(self) -> list[str]:
        """Name the services that have a rollout."""
        return list(self._all)

    def keep(self, service: str, progress: Progress | None) -> None:
        """Remember how far a rollout is; None ends it."""
        if progress is None:
            self._all.pop(service, None)
        else:
            self._all[service] = progress
        with write_whole(self._path) as file:
            file.write(msgspec.json.encode(self._all))


def fitted(progress: Progress, policy: RolloutPolicy) -> Progress:
    """Give a rollout a stage that the policy has; it may have been started with a longer one."""
    return replace(progress, stage=min(progress.stage, len(policy.stages) - 1))


def begin(
    service: str,
    stable: str,
    candidate: str,
    counts: Mapping[str, Counts],
    *,
    policy: RolloutPolicy,
    actor: str,
    at: datetime,
) -> Step:
    """Begin to try a candidate."""
    progress = _stage(
        Progress(service, stable, candidate, 0, "running", at, {}), counts, stage=0, at=at
    )
    reason = f"{candidate} is tried in service {service} instead of {stable}: {_say(policy, 0)}"
    return Step(progress, _record(progress, "begin", reason, actor=actor, at=at, policy=policy))


def look(
    progress: Progress,
    counts: Mapping[str, Counts],
    *,
    policy: RolloutPolicy,
    actor: str,
    at: datetime,
    loss: LossOf,
) -> Step:
    """Look at a rollout under way and move it if the rule says so.

    Parameters
    ----------
    counts : mapping
        By image, what the gateway counted so far.
    """
    found = {image: _traffic(progress, image, counts, loss) for image in _images(progress)}
    judged = judge(
        found[progress.stable],
        found[progress.candidate],
        elapsed_s=(at - progress.began_at).total_seconds(),
        policy=policy,
    )
    if judged.verdict == "wait":
        return Step(progress, None)
    if judged.verdict == "back":
        return _back(progress, judged.reason, policy=policy, actor=actor, at=at, judged=judged)
    following = progress.stage + 1
    done = following == len(policy.stages)
    what = "it answers all requests" if done else _say(policy, following)
    reason = (
        f"{progress.candidate} passed stage {progress.stage + 1} of {len(policy.stages)} "
        f"in service {progress.service}: {what}"
    )
    outcome = "full" if done else "forward"
    decision = _record(progress, outcome, reason, actor=actor, at=at, policy=policy, judged=judged)
    return Step(None if done else _stage(progress, counts, stage=following, at=at), decision)


def give_up(progress: Progress, *, policy: RolloutPolicy, actor: str, at: datetime) -> Step | None:
    """Take a candidate back that cannot be started; None as long as its stage may take."""
    if (at - progress.began_at).total_seconds() < policy.min_stage_s:
        return None
    return _back(progress, "it cannot be started", policy=policy, actor=actor, at=at)


def end(progress: Progress, why: str, *, policy: RolloutPolicy, actor: str, at: datetime) -> Step:
    """End a rollout whose candidate is wished no longer."""
    reason = f"{progress.candidate} is no longer tried in service {progress.service}: {why}"
    return Step(None, _record(progress, "ended", reason, actor=actor, at=at, policy=policy))


def _back(
    progress: Progress,
    why: str,
    *,
    policy: RolloutPolicy,
    actor: str,
    at: datetime,
    judged: RolloutDecision | None = None,
) -> Step:
    reason = (
        f"{progress.candidate} is taken back in service {progress.service}, "
        f"{progress.stable} answers again: {why}"
    )
    decision = _record(progress, "back", reason, actor=actor, at=at, policy=policy, judged=judged)
    return Step(replace(progress, state="back"), decision)


def shares(progress: Progress, policy: RolloutPolicy) -> tuple[float, Stage | None]:
    """Give the share of the requests that the candidate answers, and its stage.

    0 and None if it was taken back; 0 and the stage while it is a shadow.
    """
    if progress.state == "back":
        return 0.0, None
    stage = policy.stages[min(progress.stage, len(policy.stages) - 1)]
    return stage.share, stage


def _stage(
    progress: Progress, counts: Mapping[str, Counts], *, stage: int, at: datetime
) -> Progress:
    """Begin a stage: remember what was counted before it, and when an answer is slow."""
    before = {image: counts.get(image, Counts()) for image in _images(progress)}
    stable = before[progress.stable]
    limit = progress.slow_limit_s or slow_limit(stable.bounds_s, stable.buckets)
    return replace(progress, stage=stage, began_at=at, before=before, slow_limit_s=limit)


def _images(progress: Progress) -> tuple[str, str]:
    return progress.stable, progress.candidate


def _traffic(
    progress: Progress, image: str, counts: Mapping[str, Counts], loss: LossOf
) -> Traffic:
    since = counts.get(image, Counts()).since(progress.before.get(image, Counts()))
    return Traffic(
        since.requests,
        # Both models see requests of the same kind: one that finds more of them wrong than the
        # other fails those who ask, too.
        since.errors + since.rejected,
        since.slower_than(progress.slow_limit_s),
        loss(image),
    )


def _say(policy: RolloutPolicy, stage: int) -> str:
    now = policy.stages[stage]
    return "as a shadow" if now.is_shadow else f"for {now.share:.4g} of the requests"


def _record(
    progress: Progress,
    outcome: str,
    reason: str,
    *,
    actor: str,
    at: datetime,
    policy: RolloutPolicy,
    judged: RolloutDecision | None = None,
) -> Decision:
    model = progress.candidate.partition(":")[0]
    return Decision(
        decision_id=decision_id(
            "rollout",
            progress.service,
            progress.candidate,
            str(progress.stage),
            outcome,
            progress.began_at.isoformat(),
        ),
        model=model,
        kind="rollout",
        outcome=outcome,
        reason=reason,
        cycle_id=None,
        actor=actor,
        rule=_RULE,
        event_now=None,
        decided_at=at,
        inputs={
            "service": progress.service,
            "stable": progress.stable,
            "candidate": progress.candidate,
            "stage": progress.stage + 1,
            "stages": [str(stage) for stage in policy.stages],
        },
        numbers={"slow_limit_s": progress.slow_limit_s},
        thresholds={
            "min_requests": policy.min_requests,
            "min_stage_s": policy.min_stage_s,
            "error_margin": policy.error_margin,
            "slow_margin": policy.slow_margin,
            "loss_margin": policy.loss_margin,
            "significance": policy.significance,
        },
        checks=tuple(
            Check(check.name, check.observed, check.required, check.passed)
            for check in (judged.checks if judged else ())
        ),
    )
