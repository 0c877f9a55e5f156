"""The careful way to read rows: the same validation and encoding as for files.

It says what is wrong with rows that are refused, and reads what the quick way (`reader`) leaves
alone: odd spellings of numbers and times. It brings polars and pydantic along, which a process
that only answers loads with the first such row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.errors import DataError
from iris_ct.core.scoring.inputs import TOLD_REFUSALS, RowsRefusedError
from iris_ct.core.scoring.signature import Signature

if TYPE_CHECKING:
    import polars as pl

    from iris_ct.core.dataset.issues import ValidationReport
    from iris_ct.core.specification import Specification
    from iris_ct.core.training.encoding import FeatureEncoding

# Decimal digits of an integer that no float64 can hold; Python refuses to write much longer ones.
_TOO_LARGE = 10**400


class CheckedReader:
    """Reads rows as files are read, and refuses them with reasons; usable from any thread.

    Parameters
    ----------
    signature : Signature
        Of the model that the rows are for.
    """

    def __init__(self, signature: Signature) -> None:
        self._signature = signature

    def read(
        self, cells: Mapping[str, list[Any]], n_rows: int, *, keyed: bool
    ) -> tuple[NDArray[np.float64], list[str | None] | None]:
        """Read rows column by column, or refuse them.

        Parameters
        ----------
        cells : mapping
            For some of the features and key columns their ``n_rows`` cells; the others are
            missing.
        keyed : bool
            The rows have keys.

        Returns
        -------
        matrix : ndarray of shape (n_rows, n_matrix_columns)
            What the model sees.
        keys : list of str, or None
            None if the rows have no keys.

        Raises
        ------
        RowsRefusedError
            If a row is not as declared; names rows, columns and reasons.
        DataError
            If a cell is neither number, text, bool nor None.
        """
        import polars as pl

        from iris_ct.core.dataset.batch import KEY
        from iris_ct.core.dataset.validation import InputValidator

        specification = self._specification
        if not keyed:
            specification = specification.model_copy(update={"key": ()})
        numeric = {c.name for c in self._signature.columns if c.kind == "numeric"}
        wanted = dict.fromkeys((*specification.key, *specification.feature_names))
        missing = [None] * n_rows
        frame = pl.DataFrame(
            [
                pl.Series(
                    name,
                    _texts(name, cells.get(name, missing), is_number=name in numeric),
                    dtype=pl.String,
                )
                for name in wanted
            ]
        )
        validator = InputValidator(specification)
        parted = validator.validate(frame, first_place=1)
        if not parted.bad.is_empty():
            raise _refusal(self._signature.model, parted.bad, validator.report())
        keys = parted.good[KEY].to_list() if keyed else None
        return self._encoding.encode(parted.good), keys

    @cached_property
    def _specification(self) -> Specification:
        """What the signature was made of, as far as reading rows needs it."""
        from iris_ct.core.specification import Feature, Specification

        signature = self._signature
        return Specification(
            name=signature.model,
            task=signature.task,
            target=signature.target,
            key=signature.key,
            event_time=signature.event_time,
            time_zone=signature.time_zone,
            features=tuple(
                Feature(
                    name=column.name,
                    kind=column.kind,
                    min=column.minimum,
                    max=column.maximum,
                    allowed=column.allowed,
                    nullable=column.nullable,
                    parts=column.parts,
                )
                for column in signature.columns
            ),
        )

    @cached_property
    def _encoding(self) -> FeatureEncoding:
        from iris_ct.core.training.encoding import EncodedFeature, FeatureEncoding

        return FeatureEncoding(
            features=tuple(
                EncodedFeature(column.name, column.kind, column.categories, column.parts)
                for column in self._signature.columns
            ),
            time_zone=self._signature.time_zone,
            classes=self._signature.classes,
        )


def _texts(name: str, cells: Iterable[Any], *, is_number: bool) -> list[str | None]:
    """Write cells down as a file would hold them: text is read the same way everywhere."""
    texts: list[str | None] = []
    for cell in cells:
        said = cell.item() if isinstance(cell, np.generic) else cell
        if isinstance(said, str):
            _check_text(name, said)
        elif isinstance(said, bool):
            said = str(int(said)) if is_number else str(said).lower()
        elif isinstance(said, int) and abs(said) > _TOO_LARGE:
            said = "inf" if said > 0 else "-inf"
        elif isinstance(said, int | float):
            said = repr(said)
        elif said is not None:
            raise DataError(
                f"{name}: expected a text, number, true, false or null for each feature, found "
                f"{'an object or a list' if isinstance(said, dict | list) else 'something else'}."
            )
        texts.append(said)
    return texts


def _check_text(name: str, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{name}: the text is no Unicode; it has half of a surrogate pair. Mend what writes it."
        ) from error


def _refusal(model: str, bad: pl.DataFrame, report: ValidationReport) -> RowsRefusedError:
    """Name rows, columns and reasons, never what the rows hold."""
    from iris_ct.core.dataset.parting import PLACE, REASONS

    refusals = [
        (place, column, code)
        for place, reasons in bad.head(TOLD_REFUSALS).select(PLACE, REASONS).iter_rows()
        for code, _, column in (reason.partition(":") for reason in reasons)
    ]
    what = (
        "The row was not predicted"
        if report.n_rows == 1
        else f"The rows were not predicted, since {report.n_bad} of {report.n_rows} are bad,"
    )
    told = [
        f"{what} by '{model}':",
        *report.findings(),
        f"Expected values as models/{model}.toml declares them.",
    ]
    return RowsRefusedError("\n".join(told), tuple(refusals[:TOLD_REFUSALS]))
