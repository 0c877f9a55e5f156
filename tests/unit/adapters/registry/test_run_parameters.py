"""Parameters of other people's runs; names and defaults after LightGBM 4, Parameters.rst."""

import pytest

from iris_ct.adapters.registry.run_parameters import read_parameters


def test_parameters_of_a_native_training_keep_their_names_and_types() -> None:
    read = read_parameters(
        {"num_leaves": "63", "learning_rate": "0.05", "extra_trees": "True", "lambda_l1": "1e-3"}
    )
    assert read.parameters == {
        "num_leaves": 63,
        "learning_rate": 0.05,
        "extra_trees": True,
        "lambda_l1": 0.001,
    }


def test_names_of_the_scikit_learn_interface_become_lightgbms_own() -> None:
    read = read_parameters(
        {
            "min_child_samples": "50",
            "colsample_bytree": "0.8",
            "subsample": "0.7",
            "subsample_freq": "1",
            "reg_lambda": "2.0",
            "n_estimators": "120",
            "random_state": "11",
        }
    )
    assert read.parameters == {
        "min_data_in_leaf": 50,
        "feature_fraction": 0.8,
        "bagging_fraction": 0.7,
        "bagging_freq": 1,
        "lambda_l2": 2.0,
    }
    assert (read.rounds, read.seed) == (120, 11)


def test_what_equals_lightgbms_default_is_left_out() -> None:
    """``LGBMRegressor()`` logs all of these without anyone having chosen one."""
    read = read_parameters(
        {
            "boosting_type": "gbdt",
            "learning_rate": "0.1",
            "max_depth": "-1",
            "min_child_samples": "20",
            "min_child_weight": "0.001",
            "min_split_gain": "0.0",
            "num_leaves": "31",
            "random_state": "None",
            "reg_alpha": "0.0",
            "subsample": "1.0",
            "subsample_for_bin": "200000",
        }
    )
    assert read.parameters == {}
    assert read.ignored == ()
    assert read.seed is None


@pytest.mark.parametrize(
    ("objective", "task", "kept"),
    [
        ("regression", "regression", {"objective": "regression"}),
        ("quantile", "regression", {"objective": "quantile"}),
        ("binary", "binary", {}),
        ("multiclass", "multiclass", {}),
        ("multiclassova", "multiclass", {"objective": "multiclassova"}),
        ("lambdarank", None, {}),
        ("None", None, {}),
    ],
)
def test_the_objective_shows_the_task(
    objective: str, task: str | None, kept: dict[str, str]
) -> None:
    read = read_parameters({"objective": objective})
    assert (read.task, read.parameters) == (task, kept)


def test_what_does_not_shape_the_model_is_dropped_and_the_unknown_is_named() -> None:
    read = read_parameters({"num_threads": "8", "verbosity": "-1", "batch_size": "32"})
    assert read.parameters == {}
    assert read.ignored == ("batch_size",)


def test_categorical_columns_come_by_name_or_place() -> None:
    assert read_parameters({"categorical_feature": "['a', 'b']"}).categorical == ("a", "b")
    assert read_parameters({"categorical_feature": "[0, 3]"}).categorical == (0, 3)
    assert read_parameters({"categorical_feature": "auto"}).categorical == ()
