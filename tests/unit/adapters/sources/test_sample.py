"""Samples for proposals are spread over the file and bounded."""

from pathlib import Path

import pytest

from iris_ct.adapters.sources.sample import sample_rows


def write(path: Path, n_rows: int) -> Path:
    path.write_text("a\n" + "\n".join(str(i) for i in range(n_rows)) + "\n")
    return path


@pytest.mark.parametrize(("n_rows", "stride"), [(0, 1), (20, 1), (21, 2), (1000, 64), (5000, 256)])
def test_rows_keep_a_constant_distance(tmp_path: Path, n_rows: int, stride: int) -> None:
    sample = sample_rows(write(tmp_path / "x.csv", n_rows), n_rows=10)
    assert sample.stride == stride
    assert [int(value) for value in sample.frame["a"]] == list(range(0, n_rows, stride))
    assert sample.whole


def test_a_large_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    sample = sample_rows(write(tmp_path / "x.csv", 200_000), n_rows=10, scan_rows=70_000)
    assert not sample.whole
    assert sample.n_scanned < 200_000
    assert sample.description.endswith(f"of the first {sample.n_scanned} rows")


def test_ragged_rows_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b\n1,2\n3\n4,5\n")
    sample = sample_rows(tmp_path / "x.csv")
    assert sample.frame.rows() == [("1", "2"), ("4", "5")]
