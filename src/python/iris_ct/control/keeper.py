"""One look after another: what was wished, what serves, what is used; and the plan that follows.

Every look reads the wishes (services), resolves them to versions, lets rollouts and autoscaling
have their say, and gives the plan. Nothing here talks to the gateway.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from iris_ct.bootstrap import Parts
from iris_ct.control import rollouts
from iris_ct.control.catalogue import Catalogue
from iris_ct.control.counts import BranchState, Counts, total
from iris_ct.control.measure import Meter, Use
from iris_ct.control.plan import PlannedBranch, PlannedService, Served
from iris_ct.control.quality import Quality
from iris_ct.control.rollouts import Progress, Rollouts, Step
from iris_ct.control.scaler import Scaler
from iris_ct.core.audit import Severity
from iris_ct.core.decision import Decision
from iris_ct.core.errors import ConfigError, CTError
from iris_ct.core.rollout import RolloutPolicy
from iris_ct.core.service import CHAMPION, Autoscaling, Branch, ModelRef
from iris_ct.core.service.instances import Instances
from iris_ct.flow.identify import audit_event
from iris_ct.flow.rollback import roll_back
from iris_ct.ports import KeptService
from iris_ct.serving.routes import BranchRoute, read_routes

_log = logging.getLogger(__name__)

ACTOR = "rollout"


@dataclass(frozen=True)
class Wish:
    """A service as it was wished; that of a champion has the name of its model."""

    name: str
    branches: tuple[Branch, ...]
    instances: Instances = 1
    domain: str = ""
    owner: str = ""


@dataclass(frozen=True)
class Look:
    """What one look found.

    Attributes
    ----------
    services : tuple of PlannedService
        All that can be served.
    failures : dict
        By service, why it cannot be served as it was wished.
    models : frozenset of (str, str)
        Services and the models in them, of wish and of plan.
    """

    services: tuple[PlannedService, ...]
    failures: dict[str, str]
    models: frozenset[tuple[str, str]] = frozenset()


@dataclass
class Keeper:
    """Plans what is served; belongs to one thread of the control process.

    Parameters
    ----------
    policy : RolloutPolicy or None
        How a new version of a service with one model is tried; None: it answers at once.
    scaler : Scaler
        Remembers what autoscaling recommended.
    meter : Meter
        Measures the processes.
    now_s : callable
        A steady clock in seconds.
    """

    parts: Parts
    policy: RolloutPolicy | None = None
    scaler: Scaler = field(default_factory=Scaler)
    meter: Meter = field(default_factory=Meter)
    now_s: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        """Open what is kept in the home."""
        folder = self.parts.home / "serving"
        folder.mkdir(parents=True, exist_ok=True)
        self._catalogue = Catalogue(self.parts)
        self._rollouts = Rollouts(folder / "rollouts.json")
        self._quality = Quality(self.parts.store, self.now_s)
        # What each service was planned with last, also by the control process before this one.
        self._last = _last_plan(folder / "routes.json")
        # What each service answered with last: the stable side of a rollout.
        self._stable: dict[str, Served] = {}
        # What was counted of each image of each service, as a candidate may have served before.
        self._counted: dict[str, dict[str, Counts]] = {}
        # Branches that the gateway could not start.
        self._unable: Collection[str] = ()

    def look(self, states: Sequence[BranchState], unable: Collection[str] = ()) -> Look:
        """Look once.

        Parameters
        ----------
        states : sequence of BranchState
            What the gateway runs, as it said last.
        unable : collection of str
            ``<service>/<branch>`` of what it was asked to start and could not.
        """
        self._unable = unable
        uses = self.meter.use([pid for state in states for pid in state.pids], now_s=self.now_s())
        services, failures, models = [], {}, set()
        wished = self._wished()
        self._forget_all_but([service.name for service in wished])
        for service in wished:
            models |= {(service.name, branch.model.id) for branch in service.branches}
            mine = [state for state in states if state.service == service.name]
            try:
                branches = self._last[service.name] = self._branches(service, mine)
            except (CTError, OSError) as error:
                failures[service.name] = str(error)
                branches = self._last.get(service.name, ())
            models |= {(service.name, branch.served.model) for branch in branches}
            if branches:
                scaled = tuple(self._scaled(service, branch, mine, uses) for branch in branches)
                services.append(
                    PlannedService(service.name, service.domain, service.owner, scaled)
                )
        self.scaler.forget(
            [
                _key(service.name, branch.branch)
                for service in services
                for branch in service.branches
            ]
        )
        return Look(tuple(services), failures, frozenset(models))

    def _wished(self) -> list[Wish]:
        """List the services that were made, and one for each champion that has none."""
        kept = self.parts.store.services.services()
        wished = [_wish(one) for one in kept]
        taken = {one.service.name for one in kept}
        wished += [
            Wish(model, (Branch(ModelRef(model, CHAMPION), 1.0),))
            for model in self._catalogue.champions()
            if model not in taken
        ]
        return wished

    def _branches(self, service: Wish, states: Sequence[BranchState]) -> tuple[PlannedBranch, ...]:
        """Resolve a service's models; one that is new may be tried first."""
        served = [self._catalogue.resolve(branch.model) for branch in service.branches]
        if len(served) == 1:
            return self._one_model(service, served[0], states)
        # Should it have one model again, that one is tried against nothing of before.
        self._forget(service.name)
        return tuple(
            PlannedBranch(name, one, branch.weight, _least(service))
            for name, one, branch in zip("ab", served, service.branches, strict=True)
        )

    def _one_model(
        self, service: Wish, wished: Served, states: Sequence[BranchState]
    ) -> tuple[PlannedBranch, ...]:
        """Plan a service with one model, or with a second one that is tried."""
        progress = self._rollout(service, wished, states)
        stable = self._stable.get(service.name)
        if progress is None or stable is None or self.policy is None:
            self._stable[service.name] = wished
            return (PlannedBranch(branch_name(wished), wished, 1.0, _least(service)),)
        share, stage = rollouts.shares(progress, self.policy)
        old = PlannedBranch(branch_name(stable), stable, 1.0 - share, _least(service))
        if stage is None:
            return (old,)
        new = PlannedBranch(
            branch_name(wished), wished, share, _least(service), shadow=stage.is_shadow
        )
        return old, new

    def _rollout(
        self, service: Wish, wished: Served, states: Sequence[BranchState]
    ) -> Progress | None:
        """Begin, move or end the rollout of a service; give how far it is."""
        progress = self._rollouts.of(service.name)
        counts = self._counted.setdefault(service.name, {})
        counts.update(_counts(states))
        if self.policy is not None and service.name not in self._stable:
            self._recall(service.name, progress)
        stable = self._stable.get(service.name)
        if (
            self.policy is None
            or stable is None
            # A session's requests must all come to one version.
            or stable.stateful
            or wished.stateful
        ):
            if progress is not None:
                self._rollouts.keep(service.name, None)
            return None
        if progress is None or progress.candidate != wished.image:
            return self._begin(self.policy, service, stable, wished)
        if progress.state == "back":
            return progress
        at = self.parts.clock.now()
        progress = rollouts.fitted(progress, self.policy)
        given_up = (
            rollouts.give_up(progress, policy=self.policy, actor=ACTOR, at=at)
            if _key(service.name, branch_name(wished)) in self._unable
            else None
        )
        is_shadow = self.policy.stages[progress.stage].is_shadow
        step = given_up or rollouts.look(
            progress,
            counts,
            policy=self.policy,
            actor=ACTOR,
            at=at,
            loss=self._quality.losses(stable.image, wished.image, shadow=is_shadow).get,
        )
        self._take(service, wished, step)
        return step.progress

    def _begin(
        self, policy: RolloutPolicy, service: Wish, stable: Served, wished: Served
    ) -> Progress | None:
        """Begin to try what is wished now; one that was gone back to answers without."""
        progress, is_same = self._rollouts.of(service.name), stable.image == wished.image
        if progress is None and is_same:
            return None
        rollback, at = self._rollback(service, wished), self.parts.clock.now()
        if rollback is None and not is_same:
            counts = self._counted[service.name]
            step = rollouts.begin(
                service.name, stable.image, wished.image, counts, policy=policy, actor=ACTOR, at=at
            )
        elif progress is None or progress.state == "back":
            self._rollouts.keep(service.name, None)
            return None
        else:
            why = rollback.reason if rollback else f"{wished.image} is to answer everything"
            step = rollouts.end(progress, why, policy=policy, actor=ACTOR, at=at)
        self._take(service, wished, step)
        return step.progress

    def _rollback(self, service: Wish, wished: Served) -> Decision | None:
        """Give the rollback by which a champion serves: in an emergency nothing is tried first."""
        champion = self.parts.store.models.champion(wished.model)
        if (
            champion is None
            or not service.branches[0].model.is_champion
            or str(champion.version) != wished.version
        ):
            return None
        decision = self.parts.store.decisions.get(champion.decision_id)
        return decision if decision is not None and decision.kind == "rollback" else None

    def _take(self, service: Wish, wished: Served, step: Step) -> None:
        """Record a step, then remember it; after a crash between the two it is recorded again."""
        decision = step.decision
        if decision is None:
            return
        store = self.parts.store
        is_back = decision.outcome == "back"
        with store.transactions.begin():
            store.decisions.record(decision)
            store.audit.record(
                audit_event(
                    decision.model,
                    "Rollout",
                    decision.decision_id,
                    decision.reason,
                    at=decision.decided_at,
                    severity=Severity.WARNING if is_back else Severity.INFO,
                    facts={"service": service.name, "decision": decision.decision_id},
                )
            )
        if is_back and service.branches[0].model.is_champion:
            self._take_back(wished, self._stable[service.name], decision.decision_id)
        self._rollouts.keep(service.name, step.progress)

    def _take_back(self, wished: Served, stable: Served, decision_id: str) -> None:
        """Let the champion be again what it was, for everyone else who asks for it."""
        champion = self.parts.store.models.champion(wished.model)
        if champion is not None and champion.version == int(wished.version):
            roll_back(
                wished.model,
                request_id=decision_id,
                version=int(stable.version),
                actor=ACTOR,
                reason=f"taken back in a rollout, see {decision_id}",
                store=self.parts.store,
                clock=self.parts.clock,
            )

    def _recall(self, name: str, progress: Progress | None) -> None:
        """Find again, after a restart, what a service of one model answered with."""
        if progress is not None:
            self._stable[name] = self._catalogue.resolve(ModelRef.parse(progress.stable))
            return
        answering = [one for one in self._last.get(name, ()) if not one.shadow]
        if len(answering) == 1:
            try:
                image = answering[0].served.image
                self._stable[name] = self._catalogue.resolve(ModelRef.parse(image))
            except CTError as error:
                _log.warning("Service %s answered with what is no longer there: %s", name, error)

    def _forget_all_but(self, names: Sequence[str]) -> None:
        """Forget services that are no longer wished: another one may get their name."""
        for name in {*self._last, *self._stable, *self._counted, *self._rollouts.services()}:
            if name not in names:
                self._forget(name)

    def _forget(self, name: str) -> None:
        for remembered in (self._last, self._stable, self._counted):
            remembered.pop(name, None)
        if self._rollouts.of(name) is not None:
            self._rollouts.keep(name, None)

    def _scaled(
        self,
        service: Wish,
        branch: PlannedBranch,
        states: Sequence[BranchState],
        uses: Mapping[int, Use],
    ) -> PlannedBranch:
        """Give a branch the instances that it needs."""
        rule = service.instances
        if not isinstance(rule, Autoscaling):
            return branch
        pids = next((state.pids for state in states if state.branch == branch.branch), ())
        instances = self.scaler.instances(
            _key(service.name, branch.branch),
            len(pids) or rule.minimum,
            [uses[pid] for pid in pids if pid in uses],
            rule,
            now_s=self.now_s(),
        )
        return PlannedBranch(branch.branch, branch.served, branch.weight, instances, branch.shadow)


def _wish(kept: KeptService) -> Wish:
    said = kept.service
    return Wish(said.name, said.branches, said.instances, said.domain, kept.owner)


def branch_name(served: Served) -> str:
    """Name a branch by what answers in it, so that a version keeps its processes."""
    return f"{served.model}-{served.version}"


def _last_plan(path: Path) -> dict[str, tuple[PlannedBranch, ...]]:
    """Read what was planned last, as the route file says it."""
    try:
        routes = read_routes(path)
    except ConfigError as error:
        _log.warning("%s", error)
        return {}
    return {
        service.name: tuple(_planned(branch) for branch in service.branches)
        for service in routes.services
    }


def _planned(route: BranchRoute) -> PlannedBranch:
    served = Served(**{one.name: getattr(route, one.name) for one in fields(Served)})
    return PlannedBranch(route.branch, served, route.weight, route.instances, route.shadow)


def _least(service: Wish) -> int:
    rule = service.instances
    return rule.minimum if isinstance(rule, Autoscaling) else rule


def _key(service: str, branch: str) -> str:
    return f"{service}/{branch}"


def _counts(states: Sequence[BranchState]) -> dict[str, Counts]:
    images = {state.image for state in states}
    return {
        image: total([state.counts for state in states if state.image == image])
        for image in images
    }
