"""Names, weights, instances, changes and the JSON form of services."""

from __future__ import annotations

from typing import Any

import pytest

from iris_ct.core.errors import ServiceRuleError
from iris_ct.core.service import (
    Autoscaling,
    Change,
    ModelRef,
    Service,
    change_from_json,
    changed,
    check_description,
    check_domain,
    check_package_id,
    check_service_name,
    check_version,
    instances_of,
    make_service,
    parse_references,
    parse_weights,
    public_key_digest,
    service_from_json,
    service_to_json,
    service_words,
    weights_for,
)

A, B, C = (ModelRef.parse(text) for text in ("a:1.0.0", "b.x:2.0.0", "bikes"))


@pytest.mark.parametrize("name", ["a", "bikes", "a-b-c", "0", "a1-2b", "x" * 63])
def test_good_names_of_services_are_taken(name: str) -> None:
    assert check_service_name(name) == name


@pytest.mark.parametrize(
    "name", ["", "A", "a--b", "-a", "a-", "a.b", "a_b", "ä", "a b", "a\n", "x" * 64, "a/../b"]
)
def test_bad_names_of_services_are_refused(name: str) -> None:
    with pytest.raises(ServiceRuleError, match="service name"):
        check_service_name(name)


def test_ids_versions_descriptions_and_domains_have_their_rules() -> None:
    assert check_package_id("com.shop.iot2") == "com.shop.iot2"
    assert check_package_id("a" * 32)
    assert check_version("0.1.40") == "0.1.40"
    assert check_description("x" * 120)
    assert check_domain("") == ""
    for check, wrong in (
        (check_package_id, ["", "A", "a-b", "a" * 33, "a_b"]),
        (check_version, ["1", "1.2", "1.2.3.4", "1.2.-3", "1.2.x", "a.b.c", "", "٣.1.1"]),
        (check_description, ["x" * 121]),
        (check_domain, ["a b", "/", "-a", "x" * 64]),
    ):
        for text in wrong:
            with pytest.raises(ServiceRuleError):
                check(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("com.shop:1.2.3", "com.shop:1.2.3"),
        ("bikes", "bikes:champion"),
        ("bikes:champion", "bikes:champion"),
        ("my_bikes:3", "my_bikes:3.0.0"),
        ("bikes:3.0.0", "bikes:3.0.0"),
        (" bikes ", "bikes:champion"),
    ],
)
def test_references_are_read(text: str, said: str) -> None:
    assert str(ModelRef.parse(text)) == said


@pytest.mark.parametrize(
    "text", ["", ":", "a:", ":1.0.0", "A:1.0.0", "a:1.0", "a:latest", "a:1.0.0:b", "a b:1.0.0"]
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ServiceRuleError, match="reference"):
        ModelRef.parse(text)


def test_a_reference_says_which_version_trained_here_it_can_mean() -> None:
    assert ModelRef.parse("bikes:7").own_version == 7
    assert ModelRef.parse("bikes:7.0.1").own_version is None
    assert C.own_version is None
    assert (C.is_champion, A.is_champion) == (True, False)


def test_a_service_has_one_model_or_two() -> None:
    assert parse_references("a:1.0.0,b.x:2.0.0") == (A, B)
    with pytest.raises(ServiceRuleError, match="found 3"):
        parse_references("a:1.0.0,b:1.0.0,c:1.0.0")


@pytest.mark.parametrize(
    ("said", "weights"),
    [
        (None, (0.5, 0.5)),
        ([0.2], (0.2, 0.8)),
        ([0.1, 0.9], (0.1, 0.9)),
        ([1 - 0.9, 0.9], (1 - 0.9, 0.9)),
        ([0.7, 0.3], (0.7, 0.3)),
        ([1], (1.0, 0.0)),
        ([0, 1], (0.0, 1.0)),
    ],
)
def test_two_models_share(said: list[float] | None, weights: tuple[float, ...]) -> None:
    assert weights_for(2, said) == weights


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0.6,0.6", "sum 1, found 0.6,0.6 with the sum 1.2"),
        ("-0.1", "between 0 and 1, found -0.1"),
        ("1.5,-0.5", "between 0 and 1, found 1.5"),
        ("0.2,0.3,0.5", "found 3: 0.2,0.3,0.5"),
        ("half", 'found "half"'),
        ("nan", 'found "nan"'),
        ("inf,0", 'found "inf"'),
        ("0.2,", 'found ""'),
    ],
)
def test_wrong_weights_are_refused(text: str, words: str) -> None:
    with pytest.raises(ServiceRuleError, match=words):
        weights_for(2, parse_weights(text))


def test_one_model_has_no_weights() -> None:
    assert weights_for(1, None) == (1.0,)
    with pytest.raises(ServiceRuleError, match="for two models, found one"):
        weights_for(1, [0.2])


AUTO: dict[str, str] = {"minimum": "1", "maximum": "3", "metric": "cpu", "target": "100"}


def test_instances_are_a_number_or_auto() -> None:
    assert instances_of(None) is None
    assert instances_of("2") == 2
    assert instances_of("auto", **AUTO) == Autoscaling(1, 3, "cpu", 100)
    assert instances_of("auto", **{**AUTO, "target": "100m"}) == Autoscaling(1, 3, "cpu", 100)
    memory = {**AUTO, "metric": "memory", "target": "256Mi"}
    assert str(instances_of("auto", **memory)) == "memory:256Mi"


@pytest.mark.parametrize(
    ("instances", "options", "words"),
    [
        ("0", {}, "positive whole number or auto"),
        ("-1", {}, "positive whole number or auto"),
        ("1.5", {}, "positive whole number or auto"),
        ("many", {}, 'found "many"'),
        ("99999999999", {}, "positive whole number"),
        ("auto", {}, "missing: minReplicas, maxReplicas, metric, targetAverageValue"),
        ("auto", {**AUTO, "metric": None}, "missing: metric"),
        ("2", AUTO, "together with instances auto, found instances 2"),
        (None, {"minimum": "1"}, "minReplicas can only be given together"),
        ("auto", {**AUTO, "minimum": "4"}, r"minReplicas \(4\) must not be larger than"),
        ("auto", {**AUTO, "metric": "disk"}, 'Metric "disk" is unknown. Expected cpu or memory'),
        ("auto", {**AUTO, "target": "0"}, "targetAverageValue must be a positive"),
        ("auto", {**AUTO, "target": "100Mi"}, "targetAverageValue"),
        ("auto", {**AUTO, "minimum": "0"}, "minReplicas must be a positive"),
    ],
)
def test_wrong_instances_are_refused(
    instances: str | None, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ServiceRuleError, match=words):
        instances_of(instances, **options)


@pytest.mark.parametrize(
    ("service", "words"),
    [
        (make_service("s", [A]), 'model "a:1.0.0", with 1 instance'),
        (make_service("s", [A], instances=2), 'model "a:1.0.0", with 2 instances'),
        (
            make_service("s", [A, B], weights=[0.2], instances=2),
            'models "a:1.0.0,b.x:2.0.0" with weights 0.2,0.8, with 2 instances',
        ),
        (
            make_service("s", [A], instances=Autoscaling(1, 3, "cpu", 100)),
            'model "a:1.0.0", with 1-3 instances, with autoscaling metrics cpu:100m',
        ),
    ],
)
def test_a_service_is_said_in_the_words_of_the_commands(service: Service, words: str) -> None:
    assert service_words(service) == words


SERVICE = make_service("s", [A, B], weights=[0.2], instances=2, domain="east")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (Change(models=(B, A)), ((B, A), (0.2, 0.8), 2)),
        (Change(models=(A,)), ((A,), (1.0,), 2)),
        (Change(weights=(0.3,)), ((A, B), (0.3, 0.7), 2)),
        (Change(instances=3), ((A, B), (0.2, 0.8), 3)),
        (
            Change(models=(C, A), weights=(0.9, 0.1), instances=Autoscaling(1, 2, "cpu", 5)),
            ((C, A), (0.9, 0.1), Autoscaling(1, 2, "cpu", 5)),
        ),
    ],
)
def test_a_change_changes_what_it_says(change: Change, wanted: tuple[Any, ...]) -> None:
    service = changed(SERVICE, change)
    assert (service.models, service.weights, service.instances) == wanted
    assert (service.name, service.domain) == ("s", "east")


def test_a_second_model_gets_half() -> None:
    assert changed(make_service("s", [A]), Change(models=(A, B))).weights == (0.5, 0.5)


def test_scaling_and_a_number_replace_each_other() -> None:
    scaling = Autoscaling(1, 3, "memory", 200)
    scaled = changed(SERVICE, Change(instances=scaling))
    assert scaled.autoscaling == scaling
    assert changed(scaled, Change(instances=2)) == SERVICE


def test_what_changes_nothing_gives_an_equal_service() -> None:
    assert changed(SERVICE, Change((A, B), (0.2, 0.8), 2)) == SERVICE


def test_a_change_must_say_something_and_keep_the_rules() -> None:
    with pytest.raises(ServiceRuleError, match="at least one of models, weights, instances"):
        Change()
    with pytest.raises(ServiceRuleError, match="for two models, found one"):
        changed(make_service("s", [A]), Change(weights=(0.5, 0.5)))


def test_the_json_form_is_that_of_the_reference() -> None:
    assert service_to_json(SERVICE) == {
        "name": "s",
        "type": "static",
        "replicas": 2,
        "models": [
            {"id": "a", "version": "1.0.0", "weight": 0.2},
            {"id": "b.x", "version": "2.0.0", "weight": 0.8},
        ],
        "domain": "east",
    }
    scaled = make_service("s", [A], instances=Autoscaling(1, 3, "memory", 64))
    assert service_to_json(scaled) == {
        "name": "s",
        "type": "model",
        "models": [{"id": "a", "version": "1.0.0"}],
        "autoScaling": {
            "minReplicas": 1,
            "maxReplicas": 3,
            "metrics": [{"name": "memoryMegaBytes", "targetAverageValue": 64}],
        },
    }


MODEL = {"id": "a", "version": "1.0.0"}
SCALING = {
    "minReplicas": 1,
    "maxReplicas": 3,
    "metrics": [{"name": "cpuMilliCores", "targetAverageValue": 100}],
}


def test_what_a_body_leaves_out_has_its_default() -> None:
    assert service_from_json({"name": "s", "models": [MODEL]}) == make_service("s", [A])
    two = {"name": "s", "models": [{**MODEL, "weight": 0.2}, MODEL], "replicas": 1}
    assert service_from_json(two).weights == (0.2, 0.8)
    both = {"name": "s", "models": [{**MODEL, "weight": 1}], "replicas": 2, "autoScaling": SCALING}
    assert service_from_json(both).autoscaling == Autoscaling(1, 3, "cpu", 100)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "must be a JSON object"),
        ({"models": [MODEL]}, '"name" is missing'),
        ({"name": "s"}, '"models" is missing'),
        ({"name": "s", "models": []}, "one or two models"),
        ({"name": "s", "models": [MODEL] * 3}, "one or two models"),
        ({"name": "s", "models": ["a:1.0.0"]}, "JSON object"),
        ({"name": "s", "models": [{"id": "a"}]}, '"version" is missing'),
        ({"name": "s", "models": [MODEL], "type": "static"}, 'expected "model" for 1'),
        ({"name": "s", "models": [MODEL], "replicas": 0}, "replicas must be a positive"),
        ({"name": "s", "models": [MODEL], "replicas": True}, "replicas"),
        ({"name": "s", "models": [MODEL], "replicas": "2"}, "replicas"),
        ({"name": "s", "models": [MODEL], "size": 2}, "Unknown key 'size'"),
        ({"name": "s", "models": [MODEL, {**MODEL, "weight": 0.2}]}, "first of the models"),
        ({"name": "s", "models": [{**MODEL, "weight": "x"}, MODEL]}, '"weight" must be'),
        ({"name": "s", "models": [MODEL], "autoScaling": {}}, "list of one metric"),
        (
            {"name": "s", "models": [MODEL], "autoScaling": {**SCALING, "metrics": [{}]}},
            "expected cpuMilliCores or memoryMegaBytes",
        ),
        (
            {"name": "s", "models": [MODEL], "autoScaling": {**SCALING, "minReplicas": 4}},
            "must not be larger",
        ),
    ],
)
def test_wrong_bodies_are_refused_by_what_is_wrong(body: Any, words: str) -> None:
    with pytest.raises(ServiceRuleError, match=words):
        service_from_json(body)


def test_changes_are_read_and_an_answer_can_be_sent_back() -> None:
    assert change_from_json({"replicas": 3}) == Change(instances=3)
    assert change_from_json({"models": [MODEL]}) == Change(models=(A,))
    assert change_from_json({"weights": [0.3]}) == Change(weights=(0.3,))
    answer = {**service_to_json(SERVICE), "status": "running", "created": "2026-01-01"}
    assert changed(SERVICE, change_from_json(answer)) == SERVICE
    with pytest.raises(ServiceRuleError, match="does not fit 1"):
        change_from_json({"models": [MODEL], "type": "static"})


def test_a_key_is_the_same_however_its_lines_end() -> None:
    assert public_key_digest("-- a\nb\n") == public_key_digest("  -- a\r\nb  \r\n\r\n")
    assert public_key_digest("-- a\nb\n") != public_key_digest("-- a\nc\n")
