"""Files of rows: known by content, read in chunks, refused with the line named."""

import gzip
import hashlib
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from iris_ct.adapters.sources.files import RowSource, open_rows
from iris_ct.core.dataset.validation import RAGGED
from iris_ct.core.errors import UnreadableFileError

Write = Callable[[bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: bytes) -> Path:
        path = tmp_path / "rows"
        path.write_bytes(content)
        return path

    return write_file


def frame_of(source: RowSource) -> pl.DataFrame:
    chunks = list(source)
    return pl.concat(chunks, how="diagonal") if chunks else source.schema.to_frame()


def rows_of(path: Path, **options: int) -> list[tuple[object, ...]]:
    return frame_of(open_rows(path, **options)).rows()


def test_csv_is_text_and_empty_fields_are_null(write: Write) -> None:
    source = open_rows(write(b"a,b\n1,\n,x\n"))
    assert source.format == "csv"
    assert source.schema == pl.Schema({"a": pl.String, "b": pl.String})
    assert frame_of(source).rows() == [("1", None), (None, "x")]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_seen(write: Write, delimiter: str) -> None:
    text = "a,b,c\n1,2,3\n4,5,6\n".replace(",", delimiter)
    assert rows_of(write(text.encode())) == [("1", "2", "3"), ("4", "5", "6")]


def test_decimal_commas_do_not_hide_a_semicolon(write: Write) -> None:
    assert rows_of(write(b"a;b\n1,5;2,5\n3,5;4,5\n")) == [("1,5", "2,5"), ("3,5", "4,5")]


def test_quoted_delimiters_quotes_and_line_ends_stay_in_their_field(write: Write) -> None:
    content = b'a,b\r\n"x, ""y""\nz",1\r\n2,"3"\r\n'
    assert rows_of(write(content)) == [('x, "y"\nz', "1"), ("2", "3")]


def test_a_quote_inside_a_field_is_a_letter(write: Write) -> None:
    assert rows_of(write(b'a,b\n5" pipe,1\n6" pipe,2\n7,8\n')) == [
        ('5" pipe', "1"),
        ('6" pipe', "2"),
        ("7", "8"),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_name(write: Write) -> None:
    with open_rows(write(b"\xef\xbb\xbfa,b\n1,2\n")) as source:
        assert source.columns == ("a", "b")


def test_names_lose_surrounding_blanks_and_unnamed_columns_get_a_name(write: Write) -> None:
    with open_rows(write(b"a , b,\n1,2,3\n")) as source:
        assert source.columns == ("a", "b", "_unnamed_3")


def test_the_last_line_needs_no_line_end(write: Write) -> None:
    assert rows_of(write(b"a,b\n1,2\n3,4")) == [("1", "2"), ("3", "4")]


@pytest.mark.parametrize("content", [b"a,b\n", b"a,b", b"a,b\n\n\n"])
def test_a_header_alone_is_a_file_of_no_rows(write: Write, content: bytes) -> None:
    source = open_rows(write(content))
    assert source.columns == ("a", "b")
    assert list(source) == []
    assert source.fingerprint == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("content", [b"a,b\n1,2\n\n3,4\n\n", b"\n\na,b\r\n1,2\r\n\r\n3,4\r\n"])
def test_blank_lines_are_no_rows(write: Write, content: bytes) -> None:
    assert rows_of(write(content)) == [("1", "2"), ("3", "4")]


def test_blank_lines_of_a_single_column_are_no_rows(write: Write) -> None:
    assert rows_of(write(b"a\n1\n\n2\n")) == [("1",), ("2",)]


@pytest.mark.parametrize("quotes", [b"", b'"'])
def test_ragged_rows_are_marked_with_their_number_of_fields(write: Write, quotes: bytes) -> None:
    content = b"a,b,c\n1,2,3\n4,5\n6,7,8,9\n%s10%s,11,12\n" % (quotes, quotes)
    assert frame_of(open_rows(write(content))).select("a", "b", "c", RAGGED).rows() == [
        ("1", "2", "3", None),
        ("4", "5", None, 2),
        ("6", "7", "8,9", 4),
        ("10", "11", "12", None),
    ]


def test_one_short_and_one_long_row_do_not_cancel_out(write: Write) -> None:
    """The quick check counts delimiters of a whole block."""
    found = frame_of(open_rows(write(b"a,b,c\n1,2\n3,4,5,6\n")))[RAGGED].to_list()
    assert found == [2, 4]


@pytest.mark.parametrize("chunk_rows", [1, 3, 7, 100_000])
def test_chunks_are_of_the_asked_size_and_count_their_rows(write: Write, chunk_rows: int) -> None:
    lines = [f"{i},{'x' * (i % 50)}" for i in range(20_000)]
    source = open_rows(write("\n".join(["a,b", *lines]).encode()), chunk_rows=chunk_rows)
    places, sizes, first = [], [], []
    for chunk in source:
        places.append(source.first_place)
        sizes.append(chunk.height)
        first.append(int(chunk["a"][0]) + 1)
        if chunk_rows < 100 and len(places) > 200:
            return
    assert max(sizes) <= chunk_rows
    assert places == first
    assert source.n_rows == sum(sizes) == 20_000


def test_a_record_may_cross_the_reads(write: Write) -> None:
    """Quoted line ends lie wherever a block happens to be cut."""
    record = b'%d,"one\ntwo, ""three""\n%s"\n'
    content = b"a,b\n" + b"".join(record % (i, b"z" * (i % 97)) for i in range(9_000))
    rows = rows_of(write(content), chunk_rows=50)
    assert len(rows) == 9_000
    assert rows[8_999] == ("8999", 'one\ntwo, "three"\n' + "z" * (8_999 % 97))


def test_gzip_is_the_same_content_as_what_it_holds(write: Write) -> None:
    content = b"a,b\n" + b"1,2\n" * 1000
    plain = open_rows(write(content))
    assert frame_of(plain).height == 1000
    packed = open_rows(write(gzip.compress(content)))
    assert packed.format == "gzip csv"
    assert frame_of(packed).height == 1000
    assert packed.fingerprint == plain.fingerprint == hashlib.sha256(content).hexdigest()


def test_gzip_of_several_members_is_one_file(write: Write) -> None:
    packed = gzip.compress(b"a,b\n1,2\n") + gzip.compress(b"3,4\n")
    assert rows_of(write(packed)) == [("1", "2"), ("3", "4")]


def test_parquet_keeps_its_types_and_is_read_in_chunks(tmp_path: Path) -> None:
    frame = pl.DataFrame({"n": range(1000), "t": ["x"] * 1000})
    path = tmp_path / "named.csv"
    frame.write_parquet(path)
    source = open_rows(path, chunk_rows=300)
    assert source.format == "parquet"
    assert [chunk.height for chunk in source] == [300, 300, 300, 100]
    assert source.first_place == 901
    assert source.schema == frame.schema
    assert source.fingerprint == hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_fingerprint_is_not_known_before_the_end(write: Write) -> None:
    source = open_rows(write(b"a\n1\n"))
    with source, pytest.raises(RuntimeError, match="known after its last row"):
        _ = source.fingerprint


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"a,b,a\n1,2,3\n", "names columns twice: a"),
        (b"a,b\n1,2\n3,\xe9\n", "line 3 is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"a,b\n1,\x00\n", "no text"),
        (b"a,b\r1,2\r", "carriage return alone"),
        (b'a,b\n1,2\n3,"x\n4,5\n', "a quote that is opened in line 3 or after it"),
        (b"PK\x03\x04rest", "a ZIP archive or Excel workbook; expected CSV, gzip CSV or Parquet"),
        (b"PAR1 but no more", "its footer cannot be read"),
        (b"\x1f\x8b no gzip at all", "gzip breaks off"),
        (gzip.compress(b"a,b\n" + b"1,2\n" * 9999, mtime=0)[:-30], "gzip breaks off"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(
    write: Write, content: bytes, message: str
) -> None:
    path = write(content)
    with pytest.raises(UnreadableFileError, match=message) as caught:
        list(open_rows(path))
    assert str(caught.value).startswith("rows")


@pytest.mark.parametrize("packed", [False, True])
def test_the_line_is_named_far_into_a_file(write: Write, packed: bool) -> None:
    content = b"a,b\n" + b'1,"2\n2"\n' * 40_000 + b"1,\xff\n"
    path = write(gzip.compress(content) if packed else content)
    with pytest.raises(UnreadableFileError, match="line 80002 is not UTF-8"):
        list(open_rows(path, chunk_rows=1000))


def test_a_missing_file_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="cannot be opened: No such file"):
        open_rows(tmp_path / "none.csv")


def test_what_unpacks_to_too_much_is_refused_early(write: Write) -> None:
    path = write(gzip.compress(b"a,b\n" + b"0,0\n" * 2_000_000))
    with pytest.raises(UnreadableFileError, match="unpacks to more than 1000000 bytes"):
        list(open_rows(path, max_uncompressed_bytes=1_000_000))


def test_a_parquet_file_that_unpacks_to_too_much_is_refused_at_once(tmp_path: Path) -> None:
    pl.DataFrame({"a": [0] * 1_000_000}).write_parquet(tmp_path / "p", use_pyarrow=True)
    with pytest.raises(UnreadableFileError, match="unpacks to more than 100 bytes"):
        open_rows(tmp_path / "p", max_uncompressed_bytes=100)


def test_a_record_without_end_does_not_fill_the_memory(write: Write) -> None:
    path = write(gzip.compress(b'a,b\n1,"' + b"x" * 200_000_000, compresslevel=1))
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableFileError, match="never closed"):
            list(open_rows(path, chunk_rows=1000))
        assert tracemalloc.get_traced_memory()[1] < 120e6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("packed", [False, True])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, packed: bool) -> None:
    """Twice the rows may not cost a tenth more; counted where Python allocates the blocks."""
    peaks = []
    for n_rows in (200_000, 400_000):
        content = b"a,b,c\n" + b"1.25,2.5,some text\n" * n_rows
        path = tmp_path / f"{n_rows}"
        path.write_bytes(gzip.compress(content, 1) if packed else content)
        del content
        tracemalloc.start()
        rows = sum(chunk.height for chunk in open_rows(path, chunk_rows=10_000))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert rows == n_rows
    assert peaks[1] < 1.1 * peaks[0]
