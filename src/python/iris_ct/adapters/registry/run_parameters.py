"""Reading LightGBM's parameters out of the texts that MLflow keeps; pure, no MLflow."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from iris_ct.core.specification import Task

# Parameters that shape the model, with LightGBM's own defaults: what equals them says nothing.
# LightGBM 4, docs/Parameters.rst.
_DEFAULTS: Mapping[str, Any] = {
    "boosting": "gbdt",
    "data_sample_strategy": "bagging",
    "learning_rate": 0.1,
    "num_leaves": 31,
    "max_depth": -1,
    "min_data_in_leaf": 20,
    "min_sum_hessian_in_leaf": 1e-3,
    "bagging_fraction": 1.0,
    "pos_bagging_fraction": 1.0,
    "neg_bagging_fraction": 1.0,
    "bagging_freq": 0,
    "feature_fraction": 1.0,
    "feature_fraction_bynode": 1.0,
    "extra_trees": False,
    "max_delta_step": 0.0,
    "lambda_l1": 0.0,
    "lambda_l2": 0.0,
    "linear_lambda": 0.0,
    "linear_tree": False,
    "min_gain_to_split": 0.0,
    "drop_rate": 0.1,
    "max_drop": 50,
    "skip_drop": 0.5,
    "top_rate": 0.2,
    "other_rate": 0.1,
    "min_data_per_group": 100,
    "max_cat_threshold": 32,
    "cat_l2": 10.0,
    "cat_smooth": 10.0,
    "max_cat_to_onehot": 4,
    "path_smooth": 0.0,
    "max_bin": 255,
    "min_data_in_bin": 3,
    "bin_construct_sample_cnt": 200_000,
    "is_unbalance": False,
    "scale_pos_weight": 1.0,
    "sigmoid": 1.0,
    "alpha": 0.9,
    "fair_c": 1.0,
    "poisson_max_delta_step": 0.7,
    "tweedie_variance_power": 1.5,
}
_ALIASES = {
    "boosting_type": "boosting",
    "boost": "boosting",
    "shrinkage_rate": "learning_rate",
    "eta": "learning_rate",
    "num_leaf": "num_leaves",
    "max_leaves": "num_leaves",
    "max_leaf": "num_leaves",
    "min_data": "min_data_in_leaf",
    "min_data_per_leaf": "min_data_in_leaf",
    "min_child_samples": "min_data_in_leaf",
    "min_samples_leaf": "min_data_in_leaf",
    "min_sum_hessian": "min_sum_hessian_in_leaf",
    "min_sum_hessian_per_leaf": "min_sum_hessian_in_leaf",
    "min_hessian": "min_sum_hessian_in_leaf",
    "min_child_weight": "min_sum_hessian_in_leaf",
    "sub_row": "bagging_fraction",
    "subsample": "bagging_fraction",
    "bagging": "bagging_fraction",
    "subsample_freq": "bagging_freq",
    "sub_feature": "feature_fraction",
    "colsample_bytree": "feature_fraction",
    "sub_feature_bynode": "feature_fraction_bynode",
    "colsample_bynode": "feature_fraction_bynode",
    "extra_tree": "extra_trees",
    "reg_alpha": "lambda_l1",
    "l1_regularization": "lambda_l1",
    "reg_lambda": "lambda_l2",
    "lambda": "lambda_l2",
    "l2_regularization": "lambda_l2",
    "min_split_gain": "min_gain_to_split",
    "max_bins": "max_bin",
    "subsample_for_bin": "bin_construct_sample_cnt",
    "unbalance": "is_unbalance",
    "unbalanced_sets": "is_unbalance",
}
_ROUNDS = (
    "rounds",
    "num_boost_round",
    "num_iterations",
    "n_estimators",
    "num_round",
    "num_rounds",
    "num_trees",
    "n_iter",
    "max_iter",
)
_SEEDS = ("seed", "random_seed", "random_state")
# Parameters by which people note the name of the target.
TARGET_NAMES = ("target", "target_column", "label_column", "target_name")
# Where, how loudly and how long it ran; the product says these itself.
_WITHOUT_EFFECT = frozenset(
    {
        *("num_threads", "n_jobs", "nthread", "num_thread", "verbosity", "verbose", "metric"),
        *("keep_training_booster", "feature_name", "categorical_feature", "device_type", "device"),
        *("deterministic", "force_col_wise", "force_row_wise", "num_class", "num_classes"),
        *("window", "refitted", "task", "importance_type", "objective", "application", "loss"),
        *TARGET_NAMES,
        *("early_stopping_rounds", "early_stopping_round", "valid_names", "free_raw_data"),
    }
)
_REGRESSION = frozenset(
    {
        *("regression", "regression_l2", "l2", "mean_squared_error", "mse", "rmse", "l2_root"),
        *("regression_l1", "l1", "mean_absolute_error", "mae", "huber", "fair", "poisson"),
        *(
            "quantile",
            "mape",
            "gamma",
            "tweedie",
            "root_mean_squared_error",
        ),  # codespell:ignore mape
    }
)
_MULTICLASS = frozenset({"multiclass", "softmax", "multiclassova", "multiclass_ova", "ova", "ovr"})


@dataclass(frozen=True)
class RunParameters:
    """What a run's parameters mean for a specification.

    Attributes
    ----------
    parameters : mapping
        By LightGBM's first names; what equals LightGBM's own default is left out.
    rounds, seed : int or None
        Said or not.
    categorical : tuple of (str or int)
        Columns named, or counted from 0, as categorical.
    ignored : tuple of str
        Names that mean nothing to LightGBM, sorted.
    """

    parameters: Mapping[str, Any]
    rounds: int | None
    seed: int | None
    task: Task | None
    categorical: tuple[str | int, ...]
    ignored: tuple[str, ...]


def read_parameters(said: Mapping[str, str]) -> RunParameters:
    """Read the parameters of a run that LightGBM made.

    Examples
    --------
    >>> read_parameters({"min_child_samples": "50", "eta": "0.1", "n_jobs": "4"}).parameters
    {'min_data_in_leaf': 50}
    """
    read = {key: _read(text) for key, text in said.items()}
    objective = _objective(read)
    parameters = {
        name: found
        for key, found in sorted(read.items())
        if (name := _ALIASES.get(key, key)) in _DEFAULTS
        and found is not None
        and found != _DEFAULTS[name]
    }
    # A plain binary or multiclass objective follows from the task.
    if objective in _REGRESSION or objective in _MULTICLASS - {"multiclass", "softmax"}:
        parameters["objective"] = objective
    known = {*_DEFAULTS, *_ALIASES, *_ROUNDS, *_SEEDS, *_WITHOUT_EFFECT}
    return RunParameters(
        parameters=parameters,
        rounds=_whole(read, _ROUNDS),
        seed=_whole(read, _SEEDS),
        task=_task(objective, read),
        categorical=_categorical(read.get("categorical_feature")),
        ignored=tuple(sorted(key for key in read if key not in known)),
    )


def _objective(read: Mapping[str, Any]) -> str:
    found = read.get("objective") or read.get("application") or read.get("loss") or ""
    return str(found).split()[0] if found else ""


def _task(objective: str, read: Mapping[str, Any]) -> Task | None:
    if objective in _REGRESSION:
        return "regression"
    if objective in _MULTICLASS:
        return "multiclass"
    if objective in {"binary", "cross_entropy", "xentropy"}:
        return "binary"
    if isinstance(read.get("num_class"), int) and read["num_class"] > 1:
        return "multiclass"
    return None


def _categorical(found: Any) -> tuple[str | int, ...]:
    if not isinstance(found, list | tuple):
        return ()
    return tuple(column for column in found if isinstance(column, str | int))


def _whole(read: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        found = read.get(name)
        if isinstance(found, int) and not isinstance(found, bool):
            return found
    return None


def _read(text: str) -> Any:
    """Read a parameter's text: a number, a truth value, a list, nothing, or the text itself."""
    lowered = text.strip().lower()
    if lowered in ("none", "null", "nan", ""):
        return None
    if lowered in ("true", "false"):
        return lowered == "true"
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError):
        return text.strip()
