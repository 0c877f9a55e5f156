"""Proposals: what is guessed from made-up columns whose truth is known."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from iris_ct.core.errors import SpecificationError
from iris_ct.core.proposal import Proposal, propose
from iris_ct.core.specification import Feature

N = 600
RNG = np.random.default_rng(1)


def frame(**columns: Any) -> pl.DataFrame:
    """Give a table with a number ``x`` to learn from and a number ``y`` to predict."""
    plain = {"x": np.arange(N) % 97 / 7, "y": RNG.normal(size=N)}
    return pl.DataFrame(plain | columns)


def proposed(given: pl.DataFrame, **named: Any) -> Proposal:
    return propose(given, name="m", **({"target": "y"} | named))


def features(proposal: Proposal) -> dict[str, Feature]:
    return {feature.name: feature for feature in proposal.specification().features}


def why(proposal: Proposal, column: str) -> str:
    (found,) = [c.why for c in proposal.columns if c.name == column]
    return found


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["yes", "no"] * (N // 2), "binary"),
        (["1", "0"] * (N // 2), "binary"),
        ([True, False] * (N // 2), "binary"),
        ([3, 7] * (N // 2), "binary"),
        (["a", "b", "c"] * (N // 3), "multiclass"),
        ([1, 2, 3] * (N // 3), "multiclass"),
        ([1.5, 2.0, 3.0] * (N // 3), "regression"),
        (list(range(N)), "regression"),
        ([str(i / 3) for i in range(N)], "regression"),
    ],
)
def test_the_task_follows_from_the_target(values: list[object], task: str) -> None:
    assert proposed(frame(y=values)).specification().task == task


def test_the_positive_class_is_the_last_and_is_said() -> None:
    given = frame(y=["yes", "no"] * (N // 2))
    assert proposed(given).specification().positive == "yes"
    assert proposed(frame(y=[0.0, 1.0] * (N // 2))).specification().positive == "1"
    assert proposed(frame(y=[True, False] * (N // 2))).specification().positive == "true"


def test_a_named_task_wins_where_it_is_possible() -> None:
    grades = frame(y=[1, 2, 3] * (N // 3))
    assert proposed(grades, task="regression").specification().task == "regression"
    with pytest.raises(SpecificationError, match="has 3 values; binary needs two"):
        proposed(grades, task="binary")
    with pytest.raises(SpecificationError, match="regression needs numbers"):
        proposed(frame(y=["a", "b", "c"] * (N // 3)), task="regression")
    with pytest.raises(SpecificationError, match="task = 'ranking': expected one of regression"):
        proposed(grades, task="ranking")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([None] * N, "has no value"),
        (["a"] * N, "has one value only"),
        ([f"text {i}" for i in range(N)], "has 600 different texts"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(values: list[Any], message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        proposed(frame(y=values))


def test_kinds_follow_from_the_values() -> None:
    given = frame(
        number=[str(i % 50) for i in range(N)],
        holes=[None if i % 3 else i / 7 for i in range(N)],
        colour=["red", "green", None] * (N // 3),
        switch=[True, False] * (N // 2),
        switched=["false", "true"] * (N // 2),
        digits=["0", "1"] * (N // 2),
        postcode=[f"{i % 40:05d}" for i in range(N)],
        zip_code=[1000 + i % 20 for i in range(N)],
        words_in_numbers=["1", "2", "many"] * (N // 3),
    )
    kinds = {name: feature.kind for name, feature in features(proposed(given)).items()}
    assert kinds == {
        "x": "numeric",
        "number": "numeric",
        "holes": "numeric",
        "colour": "categorical",
        "switch": "boolean",
        "switched": "boolean",
        # A later 2 would make the row bad, were it a boolean.
        "digits": "numeric",
        "postcode": "categorical",
        "zip_code": "categorical",
        "words_in_numbers": "categorical",
    }


def test_no_rule_is_guessed_that_a_later_row_could_break() -> None:
    given = frame(colour=["red", "green", "blue"] * (N // 3))
    for feature in features(proposed(given)).values():
        assert feature.nullable
        assert (feature.min, feature.max, feature.allowed) == (None, None, None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (list(range(N)), "a running number of the rows"),
        (list(range(0, 4 * N, 4)), "a running number of the rows"),
        ([None] * N, "no value in the rows looked at"),
        (["same"] * N, "the same value in every row"),
        ([f"name {i}" for i in range(N)], "an identifier or free text"),
        ([[i] for i in range(N)], "neither text nor a number"),
        ([f"{1940 + i % 60}-05-17" for i in range(N)], "times; add it with parts"),
        ([i % 97 / 7 for i in range(N)], "the same as x in every row"),
    ],
)
def test_what_no_model_can_learn_from_is_left_out_with_a_reason(
    values: list[object], reason: str
) -> None:
    proposal = proposed(frame(date_of_birth=values))
    assert "date_of_birth" not in features(proposal)
    assert reason in why(proposal, "date_of_birth")


def test_shuffled_unique_numbers_are_identifiers_only_by_name() -> None:
    shuffled = RNG.permutation(N)
    proposal = proposed(frame(order_id=shuffled, amount=shuffled + 1))
    assert "identifier" in why(proposal, "order_id")
    assert "amount" in features(proposal)


def hours(n: int) -> list[str]:
    start = np.datetime64("2024-01-01T00:00:00")
    return [str(t) for t in start + np.arange(n) * np.timedelta64(1, "h")]


def test_a_single_column_of_times_is_the_event_time_and_gives_its_parts() -> None:
    proposal = proposed(frame(at=hours(N)))
    assert proposal.specification().event_time == "at"
    # 25 days: too short for weekdays to repeat four times and for months to repeat at all.
    assert features(proposal)["at"].parts == ("hour",)
    assert "event time at: the only column of times" in proposal.notes


def test_a_part_that_a_column_says_already_is_not_said_twice() -> None:
    proposal = proposed(frame(at=hours(N), clock=[i % 24 for i in range(N)]))
    assert "at" not in features(proposal)


def test_of_a_time_and_its_date_the_time_is_taken() -> None:
    times = hours(N)
    proposal = proposed(frame(day=[t[:10] for t in times], at=times))
    assert proposal.specification().event_time == "at"
    assert why(proposal, "day") == "times that follow from at"


def test_of_several_times_the_one_in_the_order_of_the_file_is_taken() -> None:
    shuffled = [hours(N)[i] for i in RNG.permutation(N)]
    proposal = proposed(frame(other=shuffled, at=hours(N)))
    assert proposal.specification().event_time == "at"


def test_of_two_equal_candidates_none_is_taken_and_both_are_named() -> None:
    first, second = RNG.permutation(N), RNG.permutation(N)
    given = frame(a=[hours(N)[i] for i in first], b=[hours(N)[i] for i in second])
    proposal = proposed(given)
    assert proposal.specification().event_time is None
    assert any("several columns hold times: a, b" in note for note in proposal.notes)
    assert proposed(given, time="b").specification().event_time == "b"


def test_a_birthday_is_no_event_time() -> None:
    given = frame(birth_date=[f"{1940 + i // 12 % 60}-01-01" for i in range(N)])
    assert proposed(given).specification().event_time is None


def test_a_number_cannot_be_made_the_event_time() -> None:
    with pytest.raises(SpecificationError, match="x cannot be the event time: it holds number"):
        proposed(frame(), time="x")


def test_named_roles_are_no_features() -> None:
    given = frame(patient=[i % 9 for i in range(N)], visit=list(range(N)))
    proposal = proposed(given, key=["visit"], group="patient")
    specification = proposal.specification()
    assert (specification.key, specification.group) == (("visit",), "patient")
    assert specification.feature_names == ("x",)


def test_without_a_feature_there_is_nothing_to_propose() -> None:
    with pytest.raises(SpecificationError, match="No column of the file is left"):
        proposed(frame(), exclude=["x"])


def test_unknown_columns_are_named_with_what_is_there() -> None:
    with pytest.raises(SpecificationError, match=r"no column X\. Perhaps you meant x\."):
        proposed(frame(), exclude=["X"])


def test_a_column_cannot_be_excluded_and_have_a_role() -> None:
    with pytest.raises(SpecificationError, match="x is excluded and has a role as well"):
        proposed(frame(z=RNG.normal(size=N)), exclude=["x"], group="x")


def test_columns_that_add_up_to_the_target_are_told_as_a_pair() -> None:
    a, b = RNG.integers(0, 100, N), RNG.integers(0, 500, N)
    proposal = proposed(frame(a=a, b=b, y=a + b))
    assert "a and b: a + b = y" in proposal.warnings
    assert proposal.suspects == ("a", "b")
    assert {"a", "b"} <= set(features(proposal)), "nothing is left out without being asked"


def test_a_difference_and_a_copy_are_told_as_well() -> None:
    a, b = RNG.integers(0, 100, N), RNG.integers(0, 500, N)
    assert "a and b: a - b = y" in proposed(frame(a=a, b=b, y=a - b)).warnings
    assert "a: it is y itself" in proposed(frame(a=a, y=a)).warnings


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_a_column_that_alone_knows_the_target_is_told(task: str) -> None:
    noise = RNG.normal(size=N)
    truth: Any = {
        "regression": noise,
        "binary": np.where(noise > 0, "yes", "no"),
        "multiclass": np.digitize(noise, [-1, 1]).astype(str),
    }[task]
    given = frame(y=truth, knows=noise + RNG.normal(size=N) / 10, guesses=RNG.normal(size=N))
    assert proposed(given).suspects == ("knows",)


def test_missing_together_with_the_target_is_told() -> None:
    truth = [None if i % 10 == 0 else float(v) for i, v in enumerate(RNG.normal(size=N))]
    later = [None if i % 10 == 0 else float(v) for i, v in enumerate(RNG.normal(size=N))]
    proposal = proposed(frame(y=truth, arrived=later))
    assert proposal.suspects == ("arrived",)
    assert any("missing in 60 of 600 rows; they are predicted" in w for w in proposal.warnings)


@pytest.mark.parametrize(
    ("name", "suspected"),
    [
        ("outcome_type", True),
        ("call duration", True),
        ("d.death", True),
        ("deathly", False),
        ("age_upon_outcome", False),
        ("poutcome", False),
    ],
)
def test_names_of_what_is_known_afterwards_are_told(name: str, suspected: bool) -> None:
    proposal = proposed(frame(**{name: RNG.normal(size=N)}))
    assert (name in proposal.suspects) == suspected


def test_a_strong_but_honest_column_is_not_told() -> None:
    x = RNG.normal(size=N)
    assert proposed(frame(x=x, y=x + RNG.normal(size=N))).suspects == ()


def test_the_same_sample_gives_the_same_proposal() -> None:
    given = frame(at=hours(N), colour=["red", "green", None] * (N // 3))
    assert proposed(given) == proposed(given)


def test_text_and_types_of_a_file_give_the_same_proposal() -> None:
    given = frame(at=hours(N), n=[i % 50 for i in range(N)], c=["a", "b", None] * (N // 3))
    typed = given.with_columns(pl.col("at").str.to_datetime())
    texts = given.with_columns(pl.all().cast(pl.String))
    assert proposed(typed).content == proposed(texts).content
