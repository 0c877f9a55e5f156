"""What the control process plans on a real home: champions, services, rollouts, instances."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from tests.cli.running import MODEL
from tests.control.changes import promote_version_1, rollout_outcomes, step_back

from iris_ct.adapters.bundles import load_bundle
from iris_ct.bootstrap import Parts
from iris_ct.control.counts import BranchState, Counts
from iris_ct.control.keeper import Keeper, Look
from iris_ct.control.measure import Meter, Use
from iris_ct.control.plan import PlannedService, route_table
from iris_ct.control.rollouts import Rollouts, begin
from iris_ct.core.narration import narrate
from iris_ct.core.rollout import RolloutPolicy, parse_stages
from iris_ct.core.service import Autoscaling, ModelRef, make_service
from iris_ct.serving.routes import parse_routes

POLICY = RolloutPolicy(stages=parse_stages("shadow,0.5"), min_requests=10, min_stage_s=0.0)
BOUNDS = (0.01, 0.1)


class Told(Meter):
    """A meter that is told what to measure."""

    def __init__(self) -> None:
        super().__init__()
        self.uses: dict[int, Use] = {}

    def use(self, pids: Iterable[int], *, now_s: float) -> dict[int, Use]:
        return self.uses


def only(look: Look) -> PlannedService:
    assert look.failures == {}
    (service,) = look.services
    return service


def images(service: PlannedService) -> list[tuple[str, float, bool]]:
    return [(one.served.image, one.weight, one.shadow) for one in service.branches]


def state(
    image: str, requests: int, *, errors: int = 0, pids: tuple[int, ...] = ()
) -> BranchState:
    model, _, version = image.partition(":")
    counts = Counts(requests, errors, BOUNDS, (requests, 0, 0))
    return BranchState(model, f"{model}-{version}", image, pids, counts)


def try_version_1(parts: Parts) -> tuple[str, str]:
    """Promote version 1; give the images of before and after."""
    promote_version_1(parts)
    return f"{MODEL}:2", f"{MODEL}:1"


def test_a_champion_is_served_without_asking(parts: Parts) -> None:
    service = only(Keeper(parts).look([]))
    assert service.name == MODEL
    assert images(service) == [(f"{MODEL}:2", 1.0, False)]
    scorer = load_bundle(parts.home / service.branches[0].served.bundle)
    assert (scorer.signature.model, scorer.signature.version) == (MODEL, 2)


def test_a_bundle_that_was_deleted_is_made_again(parts: Parts) -> None:
    keeper = Keeper(parts)
    bundle = parts.home / only(keeper.look([])).branches[0].served.bundle
    shutil.rmtree(bundle)
    keeper.look([])
    assert load_bundle(bundle).signature.version == 2


def test_a_promotion_is_followed_at_the_next_look(parts: Parts) -> None:
    keeper = Keeper(parts)
    keeper.look([])
    try_version_1(parts)
    assert images(only(keeper.look([]))) == [(f"{MODEL}:1", 1.0, False)]


def test_a_service_of_two_versions_keeps_its_weights(parts: Parts) -> None:
    wished = make_service(
        MODEL, [ModelRef(MODEL, "1.0.0"), ModelRef(MODEL, "champion")], weights=[0.2, 0.8]
    )
    parts.store.services.create(wished, owner="eva", at=datetime.now(UTC))
    service = only(Keeper(parts).look([]))
    assert service.owner == "eva"
    assert images(service) == [(f"{MODEL}:1", 0.2, False), (f"{MODEL}:2", 0.8, False)]


def test_the_same_version_twice_has_two_branches(parts: Parts) -> None:
    wished = make_service(MODEL, [ModelRef(MODEL, "2.0.0"), ModelRef(MODEL, "champion")])
    parts.store.services.create(wished, owner="eva", at=datetime.now(UTC))
    service = only(Keeper(parts).look([]))
    assert [one.branch for one in service.branches] == ["a", "b"]


def test_what_cannot_be_served_is_told_and_the_others_are_served(parts: Parts) -> None:
    wished = make_service("ghosts", [ModelRef("ghost", "1.2.3")])
    parts.store.services.create(wished, owner="eva", at=datetime.now(UTC))
    look = Keeper(parts).look([])
    assert [service.name for service in look.services] == [MODEL]
    assert "ghost:1.2.3" in look.failures["ghosts"]


def test_a_candidate_is_a_shadow_then_gets_half_then_everything(parts: Parts) -> None:
    keeper = Keeper(parts, POLICY)
    keeper.look([])
    old, new = try_version_1(parts)
    seen = [images(only(keeper.look([state(old, 100)])))]
    for number in (1, 2):
        counts = [state(old, 100 + 20 * number), state(new, 20 * number)]
        seen.append(images(only(keeper.look(counts))))
    assert seen == [
        [(old, 1.0, False), (new, 0.0, True)],
        [(old, 0.5, False), (new, 0.5, False)],
        [(new, 1.0, False)],
    ]
    assert rollout_outcomes(parts) == ["begin", "forward", "full"]


def test_a_failing_candidate_is_taken_back_and_the_champion_with_it(parts: Parts) -> None:
    keeper = Keeper(parts, POLICY)
    keeper.look([])
    old, new = try_version_1(parts)
    keeper.look([state(old, 100)])
    keeper.look([state(old, 120), state(new, 12, errors=12)])
    champion = parts.store.models.champion(MODEL)
    assert champion is not None
    assert (champion.version, champion.actor) == (2, "rollout")
    assert images(only(keeper.look([]))) == [(old, 1.0, False)]
    back = [d for d in parts.store.decisions.decisions(MODEL) if d.kind == "rollout"][-1]
    assert back.outcome == "back"
    assert [check.passed for check in back.checks] == [False, True]


def test_a_candidate_that_cannot_be_started_is_taken_back(parts: Parts) -> None:
    keeper = Keeper(parts, POLICY)
    keeper.look([])
    old, new = try_version_1(parts)
    unable = {f"{MODEL}/{MODEL}-1"}
    assert len(only(keeper.look([state(old, 100)], unable)).branches) == 2
    assert images(only(keeper.look([state(old, 120)], unable))) == [(old, 1.0, False)]
    champion = parts.store.models.champion(MODEL)
    assert champion is not None
    assert (champion.version, champion.actor) == (2, "rollout")
    back = [d for d in parts.store.decisions.decisions(MODEL) if d.kind == "rollout"][-1]
    assert (back.outcome, back.checks) == ("back", ())
    assert back.reason.endswith("it cannot be started")
    assert "cannot be started" in "\n".join(
        narrate(back, parts.store.specifications.newest(MODEL))
    )
    assert new in back.reason


def test_a_rollback_answers_everything_at_once(parts: Parts) -> None:
    """Also after the control process was away; what is promoted afterwards is tried again."""
    keeper = Keeper(parts, POLICY)
    planned(parts, keeper.look([]))
    step_back(parts, to=1)
    for looking in (keeper, Keeper(parts, POLICY)):
        assert images(only(looking.look([]))) == [(f"{MODEL}:1", 1.0, False)]
    assert rollout_outcomes(parts) == []


@pytest.mark.parametrize("n_looks", [1, 2])
def test_a_rollback_ends_the_rollout_of_what_it_takes_away(parts: Parts, n_looks: int) -> None:
    """As a shadow and with half of the requests: the version before answers everything again."""
    keeper = Keeper(parts, POLICY)
    keeper.look([])
    old, new = try_version_1(parts)
    for number in range(n_looks):
        keeper.look([state(old, 100 + 20 * number), state(new, 20 * number)])
    step_back(parts, to=2)
    for looking in (keeper, Keeper(parts, POLICY)):
        assert images(only(looking.look([state(old, 200), state(new, 60)]))) == [(old, 1.0, False)]
    assert rollout_outcomes(parts) == ["begin", *["forward"] * (n_looks - 1), "ended"]
    ended = parts.store.decisions.decisions(MODEL)[-1]
    why = "version 2 serves again instead of 1: too high"
    assert ended.reason == f"{new} is no longer tried in service {MODEL}: {why}"
    events = [
        one for one in parts.store.audit.events(MODEL) if one.step in {"Rollback", "Rollout"}
    ]
    assert [(one.step, one.text) for one in events[-2:]] == [
        ("Rollback", why),
        ("Rollout", ended.reason),
    ]
    assert events[-2].facts["actor"] == "eva"


def test_a_rollback_past_the_stable_version_ends_the_rollout_too(parts: Parts) -> None:
    """Version 3 was tried instead of 2, as the file says, and version 1 is gone back to."""
    counts = {f"{MODEL}:{number}": Counts(100, 0, BOUNDS, (100, 0, 0)) for number in (2, 3)}
    step = begin(
        MODEL,
        f"{MODEL}:2",
        f"{MODEL}:3",
        counts,
        policy=POLICY,
        actor="rollout",
        at=datetime.now(UTC),
    )
    (parts.home / "serving").mkdir(exist_ok=True)
    Rollouts(parts.home / "serving" / "rollouts.json").keep(MODEL, step.progress)
    step_back(parts, to=1)
    assert images(only(Keeper(parts, POLICY).look([]))) == [(f"{MODEL}:1", 1.0, False)]
    assert rollout_outcomes(parts) == ["ended"]
    assert Rollouts(parts.home / "serving" / "rollouts.json").of(MODEL) is None


def test_a_rollout_goes_on_with_another_control_process(parts: Parts) -> None:
    keeper = Keeper(parts, POLICY)
    keeper.look([])
    old, new = try_version_1(parts)
    keeper.look([state(old, 100)])
    again = Keeper(parts, POLICY)
    assert images(only(again.look([]))) == [(old, 1.0, False), (new, 0.0, True)]


def planned(parts: Parts, look: Look) -> None:
    """Write the plan down, as the control process does once the gateway follows it."""
    table = route_table(look.services, revision=1, timeout_s=3.0, allow_pickle=False)
    (parts.home / "serving" / "routes.json").write_bytes(msgspec.json.encode(table))


def damage(parts: Parts, number: int) -> None:
    files = parts.store.models.files(parts.store.models.get(MODEL, number))
    (files / "model.txt").unlink()


def test_a_champion_that_is_damaged_stops_no_other_service(parts: Parts) -> None:
    wished = make_service("older", [ModelRef(MODEL, "1.0.0")])
    parts.store.services.create(wished, owner="eva", at=datetime.now(UTC))
    damage(parts, 2)
    look = Keeper(parts).look([])
    assert [service.name for service in look.services] == ["older"]
    assert MODEL in look.failures


def test_what_serves_goes_on_when_it_can_no_longer_be_planned(parts: Parts) -> None:
    """Also of two models, and after a restart, of which the route file tells."""
    wished = make_service("two", [ModelRef(MODEL, "1.0.0"), ModelRef(MODEL, "champion")])
    parts.store.services.create(wished, owner="eva", at=datetime.now(UTC))
    before = Keeper(parts).look([])
    planned(parts, before)
    damage(parts, 1)
    again = Keeper(parts).look([])
    assert [service.name for service in again.services] == ["two", MODEL]
    assert again.services == before.services
    assert set(again.failures) == {"two"}


def test_a_version_is_tried_that_was_promoted_while_nobody_looked(parts: Parts) -> None:
    planned(parts, Keeper(parts).look([]))
    old, new = try_version_1(parts)
    seen = images(only(Keeper(parts, POLICY).look([])))
    assert seen == [(old, 1.0, False), (new, 0.0, True)]


def test_a_rollout_goes_on_with_fewer_stages_than_it_began_with(parts: Parts) -> None:
    keeper = Keeper(parts, POLICY)
    keeper.look([])
    old, new = try_version_1(parts)
    keeper.look([state(old, 100)])
    keeper.look([state(old, 120), state(new, 20)])
    shorter = RolloutPolicy(stages=parse_stages("0.1"), min_requests=10, min_stage_s=0.0)
    again = Keeper(parts, shorter)
    assert images(only(again.look([]))) == [(old, 0.9, False), (new, 0.1, False)]
    assert images(only(again.look([state(old, 140), state(new, 40)]))) == [(new, 1.0, False)]


def test_what_a_candidate_did_before_it_was_one_does_not_count(parts: Parts) -> None:
    keeper = Keeper(parts, POLICY)
    old, new = f"{MODEL}:2", f"{MODEL}:1"
    keeper.look([state(old, 100), state(new, 500, errors=500)])
    keeper.look([state(old, 100)])
    try_version_1(parts)
    keeper.look([state(old, 100)])
    seen = images(only(keeper.look([state(old, 120), state(new, 502, errors=500)])))
    assert seen == [(old, 1.0, False), (new, 0.0, True)]


def test_a_name_that_is_given_again_has_no_past(parts: Parts) -> None:
    keeper, store = Keeper(parts, POLICY), parts.store.services
    for version in ("1.0.0", "2.0.0"):
        wished = make_service("again", [ModelRef(MODEL, version)])
        store.create(wished, owner="eva", at=datetime.now(UTC))
        seen = {one.name: images(one) for one in keeper.look([]).services}
        assert seen["again"] == [(f"{MODEL}:{version[0]}", 1.0, False)]
        store.delete("again")
        keeper.look([])


def test_instances_follow_the_use_of_the_processes(parts: Parts) -> None:
    rule = Autoscaling(minimum=1, maximum=4, metric="cpu", target=100)
    wished = make_service(MODEL, [ModelRef(MODEL, "champion")], instances=rule)
    parts.store.services.create(wished, owner="eva", at=datetime.now(UTC))
    clock = iter(range(0, 10_000, 400))
    meter = Told()
    keeper = Keeper(parts, meter=meter, now_s=lambda: float(next(clock)))

    def instances(uses: dict[int, Use]) -> int:
        meter.uses = uses
        return only(keeper.look([state(f"{MODEL}:2", 0, pids=tuple(uses))])).branches[0].instances

    assert instances({}) == 1
    assert instances({11: Use(200.0, 50.0)}) == 2
    assert instances({11: Use(134.0, 50.0), 12: Use(134.0, 50.0), 13: Use(134.0, 50.0)}) == 4
    # The first look after the window of the higher recommendation.
    assert instances(dict.fromkeys((11, 12, 13, 14), Use(25.0, 50.0))) == 1


def test_the_plan_is_a_route_table_that_the_gateway_reads(parts: Parts) -> None:
    look = Keeper(parts).look([])
    text = msgspec.json.encode(
        route_table(look.services, revision=7, timeout_s=3.0, allow_pickle=False)
    )
    table = parse_routes(text, source="test")
    assert table.revision == 7
    (branch,) = table.services[0].branches
    assert (branch.image, branch.runtime, branch.instances) == (f"{MODEL}:2", "native", 1)


def test_nothing_is_written_outside_the_serving_folder(parts: Parts) -> None:
    before = _files(parts.home)
    Keeper(parts, POLICY).look([])
    new = _files(parts.home) - before
    assert {path.parts[0] for path in new} == {"serving"}


def _files(home: Path) -> set[Path]:
    return {p.relative_to(home) for p in home.rglob("*") if p.is_file() and "ct.db" not in p.name}
