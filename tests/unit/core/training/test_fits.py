from __future__ import annotations

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from tests.training_tables import first_split, parcels, specification, table_of

from iris_ct.core.errors import IncompatibleModelError, TrainingFailedError
from iris_ct.core.specification import Task
from iris_ct.core.training.encoding import FeatureEncoding
from iris_ct.core.training.job import refit, train_and_predict
from iris_ct.core.training.lightgbm_trainer import fit, safe_names, threads_for
from iris_ct.core.training.predictor import Predictor
from iris_ct.core.training.recipe import recipe_digest

TASKS: tuple[Task, ...] = ("regression", "binary", "multiclass")


def quiet(stage: str, share: float) -> None:
    """Follow nothing."""


@pytest.mark.parametrize("task", TASKS)
def test_the_same_rows_give_the_same_bytes(task: Task) -> None:
    said, frame = specification(task), parcels(1500, task=task)
    roles = first_split(frame, said).roles
    texts = {
        train_and_predict(
            table_of(frame, said, roles), said, preferred_window=None, on_progress=quiet
        ).model_text
        for _ in range(2)
    }
    assert len(texts) == 1


@pytest.mark.parametrize("task", TASKS)
def test_predictions_equal_lightgbm_bit_for_bit(task: Task) -> None:
    said, frame = specification(task), parcels(600, task=task)
    table = table_of(frame, said, np.ones(600))
    made = fit(table, np.arange(600), said, rounds=15)
    ours = Predictor(made.model_text, table.encoding, said).predict(frame)
    theirs = np.asarray(lgb.Booster(model_str=made.model_text).predict(table.matrix))
    if task == "multiclass":
        names = [f"probability_{name}" for name in table.encoding.classes]
        assert np.array_equal(ours[names].to_numpy(), theirs)
        said_classes = np.array(table.encoding.classes)[theirs.argmax(axis=1)]
        assert ours["prediction"].to_list() == said_classes.tolist()
    else:
        column = "prediction" if task == "regression" else "probability"
        assert np.array_equal(ours[column].to_numpy(), theirs)


def test_no_category_name_is_in_the_text_that_goes_to_mlflow() -> None:
    said, frame = specification(), parcels(600)
    table = table_of(frame, said, np.ones(600))
    text = fit(table, np.arange(600), said, rounds=15).model_text
    names = set(frame["colour"].drop_nulls().unique())
    assert names
    assert [name for name in names if name in text.replace("colour", "")] == []


def test_rows_that_are_no_neighbours_give_the_same_model_as_a_copy_of_them() -> None:
    said, frame = specification(), parcels(900)
    whole = table_of(frame, said, np.ones(900))
    picked = np.flatnonzero(np.arange(900) % 3 > 0)
    part = table_of(frame[picked], said, np.ones(picked.size))
    one = fit(whole, picked, said, rounds=10).model_text
    two = fit(part, np.arange(picked.size), said, rounds=10).model_text
    assert one == two


def test_binary_probability_is_of_the_last_class_unless_named() -> None:
    frame = parcels(600, task="binary")
    for positive, expected in ((None, "yes"), ("no", "no")):
        said = specification("binary", positive=positive)
        table = table_of(frame, said, np.ones(600))
        text = fit(table, np.arange(600), said, rounds=10).model_text
        predictor = Predictor(text, table.encoding, said)
        found = predictor.predict(frame)
        assert predictor.positive == expected
        certain = found.filter(pl.col("probability") >= 0.5)["prediction"]
        assert set(certain.to_list()) == {expected}


def test_a_single_class_cannot_be_learned() -> None:
    said = specification("binary")
    frame = parcels(300, task="binary").with_columns(cost=pl.lit("yes"))
    table = table_of(frame, said, np.ones(300))
    with pytest.raises(TrainingFailedError, match="all 300 training rows have the same target"):
        fit(table, np.arange(300), said, rounds=5)


def test_three_classes_are_no_binary_target() -> None:
    said = specification("binary")
    table = table_of(parcels(300, task="multiclass"), said, np.ones(300))
    with pytest.raises(TrainingFailedError, match="binary, but its target has 3 classes"):
        fit(table, np.arange(300), said, rounds=5)


def test_a_parameter_that_lightgbm_refuses_is_told() -> None:
    said = specification(training={"parameters": {"bagging_fraction": 7}})
    table = table_of(parcels(300), said, np.ones(300))
    with pytest.raises(TrainingFailedError, match=r"training\.parameters"):
        fit(table, np.arange(300), said, rounds=5)


def test_boosting_stops_where_the_watched_loss_is_smallest() -> None:
    said = specification("binary")
    frame = parcels(900, task="binary", turn=600)
    table = table_of(frame, said, np.ones(900))
    made = fit(table, np.arange(600), said, rounds=200, watch=np.arange(600, 900))
    # The rule is reversed in the watched rows: every further round makes it worse.
    assert made.rounds < 5
    assert made.rounds == int(np.argmin(made.curve)) + 1
    assert f"Tree={made.rounds}\n" not in made.model_text


def test_a_class_that_only_the_holdout_knows_gets_no_column() -> None:
    said = specification("multiclass")
    frame = parcels(1500, task="multiclass")
    frame = frame.with_columns(
        cost=pl.when(pl.col("_row") > 1490).then(pl.lit("new")).otherwise(pl.col("cost"))
    )
    roles = first_split(frame, said).roles
    found = train_and_predict(
        table_of(frame, said, roles), said, preferred_window=None, on_progress=quiet
    )
    assert found.holdout is not None
    assert found.encoding.classes == ("high", "low", "middle")
    assert "probability_new" not in found.holdout.columns
    assert found.holdout["_row"].to_list() == list(range(1200, 1500))


def test_a_class_that_left_the_window_is_forgotten() -> None:
    said = specification("multiclass", training={"windows": ["20d"]})
    frame = parcels(1500, task="multiclass").with_columns(
        cost=pl.when(pl.col("_row") < 200).then(pl.lit("gone")).otherwise(pl.col("cost"))
    )
    table = table_of(frame, said, np.ones(1500))
    found = refit(table, said, window="20d", rounds=10, on_progress=quiet)
    assert found.encoding.classes == ("high", "low", "middle")
    assert (found.n_rows, found.fit_until) == (480, int(frame["_position"].to_numpy()[-1]))
    assert Predictor(found.model_text, found.encoding, said).predict(frame).width == 4


def test_a_refit_learns_the_holdout_too_with_the_same_recipe() -> None:
    said, frame = specification(), parcels(1500)
    roles = first_split(frame, said).roles
    judged = train_and_predict(
        table_of(frame, said, roles), said, preferred_window=None, on_progress=quiet
    )
    again = refit(
        table_of(frame, said, roles, training=(1, 2, 3)),
        said,
        window=judged.window,
        rounds=judged.rounds,
        on_progress=quiet,
    )
    assert again.recipe_digest == judged.recipe_digest == recipe_digest(said)
    assert (judged.n_rows, again.n_rows) == (1200, 1500)
    assert again.rounds == judged.rounds
    assert again.holdout is None
    assert judged.fit_until < int(frame["_position"].to_numpy()[1200]) <= again.fit_until


def test_progress_rises_to_the_end() -> None:
    said, frame = specification(), parcels(600)
    table = table_of(frame, said, first_split(frame, said).roles)
    seen: list[tuple[str, float]] = []
    train_and_predict(
        table, said, preferred_window=None, on_progress=lambda *said: seen.append(said)
    )
    fits = [share for stage, share in seen if stage == "fit"]
    assert fits == sorted(fits)
    assert seen[-1] == ("fit", 1.0)


def test_a_model_and_another_encoding_do_not_load_together() -> None:
    said, frame = specification(), parcels(300)
    table = table_of(frame, said, np.ones(300))
    text = fit(table, np.arange(300), said, rounds=3).model_text
    other = FeatureEncoding(table.encoding.features[:2])
    with pytest.raises(IncompatibleModelError, match="2 features"):
        Predictor(text, other, said)
    classes = FeatureEncoding(table.encoding.features, "UTC", ("a", "b"))
    with pytest.raises(IncompatibleModelError, match="2 classes"):
        Predictor(text, classes, said)
    with pytest.raises(IncompatibleModelError, match="refused"):
        Predictor("no model", table.encoding, said)


def test_no_rows_give_no_predictions() -> None:
    said, frame = specification(), parcels(300)
    table = table_of(frame, said, np.ones(300))
    text = fit(table, np.arange(300), said, rounds=3).model_text
    assert Predictor(text, table.encoding, said).predict(frame[:0]).height == 0


def test_the_recipe_depends_on_learning_and_not_on_windows_or_gates() -> None:
    base = recipe_digest(specification())
    assert recipe_digest(specification(training={"windows": ["90d"]})) == base
    assert recipe_digest(specification(gate={"margin": 0.3}, drift={"enabled": False})) == base
    assert recipe_digest(specification(training={"seed": 8})) != base
    assert recipe_digest(specification(training={"parameters": {"num_leaves": 5}})) != base
    assert recipe_digest(specification("binary")) != base


def test_names_that_lightgbm_refuses_are_written_otherwise() -> None:
    said = safe_names(["a b", "a:b", 'a"b', "größe"])
    assert said == ["a_b", "a_b_2", "a_b_3", "größe"]


def test_small_fits_use_one_thread_and_large_ones_what_is_allowed() -> None:
    said = specification(training={"threads": 2})
    assert [threads_for(n, said) for n in (1, 399_999, 400_000, 10**9)] == [1, 1, 2, 2]
    assert threads_for(10**9, specification()) == 1
