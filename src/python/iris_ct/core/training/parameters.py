"""LightGBM parameters: the product's defaults by task, and what a specification lays over them."""

from __future__ import annotations

from typing import Any

from iris_ct.core.specification import Specification

# What one machine and one seed must repeat to the byte; no specification may change these.
_REPEATABLE = {"deterministic": True, "force_col_wise": True, "verbosity": -1}

_OBJECTIVES = {
    ("regression", "mae"): "regression_l1",
    ("regression", "rmse"): "regression",
    ("binary", "log_loss"): "binary",
    ("binary", "error_rate"): "binary",
    ("multiclass", "log_loss"): "multiclass",
    ("multiclass", "error_rate"): "multiclass",
}
_CURVES = {
    ("regression", "mae"): "l1",
    ("regression", "rmse"): "rmse",
    ("binary", "log_loss"): "binary_logloss",
    ("binary", "error_rate"): "binary_error",
    ("multiclass", "log_loss"): "multi_logloss",
    ("multiclass", "error_rate"): "multi_error",
}

_DEFAULTS = {"learning_rate": 0.1, "num_leaves": 31}


def boosting_parameters(specification: Specification, *, n_classes: int = 0) -> dict[str, Any]:
    """Give all LightGBM parameters of one fit.

    Parameters
    ----------
    n_classes : int
        Classes in the training rows; used for multiclass only.
    """
    key = (specification.task, specification.metric)
    parameters = {
        **_DEFAULTS,
        "objective": _OBJECTIVES[key],
        "metric": _CURVES[key],
        **specification.training.parameters,
        **_REPEATABLE,
        "num_threads": specification.training.threads,
        "seed": specification.training.seed,
    }
    if specification.task == "multiclass":
        parameters["num_class"] = n_classes
    return parameters
