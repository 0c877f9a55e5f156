"""DuckDB statements are put together of checked pieces."""

import pytest

from iris_ct.adapters.store.sql_text import Sql, joined, sql


def test_values_stand_in_the_order_of_their_question_marks() -> None:
    first, last = sql("a = ?", 1), sql("d = ?", 4)
    together = sql("{first} AND b = ? AND c = ? AND {last}", 2, 3, first=first, last=last)
    assert together == Sql("a = ? AND b = ? AND c = ? AND d = ?", (1, 2, 3, 4))


def test_a_piece_that_is_used_twice_brings_its_values_twice() -> None:
    assert sql("{x} OR {x}", x=sql("?", 7)) == Sql("? OR ?", (7, 7))


def test_names_and_whole_numbers_go_into_the_text() -> None:
    assert sql("{f}(c{i})", f="max", i=3) == Sql("max(c3)")


def test_pieces_are_joined_with_their_values() -> None:
    assert joined(" AND ", ["own", sql("b > ?", 2)]) == Sql("own AND b > ?", (2,))
    assert joined(", ", []) == Sql("")


@pytest.mark.parametrize("text", ["", "a b", "a;", "1a", 'a"', "a'--", "Ä", "?"])
def test_a_text_that_is_no_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no name"):
        sql("SELECT {x}", x=text)


def test_values_and_question_marks_must_be_as_many() -> None:
    with pytest.raises(ValueError, match="1 values have no question mark"):
        sql("a = ?", 1, 2)
    with pytest.raises(ValueError, match="no value"):
        sql("a = ?")
