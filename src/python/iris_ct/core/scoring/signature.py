"""What a served model takes and gives: enough to read rows and to name answers.

It holds what reading and encoding a row needs of the specification and of the encoding, so a
process that only answers loads neither pydantic nor polars.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import msgspec

from iris_ct.core.canonical import canonical_json
from iris_ct.core.errors import IncompatibleModelError

if TYPE_CHECKING:
    from iris_ct.core.specification import Specification
    from iris_ct.core.training.encoding import FeatureEncoding

Kind = Literal["numeric", "categorical", "boolean", "datetime"]
Task = Literal["regression", "binary", "multiclass"]
# The same as in the specification, which would bring pydantic along.
Part = Literal["year", "quarter", "month", "week", "day", "weekday", "yearday", "hour", "minute"]


@dataclass(frozen=True)
class Column:
    """One declared feature: how it is read, what is allowed, what the model sees of it.

    Attributes
    ----------
    minimum, maximum : float or None
        Smallest and largest allowed number; for numeric only.
    allowed : tuple of str or None
        All allowed categories; None: any.
    categories : tuple of str
        Those the model knows, sorted; their place is what it sees. For categorical only.
    parts : tuple of str
        What the model sees of a time, in the model's time zone; for datetime only.
    """

    name: str
    kind: Kind
    nullable: bool = True
    minimum: float | None = None
    maximum: float | None = None
    allowed: tuple[str, ...] | None = None
    categories: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Signature:
    """What one version of a model takes and gives.

    Attributes
    ----------
    positive : str or None
        For two classes: the one whose probability the model gives.
    classes : tuple of str
        Labels, sorted; empty for regression.
    key : tuple of str
        Columns that identify a row; they may be given beside the features, or be features.
    event_time, group : str or None
        Columns that may be given and are not looked at.
    time_zone : str
        IANA zone of times without an offset, and of the parts of all times.
    columns : tuple of Column
        The features, in the order in which rows without names are given.
    spec_digest : str
        The specification that the version was trained with.
    """

    model: str
    version: int
    task: Task
    target: str
    positive: str | None
    classes: tuple[str, ...]
    key: tuple[str, ...]
    event_time: str | None
    group: str | None
    time_zone: str
    columns: tuple[Column, ...]
    spec_digest: str

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in their declared order."""
        return tuple(column.name for column in self.columns)

    @property
    def known(self) -> frozenset[str]:
        """Every name that may be given with a row."""
        others = (name for name in (self.event_time, self.group) if name is not None)
        return frozenset({*self.names, *self.key, *others})

    @property
    def matrix_columns(self) -> tuple[str, ...]:
        """Names of what the model sees; ``<feature>.<part>`` for the parts of a time."""
        return tuple(
            name
            for column in self.columns
            for name in (
                [f"{column.name}.{part}" for part in column.parts]
                if column.kind == "datetime"
                else [column.name]
            )
        )

    def to_json(self) -> str:
        """Give the signature as canonical JSON."""
        return canonical_json(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> Signature:
        """Read a signature back; the inverse of `to_json`.

        Raises
        ------
        IncompatibleModelError
            If the text is no signature.
        """
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.MsgspecError as error:
            raise IncompatibleModelError(
                f"This is no signature of a served model: {error}. Make the bundle again."
            ) from error


def signature_of(
    specification: Specification, encoding: FeatureEncoding, version: int
) -> Signature:
    """Put together what a version takes and gives.

    Raises
    ------
    IncompatibleModelError
        If the encoding is not one of the specification's features.
    """
    # Here, because it would bring the specification's libraries along.
    from iris_ct.core.training.predictor import positive_class

    if tuple(feature.name for feature in encoding.features) != specification.feature_names:
        raise IncompatibleModelError(
            f"The encoding has not the features of '{specification.name}', or has them in another "
            "order. Give the specification that the version was trained with."
        )
    return Signature(
        model=specification.name,
        version=version,
        task=specification.task,
        target=specification.target,
        positive=positive_class(specification, encoding.classes),
        classes=encoding.classes,
        key=specification.key,
        event_time=specification.event_time,
        group=specification.group,
        time_zone=encoding.time_zone,
        columns=tuple(
            Column(
                name=declared.name,
                kind=declared.kind,
                nullable=declared.nullable,
                minimum=declared.min,
                maximum=declared.max,
                allowed=declared.allowed,
                categories=learned.categories,
                parts=learned.parts,
            )
            for declared, learned in zip(specification.features, encoding.features, strict=True)
        ),
        spec_digest=specification.digest,
    )
