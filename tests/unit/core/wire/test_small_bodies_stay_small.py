"""A body of some kilobytes cannot make rows that fill the memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable

import pytest

from iris_ct.core.scoring.reader import BatchReader, UnsureError
from iris_ct.core.scoring.signature import Column, Signature
from iris_ct.core.wire import codec
from iris_ct.core.wire.refusal import MLFLOW, SELDON, WireError

SPARSE = [{f"c{n}": n} for n in range(2000)]


def peak_mb(do: Callable[[], object]) -> float:
    """Do something and give the most memory that it took, in megabytes."""
    tracemalloc.start()
    try:
        do()
        return tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("protocol", "body"),
    [
        (MLFLOW, {"dataframe_records": SPARSE}),
        (MLFLOW, {"instances": SPARSE}),
        (SELDON, {"jsonData": SPARSE}),
        (SELDON, {"strData": json.dumps(SPARSE)}),
    ],
)
def test_objects_without_a_name_in_common_are_refused(
    protocol: str, body: dict[str, object]
) -> None:
    """As a table they would have 2,000 columns: four million cells, of 24 kilobytes."""

    def read() -> None:
        with pytest.raises(WireError, match=r"has 4000000 cells, of which 2000 were sent") as told:
            codec.decode(protocol, json.dumps(body).encode())
        assert told.value.status == 400

    assert peak_mb(read) < 8


def test_a_few_names_that_are_missing_are_no_harm() -> None:
    rows = [{"a": 1, "b": 2}, {"a": 1}, {"c": 3}] * 1000
    asked = codec.decode(MLFLOW, json.dumps({"dataframe_records": rows}).encode())
    assert asked.n_rows == 3000


def test_a_long_text_among_numbers_does_not_widen_them_all() -> None:
    """As an array of texts each of two thousand cells would be as wide as the longest: 160 MB."""
    columns = (Column("a", "numeric"), Column("b", "numeric"))
    reader = BatchReader(
        Signature("m", 1, "regression", "y", None, (), (), None, None, "UTC", columns, "digest")
    )
    rows = [[1.0, 2.0]] * 1000 + [[1.0, "x" * 20_000]]

    def read() -> None:
        with pytest.raises(UnsureError):
            reader.read_rows(rows)

    assert peak_mb(read) < 8
    assert reader.read_rows([[1.0, True], [None, 2**60]])[0].tolist() == [1.0, 1.0]
