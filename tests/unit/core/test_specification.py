"""A specification checks itself and says what is allowed."""

import math
from datetime import date
from typing import Any

import pytest

from iris_ct.core.errors import SpecificationError
from iris_ct.core.specification import (
    Specification,
    changed_keys,
    parse_specification,
)

SMALLEST: dict[str, Any] = {
    "name": "m",
    "task": "regression",
    "target": "y",
    "features": {"n": "numeric"},
}


def parsed(**keys: Any) -> Specification:
    return parse_specification(SMALLEST | keys, source="models/m.toml")


def refused(**keys: Any) -> str:
    with pytest.raises(SpecificationError) as caught:
        parsed(**keys)
    first, *lines = str(caught.value).splitlines()
    assert first.startswith("models/m.toml breaks ")
    return "\n".join(line.strip() for line in lines)


def test_four_lines_are_enough() -> None:
    specification = parsed()
    assert specification.input_columns == ("n",)
    assert specification.metric == "mae"
    assert specification.windows == ("5000 rows", "20000 rows", "all")


def test_defaults_follow_the_kind_of_time() -> None:
    specification = parsed(event_time="at", key="id", group="g")
    assert specification.input_columns == ("id", "at", "g", "n")
    assert specification.windows == ("90d", "180d", "365d", "all")
    assert (specification.cell, specification.block, specification.cooldown) == ("1d", "1d", "1d")


def test_all_broken_rules_are_named_at_once_by_key_value_and_what_is_allowed() -> None:
    lines = refused(
        task="classification",
        features={"n": {"kind": "numeric", "minimum": 1}, "c": "text"},
        gate={"margn": 0.1, "confidence": 2},
    ).splitlines()
    assert sorted(lines) == [
        "features.c.kind = 'text': expected 'numeric', 'categorical', 'boolean' or 'datetime'",
        "features.n.minimum: no such key; perhaps min is meant",
        "gate.confidence = 2: expected less than 1",
        "gate.margn: no such key; perhaps margin is meant",
        "task = 'classification': expected 'regression', 'binary' or 'multiclass'",
    ]


def test_missing_keys_are_named() -> None:
    with pytest.raises(SpecificationError) as caught:
        parse_specification({"name": "m"}, source="models/m.toml")
    for key in ("task", "target", "features"):
        assert f"  {key}: missing; it has no default" in str(caught.value)


@pytest.mark.parametrize("features", [{}, [], "n", ["n"]])
def test_features_must_be_a_table(features: object) -> None:
    assert 'expected a table [features] with lines such as: age = "numeric"' in refused(
        features=features
    )


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"name": "My Model"}, "a model name starts with a lower-case letter"),
        ({"target": "n"}, "the target is also a feature"),
        ({"group": "y"}, "the target is also key, event_time or group"),
        ({"key": "_row"}, "column names kept for the product itself: _row"),
        ({"positive": "yes"}, "positive is for the task binary only"),
        ({"on_duplicate": "reject"}, "on_duplicate needs key columns"),
        ({"time_zone": "Mars/Olympus"}, "time_zone = 'Mars/Olympus': no such time zone"),
        ({"trigger": {"cron": "daily"}}, "trigger.cron = 'daily': expected five fields"),
        ({"label_delay": "soon"}, "label_delay = 'soon': a span is a whole number with a unit"),
        ({"label_delay": "1d"}, "label_delay = '1d': expected a row count such as '5000 rows'"),
        ({"gate": {"slices": ["z"]}}, "gate.slices names no feature: z"),
        ({"gate": {"margin": math.nan}}, "gate.margin holds a number that is not finite"),
        (
            {"training": {"parameters": {"d": date(2024, 1, 1)}}},
            "training.parameters.d holds a date",
        ),
        (
            {"features": {"n": {"kind": "numeric", "min": 2, "max": 1}}},
            "features.n: min is above max",
        ),
        (
            {"features": {"c": {"kind": "categorical", "min": 2}}},
            "features.c: min and max are for numeric features only",
        ),
        (
            {"features": {"n": {"kind": "numeric", "allowed": ["1"]}}},
            "features.n: allowed is for categorical features only",
        ),
        ({"features": {"d": "datetime"}}, "features.d: parts are needed for datetime features"),
    ],
)
def test_every_rule_says_what_is_allowed(keys: dict[str, Any], message: str) -> None:
    assert message in refused(**keys)


def test_a_span_of_rows_does_not_fit_a_model_with_an_event_time() -> None:
    assert "training.windows[0] = '500 rows': expected a duration" in refused(
        event_time="at", training={"windows": ["500 rows"]}
    )


def test_the_digest_depends_on_the_content_and_not_on_how_it_is_written() -> None:
    short, long = parsed(), parsed(features={"n": {"kind": "numeric"}}, time_zone="UTC")
    assert short.digest == long.digest
    assert parsed(target="z").digest != short.digest


def test_tables_are_said_in_the_content_only_if_they_are_not_the_usual_ones() -> None:
    """So that a model file of the first release keeps its digest."""
    assert "tables" not in parsed(tables={"predictions": True, "rows": False}).content()
    assert parsed(tables={"rows": True}).content()["tables"] == {"predictions": True, "rows": True}


def test_names_of_columns_only_matter_to_sql_where_rows_are_a_table() -> None:
    names = {"a.b": "numeric", "batch_id": "categorical", "B": "numeric", "b": "numeric"}
    assert parsed(features=names).feature_names == tuple(names)
    told = refused(features=names, tables={"rows": True})
    assert "'a.b' has a ." in told
    assert "'batch_id' is a column of its own" in told
    assert "'b' differs from 'B' in case only" in told
    assert "Rename them in the export, or leave tables.rows out" in told


def test_a_specification_survives_its_own_content() -> None:
    specification = parsed(
        event_time="at", features={"n": "numeric", "d": {"kind": "datetime", "parts": ["hour"]}}
    )
    again = parse_specification(specification.content(), source="store")
    assert again == specification
    assert again.digest == specification.digest


@pytest.mark.parametrize(
    ("keys", "changed"),
    [
        ({}, set()),
        ({"gate": {"margin": 0.5}}, {"gate"}),
        ({"drift": {"enabled": False}, "retention": {"batches_days": 9}}, {"drift", "retention"}),
        ({"features": {"n": "numeric", "m": "numeric"}}, {"features"}),
        ({"label_delay": "5 rows"}, {"label_delay"}),
        ({"tables": {"predictions": False}}, {"tables"}),
    ],
)
def test_a_change_is_named_by_its_keys(keys: dict[str, Any], changed: set[str]) -> None:
    assert changed_keys(parsed(), parsed(**keys)) == changed
