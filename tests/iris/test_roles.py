"""What readers, operators and strangers may do in SQL."""

from __future__ import annotations

from typing import Any

import pytest
from tests.iris.conftest import MODEL
from tests.iris.stack import Stack

from iris_ct.adapters.store.iris_remote import Error
from iris_ct.adapters.store.views import VIEWS
from iris_ct.procedures.catalogue import PROCEDURES, Procedure

pytestmark = pytest.mark.iris

READERS = [each for each in PROCEDURES if each.role == "reader"]
OPERATORS = [each for each in PROCEDURES if each.role == "operator"]
NO_PRIVILEGE = -99

KEY = "2024-01-01 00:00:00"


def call(procedure: Procedure) -> tuple[str, list[Any]]:
    """Write a call whose arguments are of the right types; what it does is not the question."""
    known = {"model": MODEL, "subject": MODEL, "keyOrJson": KEY, "moment": KEY}
    given = [known.get(argument.name, argument.default or 1) for argument in procedure.arguments]
    marks = ", ".join("?" for _ in given)
    place = "* FROM " if procedure.result == "rows" else ""
    return f"SELECT {place}CT.{procedure.sql_name}({marks})", given


def sqlcode(stack: Stack, user: str, sql: str, given: list[Any]) -> int | None:
    """Run a statement; give the code it failed with, None if it did not."""
    try:
        stack.query(sql, *given, user=user)
    except Error as error:
        return error.sqlcode
    return None


def codes(stack: Stack, user: str, procedures: list[Procedure]) -> dict[str, int | None]:
    """Call each as a user; what each failed with, by name."""
    return {each.name: sqlcode(stack, user, *call(each)) for each in procedures}


def test_readers_and_operators_may_ask(stack: Stack, champion: dict[str, Any]) -> None:
    allowed = {each.name: None for each in READERS}
    assert codes(stack, "ct_test_reader", READERS) == allowed
    assert codes(stack, "ct_test_operator", READERS) == allowed


def test_readers_may_change_nothing(stack: Stack, champion: dict[str, Any]) -> None:
    refused = {each.name: NO_PRIVILEGE for each in OPERATORS}
    assert codes(stack, "ct_test_reader", OPERATORS) == refused


def test_strangers_may_nothing(stack: Stack, champion: dict[str, Any]) -> None:
    refused = {each.name: NO_PRIVILEGE for each in PROCEDURES}
    assert codes(stack, "ct_test_stranger", list(PROCEDURES)) == refused


def test_readers_see_the_views_and_strangers_do_not(
    stack: Stack, champion: dict[str, Any]
) -> None:
    asked = [f"SELECT COUNT(*) FROM CT.{view.name}" for view in VIEWS]
    assert {sqlcode(stack, "ct_test_reader", sql, []) for sql in asked} == {None}
    assert {sqlcode(stack, "ct_test_stranger", sql, []) for sql in asked} == {NO_PRIVILEGE}


def test_readers_cannot_change_the_tables_behind(stack: Stack, champion: dict[str, Any]) -> None:
    tried = (
        "UPDATE CT_Store.ct_champion SET version = 1",
        "DELETE FROM CT_Store.ct_decision",
        "DROP TABLE CT_Store.ct_decision",
    )
    found = {sql: sqlcode(stack, "ct_test_reader", sql, []) for sql in tried}
    assert found == dict.fromkeys(tried, NO_PRIVILEGE)
