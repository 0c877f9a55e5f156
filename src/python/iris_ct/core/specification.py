"""A model's specification: what ``models/<name>.toml`` may say, checked and digested.

Reading the file is the work of ``adapters/sources``; here a mapping becomes a `Specification`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from iris_ct.core.canonical import canonical_json, digest
from iris_ct.core.errors import SpecificationError
from iris_ct.core.policy import (
    DataPolicy,
    DriftPolicy,
    GatePolicy,
    RetentionPolicy,
    TablesPolicy,
    TrainingPolicy,
    TriggerPolicy,
)
from iris_ct.core.source import ScoringPolicy, SourcePolicy
from iris_ct.core.span import Span, is_rows
from iris_ct.core.sql_names import unfit_names

Task = Literal["regression", "binary", "multiclass"]
FeatureKind = Literal["numeric", "categorical", "boolean", "datetime"]
DatetimePart = Literal[
    "year", "quarter", "month", "week", "day", "weekday", "yearday", "hour", "minute"
]

MODEL_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
RESERVED_COLUMNS = frozenset({"_row", "_position", "_key"})

# Tables that a model file need not have, and that older contents do not know.
_LATER = frozenset({"source", "scoring"})

# How a wrong or empty [features] shows itself.
_NO_FEATURES = frozenset({"too_short", "tuple_type", "model_type"})


class Feature(BaseModel):
    """One declared input column."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the column; in TOML, the key of the line.")
    kind: FeatureKind = Field(description="How the column is read and what a model sees of it.")
    min: float | None = Field(None, description="Smallest allowed number; for numeric only.")
    max: float | None = Field(None, description="Largest allowed number; for numeric only.")
    allowed: tuple[str, ...] | None = Field(
        None, description="All allowed categories; for categorical only. Default: any."
    )
    nullable: bool = Field(True, description="A missing value is allowed.")
    parts: tuple[DatetimePart, ...] = Field(
        (), description="What a model sees of a time, in the model's time zone; for datetime only."
    )

    @model_validator(mode="after")
    def _fits_kind(self) -> Self:
        if self.kind != "numeric" and (self.min is not None or self.max is not None):
            raise ValueError("min and max are for numeric features only")
        if self.kind != "categorical" and self.allowed is not None:
            raise ValueError("allowed is for categorical features only")
        if (self.kind == "datetime") != bool(self.parts):
            raise ValueError("parts are needed for datetime features and for no other kind")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self


class Specification(BaseModel):
    """What one model is: its task, its columns and its policies.

    Attributes
    ----------
    name : str
        Lower-case letters, digits and underscores, at most 32; also the registered model's name.
    key : tuple of str
        Columns that identify a row over time; empty: the row's place in its batch.
    event_time : str or None
        Column of the event time; None: the order of arrival is the time.
    time_zone : str
        IANA zone of event times that carry none themselves.
    label_delay : str or None
        Age below which a label is not trusted; rows younger than it are in no holdout, no
        training and no error statistic.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the model; by default the name of the file.")
    task: Task = Field(description="What is predicted: a number, one of two classes, a class.")
    target: str = Field(description="Column to predict; rows without it wait for their label.")
    positive: str | None = Field(
        None,
        description="For binary: the class whose probability is given; default the last in sorted "
        "order.",
    )
    key: tuple[str, ...] = Field(
        (),
        description="Columns that identify a row over time; default the row's place in its batch.",
    )
    event_time: str | None = Field(
        None, description="Column of the time at which a row happened; default the arrival order."
    )
    time_zone: str = Field("UTC", description="IANA zone of the times that carry none themselves.")
    group: str | None = Field(
        None, description="Column whose equal rows are never split between training and holdout."
    )
    label_delay: Span | None = Field(
        None,
        description="Age below which a label is not trusted; younger rows are in no training, no "
        "holdout and no error statistic.",
    )
    on_duplicate: Literal["replace", "keep", "reject"] = Field(
        "replace",
        description="What a row with a known key does: it replaces the earlier one, is stored "
        "without effect, or is bad.",
    )
    features: Annotated[tuple[Feature, ...], Field(min_length=1)] = Field(
        description="The input columns, in the order in which a model sees them."
    )
    data: DataPolicy = DataPolicy()
    drift: DriftPolicy = DriftPolicy()
    trigger: TriggerPolicy = TriggerPolicy()
    training: TrainingPolicy = TrainingPolicy()
    gate: GatePolicy = GatePolicy()
    retention: RetentionPolicy = RetentionPolicy()
    tables: TablesPolicy = TablesPolicy()
    source: SourcePolicy | None = None
    scoring: ScoringPolicy | None = None

    @field_validator("name")
    @classmethod
    def _is_a_model_name(cls, name: str) -> str:
        if not MODEL_NAME.fullmatch(name):
            raise ValueError(
                "a model name starts with a lower-case letter and has at most 32 "
                "lower-case letters, digits and underscores"
            )
        return name

    @field_validator("key", mode="before")
    @classmethod
    def _one_key_column(cls, key: Any) -> Any:
        return (key,) if isinstance(key, str) else key

    @field_validator("features", mode="before")
    @classmethod
    def _table_of_features(cls, features: Any) -> Any:
        if not isinstance(features, Mapping):
            return features
        return [
            {"name": name, **({"kind": said} if isinstance(said, str) else said)}
            for name, said in features.items()
        ]

    @field_validator("time_zone")
    @classmethod
    def _is_a_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                "no such time zone; use an IANA name such as Europe/Vienna"
            ) from error
        return zone

    @model_validator(mode="after")
    def _columns_have_one_role(self) -> Self:
        names = [feature.name for feature in self.features]
        if len(set(names)) < len(names):
            raise ValueError("a feature is declared twice")
        if self.target in names:
            raise ValueError("the target is also a feature")
        if self.target in {*self.key, self.event_time, self.group}:
            raise ValueError("the target is also key, event_time or group")
        if unknown := set(self.gate.slices or ()) - set(names):
            raise ValueError(f"gate.slices names no feature: {', '.join(sorted(unknown))}")
        if taken := RESERVED_COLUMNS & {*names, self.target, *self.key}:
            raise ValueError(
                f"column names kept for the product itself: {', '.join(sorted(taken))}"
            )
        if self.positive is not None and self.task != "binary":
            raise ValueError("positive is for the task binary only")
        if self.on_duplicate != "replace" and not self.key:
            raise ValueError("on_duplicate needs key columns")
        if self.trigger.cron is not None and not croniter.is_valid(self.trigger.cron):
            raise ValueError(
                f"trigger.cron = {self.trigger.cron!r}: expected five fields, such as '0 3 * * 1'"
            )
        return self

    @model_validator(mode="after")
    def _columns_can_be_those_of_a_table(self) -> Self:
        if self.tables.rows and (unfit := unfit_names(self.learned_columns)):
            raise ValueError(
                "tables.rows = true needs names that SQL can have for the columns: "
                f"{'; '.join(unfit)}. Rename them in the export, or leave tables.rows out"
            )
        return self

    @model_validator(mode="after")
    def _spans_fit_the_clock(self) -> Self:
        spans = {
            "label_delay": self.label_delay,
            "data.max_ahead": self.data.max_ahead,
            "trigger.cooldown": self.trigger.cooldown,
            "drift.cell": self.drift.cell,
            "gate.block": self.gate.block,
            **{f"training.windows[{i}]": w for i, w in enumerate(self.training.windows or ())},
        }
        for where, span in spans.items():
            if span is None or span == "all":
                continue
            if where == "data.max_ahead" and self.event_time is None:
                raise ValueError("data.max_ahead is for models with event_time only")
            if is_rows(span) == (self.event_time is not None):
                wanted = (
                    "a row count such as '5000 rows'" if self.event_time is None else "a duration"
                )
                raise ValueError(
                    f"{where} = '{span}': expected {wanted}, because event_time is "
                    f"{'not set' if self.event_time is None else 'set'}"
                )
        return self

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON: a specification is versioned by its content."""
        return digest(self.content())

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the declared features, in their declared order."""
        return tuple(feature.name for feature in self.features)

    @property
    def learned_columns(self) -> tuple[str, ...]:
        """Columns that are stored of a row: group, features and target."""
        group = () if self.group is None else (self.group,)
        return tuple(dict.fromkeys((*group, *self.feature_names, self.target)))

    @property
    def input_columns(self) -> tuple[str, ...]:
        """Columns that a file must have to be predicted: key, event time, group and features."""
        roles = (*self.key, *filter(None, (self.event_time, self.group)))
        return tuple(dict.fromkeys((*roles, *self.feature_names)))

    @property
    def metric(self) -> str:
        """Name of the loss that the gate compares."""
        return self.gate.metric or ("mae" if self.task == "regression" else "log_loss")

    @property
    def windows(self) -> tuple[str, ...]:
        """Training windows to compare, with the defaults for this model's kind of time."""
        if self.training.windows is not None:
            return self.training.windows
        if self.event_time is None:
            return ("5000 rows", "20000 rows", "all")
        return ("90d", "180d", "365d", "all")

    @property
    def max_ahead(self) -> str | None:
        """How far an event time may lie ahead of the clock; None without event times."""
        return (self.data.max_ahead or "1d") if self.event_time else None

    @property
    def cooldown(self) -> str:
        """Event time between two retrainings."""
        return self.trigger.cooldown or ("1d" if self.event_time else "100 rows")

    @property
    def cell(self) -> str:
        """Width of one summary cell."""
        return self.drift.cell or ("1d" if self.event_time else "1000 rows")

    @property
    def block(self) -> str:
        """Length of one block of the paired comparison."""
        return self.gate.block or ("1d" if self.event_time else "50 rows")

    def predicts_like(self, other: Specification) -> bool:
        """Tell whether both predict the same target, so that one truth judges both."""
        return (self.task, self.target) == (other.task, other.target)

    def content(self) -> dict[str, Any]:
        """Give the specification as plain JSON values.

        Tables that came after the first release are there only if they were said, so that a
        model file without them keeps its digest.
        """
        content = self.model_dump(mode="json")
        if self.data.max_ahead is None:
            del content["data"]["max_ahead"]
        if self.tables == TablesPolicy():
            del content["tables"]
        return {k: v for k, v in content.items() if k not in _LATER or v is not None}

    def to_json(self) -> str:
        """Give the specification as canonical JSON."""
        return canonical_json(self.content())


def parse_specification(content: Mapping[str, Any], *, source: str) -> Specification:
    """Check a mapping and make it a `Specification`.

    Parameters
    ----------
    content : mapping
        What the TOML file holds; ``name`` may be absent if ``source`` gives it.
    source : str
        Where the content came from, for messages; a path ending in ``<name>.toml``.

    Returns
    -------
    Specification

    Raises
    ------
    SpecificationError
        With one line for each broken rule: key, value and what is allowed.
    """
    lines = [f"{key} holds {what}; JSON cannot" for key, what in _not_json(content, "")]
    if not lines:
        try:
            return Specification.model_validate(content)
        except ValidationError as error:
            details = error.errors(include_url=False)
            # A wrong feature is not a missing one.
            one_wrong = any(len(d["loc"]) > 1 and d["loc"][0] == "features" for d in details)
            lines = [
                _explain(detail, content)
                for detail in details
                if not (one_wrong and detail["loc"] == ("features",))
            ]
    raise SpecificationError(
        f"{source} breaks {len(lines)} rule{'s' if len(lines) > 1 else ''}:\n"
        + "\n".join(f"  {line}" for line in lines)
    )


def _not_json(value: Any, key: str) -> Iterator[tuple[str, str]]:
    """Find what a specification's digest could not hold: dates, infinite numbers."""
    if isinstance(value, Mapping):
        for name, inside in value.items():
            yield from _not_json(inside, f"{key}.{name}" if key else str(name))
    elif isinstance(value, list | tuple):
        for place, inside in enumerate(value):
            yield from _not_json(inside, f"{key}[{place}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield key, "a number that is not finite"
    elif not isinstance(value, str | int | float | bool | None):
        yield key, f"a {type(value).__name__}"


def _explain(detail: Mapping[str, Any], content: Mapping[str, Any]) -> str:
    """Say one validation error as ``key = value: what is allowed``."""
    path = _path(detail["loc"], content)
    key = ".".join(path)
    message = str(detail["msg"]).removeprefix("Value error, ")
    if not path:
        return message
    message = message.replace("Input should be", "expected", 1)
    if path[0] == "features" and detail["type"] in _NO_FEATURES:
        message = 'expected a table [features] with lines such as: age = "numeric"'
    if detail["type"] == "extra_forbidden":
        near = get_close_matches(path[-1], _allowed_keys(detail["loc"]), n=1, cutoff=0.6)
        meant = f"perhaps {near[0]} is meant" if near else "docs/models.md lists all keys"
        return f"{key}: no such key; {meant}"
    if detail["type"] == "missing":
        return f"{key}: missing; it has no default"
    found = detail["input"]
    shown = f" = {found!r}" if isinstance(found, str | int | float | bool) else ""
    return f"{key}{shown}: {message}"


def _path(loc: Sequence[str | int], content: Mapping[str, Any]) -> list[str]:
    """Give an error's place as the file says it: features by name, not by number."""
    path = [str(part) for part in loc]
    features = content.get("features")
    if len(loc) > 1 and loc[0] == "features" and isinstance(loc[1], int):
        if isinstance(features, Mapping):
            path[1] = str(list(features)[loc[1]])
        elif isinstance(features, Sequence) and isinstance(features[loc[1]], Mapping):
            path[1] = str(features[loc[1]].get("name", loc[1]))
    return path


def _allowed_keys(loc: Sequence[str | int]) -> list[str]:
    """Name the keys there are where an unknown one was found."""
    if len(loc) == 1:
        return list(Specification.model_fields)
    if loc[0] == "features":
        return list(Feature.model_fields)
    group = Specification.model_fields[str(loc[0])].annotation
    for kind in (group, *get_args(group)):
        if fields := getattr(kind, "model_fields", {}):
            return list(fields)
    return []


def changed_keys(before: Specification, after: Specification) -> set[str]:
    """Name the top-level keys in which two specifications differ."""
    old, new = before.content(), after.content()
    return {key for key in {*old, *new} if old.get(key) != new.get(key)}
