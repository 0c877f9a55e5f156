"""Records that must mean the same wherever they are read: decisions, errors, spans, JSON."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime

import pytest

from iris_ct.core import errors
from iris_ct.core.canonical import canonical_json, digest, finite
from iris_ct.core.decision import Check, Decision, decision_from_content
from iris_ct.core.narration import narrate, say_position
from iris_ct.core.span import is_rows, span_length
from iris_ct.core.specification import parse_specification
from iris_ct.core.wire.refusal import WireError


def every_error(root: type[errors.CTError]) -> list[type[errors.CTError]]:
    found = [root]
    for kind in root.__subclasses__():
        found += every_error(kind)
    return found


@pytest.mark.parametrize("kind", every_error(errors.CTError))
def test_an_error_survives_a_process_border(kind: type[errors.CTError]) -> None:
    text = "what was expected, what was found"
    # One knows its HTTP status, too.
    error = pickle.loads(pickle.dumps(WireError(400, text) if kind is WireError else kind(text)))
    assert type(error) is kind
    assert str(error) == text


def test_the_error_tree_in_the_docstring_names_every_error() -> None:
    drawn = errors.__doc__ or ""
    names = [kind.__name__ for kind in every_error(errors.CTError)]
    # A module's own, which nobody else sees, is not drawn.
    assert [name for name in names if name not in drawn and not name.startswith("_")] == []


def make_decision(*, loss: float = 2.0) -> Decision:
    return Decision(
        decision_id="gate-1",
        model="rentals",
        kind="gate",
        outcome="hold",
        reason="loss +1.0% against the champion",
        cycle_id="rentals-cycle-00001",
        actor="gate",
        rule="a replacement must show the minimum gain",
        event_now=86_400_000_000,
        decided_at=datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        inputs={"windows": [{"window": "30d", "rows": 720, "loss": 2.5}]},
        numbers={"loss": loss},
        thresholds={"min_gain": 0.01},
        checks=(Check("loss_change", 0.01, -0.01, passed=False, rule="at most"),),
    )


def test_a_decision_reads_back_as_it_was_written() -> None:
    decision = make_decision()
    again = decision_from_content(json.loads(decision.to_json()))
    assert again == decision_from_content(decision.content())
    assert again.digest == decision.digest


def test_one_changed_number_changes_the_digest() -> None:
    assert make_decision(loss=2.0000001).digest != make_decision().digest


def test_a_decision_is_told_with_its_checks_and_its_clock() -> None:
    specification = parse_specification(
        {
            "name": "rentals",
            "task": "regression",
            "target": "hires",
            "event_time": "slot",
            "features": {"hour": "numeric"},
        },
        source="models/rentals.toml",
    )
    words = narrate(make_decision(), specification)
    assert words[0] == "Gate of rentals: hold. loss +1.0% against the champion"
    assert "newest event: 1970-01-02 00:00:00 UTC" in words[1]
    assert words[2] == "  FAILED: loss_change was 0.01, required -0.01 (at most)"
    assert say_position(41, specification.model_copy(update={"event_time": None})) == "row 41"


def test_canonical_json_is_independent_of_order_and_refuses_what_is_no_number() -> None:
    assert canonical_json({"b": 1, "a": 2}) == canonical_json({"a": 2, "b": 1})
    assert digest([1.0]) == digest([1.0])
    with pytest.raises(ValueError, match="Out of range float"):
        canonical_json([float("nan")])
    assert finite(float("inf")) is None


def test_spans_are_durations_or_rows() -> None:
    assert span_length("36h") == 36 * 3600 * 1_000_000
    assert span_length("2w") == span_length("14d")
    assert is_rows("5000 rows")
    with pytest.raises(ValueError, match="a whole number with a unit"):
        span_length("3 months")
