"""Branches get their shares; counts are those that were counted."""

from __future__ import annotations

from typing import Any, cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from iris_ct.serving.metrics import BOUNDS_S, BranchCounts, Metrics
from iris_ct.serving.pool import Backend
from iris_ct.serving.routes import BranchRoute, ServiceRoute
from iris_ct.serving.table import Branch, Service, Table, share_of

PLACE = ("s", "a", "m", "1")


def service(*weights: float) -> Service:
    """Make a service; nothing of it is asked."""
    names = "abc"[: len(weights)]
    parts = [
        BranchRoute(name, "m", str(i + 1), "x", weight=weight)
        for i, (name, weight) in enumerate(zip(names, weights, strict=True))
    ]
    nothing = cast(Backend, None)
    branches = [Branch(part, nothing, BranchCounts(PLACE)) for part in parts]
    return Service(ServiceRoute("s", parts), branches)


def counted(chosen: Service, keys: list[bytes]) -> list[int]:
    """Count the choices of each branch."""
    names = [chosen.choose(key).name for key in keys]
    return [names.count(branch.name) for branch in chosen.branches]


@pytest.mark.parametrize("sticky", [True, False])
def test_shares_are_within_four_standard_deviations(sticky: bool) -> None:
    """20,000 draws of 0.2: 4,000, standard deviation sqrt(20000 * 0.2 * 0.8) = 56.6."""
    keys = [str(i).encode() if sticky else b"" for i in range(20_000)]
    first, second = counted(service(0.2, 0.8), keys)
    assert abs(first - 4000) < 4 * 56.6
    assert first + second == 20_000


def test_a_share_that_grows_keeps_those_it_had() -> None:
    keys = [str(i).encode() for i in range(2000)]
    before, after = service(0.2, 0.8), service(0.5, 0.5)
    moved = [
        key for key in keys if before.choose(key).name == "a" and after.choose(key).name != "a"
    ]
    assert moved == []


def test_a_share_of_nothing_gets_nothing_and_the_last_gets_the_rest() -> None:
    keys = [str(i).encode() for i in range(500)]
    assert counted(service(0.0, 1.0), keys) == [0, 500]
    assert sum(counted(service(0.1, 0.2, 0.7), keys)) == 500


def test_a_key_has_the_same_place_on_every_machine() -> None:
    """A snapshot: clients that are moved by an upgrade would notice."""
    assert share_of("bikes", b"42") == pytest.approx(0.2771, abs=1e-4)


def test_paths_of_versions_choose_among_that_version_only() -> None:
    table = Table(1, [service(0.5, 0.5)])
    endpoint = table.endpoints["/v2/models/s/versions/2/infer"]
    assert endpoint.service is not None
    assert {endpoint.service.choose(b"").name for _ in range(50)} == {"b"}
    assert "/v2/models/s/versions/3/infer" not in table.endpoints


def values(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Read the text back with the parser of the Prometheus client."""
    text = metrics.text([]).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def labels(**more: str) -> frozenset[tuple[str, str]]:
    """Make the labels of the place."""
    named = dict(zip(("service", "branch", "model", "version"), PLACE, strict=True))
    return frozenset({**named, **more}.items())


def test_latencies_fall_into_their_buckets() -> None:
    metrics = Metrics()
    counts = metrics.branch(PLACE)
    for status, seconds in ((200, 0.001), (200, 0.0011), (504, 3.0), (500, 100.0)):
        counts.add(status, seconds, 2)
    found = values(metrics)
    assert found["ct_request_seconds_bucket", labels(le="0.001")] == 1
    assert found["ct_request_seconds_bucket", labels(le="0.0025")] == 2
    assert found["ct_request_seconds_bucket", labels(le="3.0")] == 3
    assert found["ct_request_seconds_bucket", labels(le="+Inf")] == 4
    assert found["ct_request_seconds_sum", labels()] == pytest.approx(103.0021)
    assert found["ct_errors_total", labels()] == 2
    assert found["ct_rows_total", labels()] == 8
    stats = counts.stats("m:1")
    assert (stats["requests"], stats["errors"], stats["timeouts"]) == (4, 1, 1)
    assert len(stats["buckets"]) == len(BOUNDS_S) + 1


def one(kind: str, value: Any, key: str = "k", **tags: str) -> dict[str, Any]:
    """Make a model's metric."""
    return {"type": kind, "key": key, "value": value, **({"tags": tags} if tags else {})}


def test_counters_add_gauges_replace_and_timers_sum_and_count() -> None:
    metrics = Metrics()
    for value in (2, 3):
        metrics.models.add(PLACE, [one("COUNTER", value, "n"), one("GAUGE", value, "g")])
        metrics.models.add(PLACE, [one("TIMER", 100 * value, "t", step="load")])
    found = values(metrics)
    assert found["n_total", labels()] == 5
    assert found["g", labels()] == 3
    assert found["t_sum", labels(step="load")] == pytest.approx(0.5)
    assert found["t_count", labels(step="load")] == 2


def test_another_type_or_other_tags_than_before_are_not_counted() -> None:
    metrics = Metrics()
    metrics.models.add(PLACE, [one("COUNTER", 1, a="x"), one("COUNTER", 1, a="y")])
    wrong = [one("GAUGE", 1, a="x"), one("COUNTER", 1), one("COUNTER", 1, b="x")]
    wrong += [one("COUNTER", -1, a="x"), one("COUNTER", "1", a="x"), one("OTHER", 1, "z")]
    metrics.models.add(PLACE, wrong)
    assert metrics.models.refused == len(wrong)
    assert values(metrics)["k_total", labels(a="x")] == 1


def test_a_model_cannot_fill_the_memory_with_names_or_break_a_sum() -> None:
    metrics = Metrics()
    metrics.models.add(PLACE, [one("COUNTER", 1, f"k{n}") for n in range(3000)])
    assert metrics.models.refused == 1000
    assert len(metrics.models._kinds) == 2000
    odd = [one("COUNTER", 10**400, "k1"), {"type": ["COUNTER"], "key": "k1", "value": 1}]
    odd += [one("COUNTER", float("nan"), "k1"), one("COUNTER", 1, "x" * 5000)]
    metrics.models.add(PLACE, odd)
    assert metrics.models.refused == 1000 + len(odd)
    assert values(metrics)["k1_total", labels()] == 1


def test_names_of_models_cannot_hide_ours() -> None:
    metrics = Metrics()
    tags = {"service": "x", "the-tag": "y"}
    metrics.models.add(PLACE, [one("COUNTER", 1, "ct_requests_total", **tags)])
    assert values(metrics)["model_ct_requests_total", labels(tag_service="x", the_tag="y")] == 1
