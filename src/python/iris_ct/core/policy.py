"""Every threshold of the product on one page, each with its unit and its reason.

A model file (``models/<name>.toml``) may set any of them; what it leaves out is what stands here.
Spans are written ``"90d"`` (``m`` minutes, ``h`` hours, ``d`` days, ``w`` weeks) for models with an
event-time column and ``"5000 rows"`` for models whose time is the order of arrival.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from iris_ct.core.span import Span

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]


class Policy(BaseModel):
    """A group of thresholds; frozen, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DataPolicy(Policy):
    """When rows are bad, and when so many are bad that the whole batch is held back."""

    max_bad_share: Share = Field(
        0.10, description="Share of bad rows above which the whole batch is quarantined."
    )
    max_ahead: Span | None = Field(
        None,
        description="How far an event time may lie ahead of the clock; later ones are bad, since "
        "they would move the model's time. Default 1d; not for models without event_time.",
    )


class DriftPolicy(Policy):
    """When the current window counts as moved away from the champion's reference window."""

    enabled: bool = Field(True, description="Measure drift when a batch arrives.")
    cell: Span | None = Field(
        None, description="Event-time width of one summary cell; default a day, or 1000 rows."
    )
    significance: Annotated[float, Field(gt=0.0, lt=0.5)] = Field(
        0.001, description="Family-wise false-alarm rate of one check over all features."
    )
    min_rows: Positive = Field(
        200, description="Rows that both windows need before a statistic is trusted."
    )
    psi_floor: Annotated[float, Field(ge=0.0)] = Field(
        0.10, description="PSI below which a significant shift is too small to matter."
    )
    error_factor: Annotated[float, Field(gt=1.0)] = Field(
        1.25,
        description="Served error over the champion's holdout error that counts as error drift.",
    )


class TriggerPolicy(Policy):
    """What starts a retraining, and how often at most."""

    on_drift: bool = Field(True, description="Retrain when a feature has drifted.")
    on_error: bool = Field(True, description="Retrain when the served error has drifted.")
    new_rows: Positive | None = Field(
        None, description="Retrain after so many new labelled rows; default: never for that alone."
    )
    cooldown: Span | None = Field(
        None,
        description="Event time that must pass between two retrainings; default a day or 100 rows.",
    )
    cron: str | None = Field(
        None, description="Five-field cron expression, wall clock in the model's time zone."
    )


class TrainingPolicy(Policy):
    """How a challenger is made."""

    parameters: dict[str, Any] = Field(
        default_factory=dict, description="LightGBM parameters, laid over the product's defaults."
    )
    rounds: Positive = Field(200, description="Boosting rounds at most.")
    windows: tuple[Span | Literal["all"], ...] | None = Field(
        None,
        description="Training windows to compare, anchored at the newest row; "
        "default 90d, 180d, 365d and all, or 5000 rows, 20000 rows and all.",
    )
    window_rows: Positive = Field(
        200_000,
        description="Rows at most that one window comparison fits; more are thinned evenly.",
    )
    seed: int = Field(7, description="Seed of everything random in a training.")
    threads: Positive = Field(
        2, description="Threads of one training; part of the recipe's bytes."
    )
    min_rows: Positive = Field(2000, description="Labelled rows that a first model needs.")


class GatePolicy(Policy):
    """What a challenger must show before it may replace the champion."""

    metric: Literal["mae", "rmse", "log_loss", "error_rate"] | None = Field(
        None, description="Loss that is compared; default mae, or log_loss for classes."
    )
    holdout_share: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.5, description="Share of the fresh rows, the newest, that judges and does not train."
    )
    first_holdout_share: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.2, description="The same for a first model, where every row is fresh."
    )
    validation_share: Annotated[float, Field(gt=0.0, lt=1.0)] = Field(
        0.25,
        description="Share of the rows before the holdout, at most, on which training windows are "
        "compared; never more rows than the holdout has.",
    )
    min_holdout_rows: Positive = Field(200, description="Holdout rows below which the gate holds.")
    margin: Annotated[float, Field(ge=0.0)] = Field(
        0.02, description="Relative loss increase that a refresh may show and still be promoted."
    )
    min_gain: Annotated[float, Field(ge=0.0)] = Field(
        0.01, description="Relative loss decrease that a replacement must show."
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = Field(
        0.95, description="Two-sided confidence of the paired interval over blocks in time."
    )
    block: Span | None = Field(
        None, description="Length of one block; default a day, or 50 rows, at least 8 blocks."
    )
    slices: tuple[str, ...] | None = Field(
        None,
        description="Features whose values are checked one by one; default the categorical and "
        "boolean features with at most 12 values.",
    )
    min_slice_rows: Positive = Field(100, description="Rows below which a slice is not judged.")
    slice_margin: Annotated[float, Field(ge=0.0)] = Field(
        0.20, description="Relative loss increase that no slice may clearly exceed."
    )
    limits: dict[str, float] = Field(
        default_factory=dict,
        description="Absolute limits by metric: an upper one for losses, a lower one for scores.",
    )
    refit: bool = Field(
        True, description="Promote the recipe refitted up to the newest mature row."
    )
    agreement: Annotated[float, Field(gt=0.0)] = Field(
        1.0,
        description="Mean difference between refitted and evaluated predictions on the holdout, "
        "as a multiple of the evaluated model's own mean absolute error, that is still agreed.",
    )


class RetentionPolicy(Policy):
    """How long facts are kept after their arrival, in days of the wall clock; None is for ever."""

    batches_days: Positive | None = Field(None, description="Rows and labels.")
    predictions_days: Positive | None = Field(730, description="Logged predictions.")
    quarantine_days: Positive | None = Field(365, description="Quarantined rows and files.")
    snapshots_days: Positive | None = Field(90, description="Training snapshots.")


class TablesPolicy(Policy):
    """Which facts, that lie in files, are also rows of SQL tables."""

    predictions: bool = Field(
        True, description="Logged predictions are also rows of the view of predictions."
    )
    rows: bool = Field(
        False, description="Stored rows are also rows of the SQL table ct_rows_<model>."
    )
