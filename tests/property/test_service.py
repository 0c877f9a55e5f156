"""What holds for every service: forms are inverse, changes keep the rules."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iris_ct.core.errors import ServiceRuleError
from iris_ct.core.service import (
    Autoscaling,
    Change,
    ModelRef,
    Service,
    change_from_json,
    change_to_json,
    changed,
    make_service,
    say_weights,
    service_from_json,
    service_to_json,
    weights_for,
)

names = st.from_regex(r"[a-z0-9]{1,5}(-[a-z0-9]{1,5}){0,3}", fullmatch=True)
references = st.builds(
    ModelRef,
    st.from_regex(r"[a-z0-9._]{1,12}", fullmatch=True),
    st.one_of(
        st.just("champion"), st.from_regex(r"[0-9]{1,3}[.][0-9]{1,3}[.][0-9]{1,3}", fullmatch=True)
    ),
).map(lambda ref: ModelRef.parse(str(ref)))
shares = st.floats(0, 1, allow_nan=False).map(lambda share: [share])
counts = st.integers(1, 1000)
scalings = st.builds(
    lambda low, more, metric, target: Autoscaling(low, low + more, metric, target),
    counts,
    st.integers(0, 50),
    st.sampled_from(("cpu", "memory")),
    counts,
)
instances = st.one_of(counts, scalings)
services = st.one_of(
    st.builds(lambda n, m, i: make_service(n, [m], instances=i), names, references, instances),
    st.builds(
        lambda n, a, b, w, i: make_service(n, [a, b], weights=w, instances=i, domain="east"),
        names,
        references,
        references,
        st.one_of(st.none(), shares),
        instances,
    ),
)
changes = st.builds(
    Change,
    st.one_of(st.none(), st.lists(references, min_size=1, max_size=2).map(tuple)),
    st.none(),
    instances,
)


@given(services)
def test_the_json_form_keeps_everything(service: Service) -> None:
    assert service_from_json(json.loads(json.dumps(service_to_json(service)))) == service


@given(services, changes)
def test_a_change_done_twice_changes_once(service: Service, change: Change) -> None:
    once = changed(service, change)
    assert changed(once, change) == once
    assert change_from_json(json.loads(json.dumps(change_to_json(change)))) == change


@given(services)
def test_a_service_put_into_its_own_place_changes_nothing(service: Service) -> None:
    weights = service.weights if len(service.models) == 2 else None
    assert changed(service, Change(service.models, weights, service.instances)) == service


@given(shares)
def test_one_weight_gives_two_with_the_sum_one(said: list[float]) -> None:
    first, second = weights_for(2, said)
    assert first == said[0]
    assert math.isclose(first + second, 1.0, abs_tol=1e-12)
    assert weights_for(2, (first, second)) == (first, second)
    assert say_weights((first, second)).count(",") == 1


@given(st.lists(st.floats(-2, 3, allow_nan=False), min_size=2, max_size=2))
def test_two_weights_are_taken_exactly_if_they_share(said: list[float]) -> None:
    fine = all(0 <= weight <= 1 for weight in said) and abs(math.fsum(said) - 1) <= 1e-9
    if fine:
        assert weights_for(2, said) == tuple(said)
    elif abs(math.fsum(said) - 1) > 1.0001e-9 or not all(0 <= weight <= 1 for weight in said):
        with pytest.raises(ServiceRuleError):
            weights_for(2, said)
