"""All that ObjectScript calls: plain values and JSON text in and out.

Every name is one of `procedures.catalogue`. An error of the product goes out as an exception of
its own class with its words in one line.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from iris_ct import bootstrap
from iris_ct.bootstrap import Parts
from iris_ct.core.errors import ConfigError, CTError, DataError
from iris_ct.instance.door import InstanceDoor
from iris_ct.instance.process import this_process, user_of
from iris_ct.instance.screens import Here, draw
from iris_ct.procedures import catalogue
from iris_ct.procedures.door import Door

# IRIS' longest string is a bit above 3.6 million characters.
MAX_CHARACTERS = 3_000_000

Scalar = str | int | float | None


class Surface:
    """The procedures as plain values and JSON text.

    Parameters
    ----------
    here : callable
        Gives the parts and the door of a call; called once for each.
    """

    def __init__(self, here: Here) -> None:
        self._here = here

    def call(self, name: str, *arguments: Scalar) -> str | int | float | None:
        """Ask a procedure with one value or one JSON object as its answer."""
        with _one_line():
            procedure = catalogue.find(name)
            if procedure.result == "rows":
                raise ConfigError(
                    f"{name} answers with rows; CT.{procedure.sql_name} stands behind FROM."
                )
            answer = catalogue.perform(procedure, *self._here(), _given(arguments))
            return _scalar(answer) if procedure.result == "value" else _json(answer)

    def rows(self, name: str, *arguments: Scalar) -> str:
        """Ask a procedure for its rows: a JSON array of arrays in the order of its columns."""
        with _one_line():
            procedure = catalogue.find(name)
            if procedure.result != "rows":
                raise ConfigError(
                    f"{name} answers with one value; call it as CT.{procedure.sql_name}."
                )
            found = catalogue.perform(procedure, *self._here(), _given(arguments))
            text = _json([[_cell(cell) for cell in row] for row in found])
            if len(text) > MAX_CHARACTERS:
                raise DataError(
                    f"The answer of {name} has {len(text)} characters; at most {MAX_CHARACTERS} "
                    "can be handed over. Ask for fewer rows, or read the views of schema CT."
                )
            return text

    def screen(self, name: str, *arguments: Scalar) -> str:
        """Give the text of a command of ``CT.Terminal``."""
        with _one_line():
            return draw(name, _given(arguments), self._here)


def call(name: str, *arguments: Scalar) -> str | int | float | None:
    """Ask a procedure with one value or one JSON object as its answer.

    None, "" and ``$char(0)``, which is SQL's empty text, stand for an argument that is not given.
    """
    return Surface(_here).call(name, *arguments)


def rows(name: str, *arguments: Scalar) -> str:
    """Ask a procedure for its rows: a JSON array of arrays in the order of its columns.

    Raises
    ------
    DataError
        If the text is longer than `MAX_CHARACTERS`.
    """
    return Surface(_here).rows(name, *arguments)


def screen(name: str, *arguments: Scalar) -> str:
    """Give the text of a command of ``CT.Terminal``, at most 80 columns wide."""
    return Surface(_here).screen(name, *arguments)


def migrate() -> str:
    """Bring tables and views to this release; say where they are."""
    from iris_ct.adapters.store.migrations import MIGRATIONS

    with _one_line():
        # Opening the store takes the steps that are missing.
        parts = bootstrap.parts()
        return (
            f"tables and views are those of schema version {MIGRATIONS[-1].number}, "
            f"home {parts.home}"
        )


def _here() -> tuple[Parts, Door]:
    """Give the parts, acting for the user of this process, and the door."""
    iris = this_process()
    return acting(bootstrap.parts(), user_of(iris)), InstanceDoor(iris=iris)


def acting(parts: Parts, user: str) -> Parts:
    """Let a user act, unless the settings name somebody."""
    settings = parts.settings
    if settings.actor or not user:
        return parts
    return replace(parts, settings=settings.model_copy(update={"actor": user, "who": user}))


@contextmanager
def _one_line() -> Iterator[None]:
    """Let an error say its words in one line, as ObjectScript and SQL show them."""
    try:
        yield
    except CTError as error:
        raise type(error)(" ".join(str(error).split())) from error


def _given(arguments: tuple[Scalar, ...]) -> list[Scalar]:
    return [None if said in ("", "\x00") else said for said in arguments]


def _json(answer: Any) -> str:
    return json.dumps(_finite(answer), ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    """Say null where there is no number."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def _cell(cell: Any) -> Any:
    return int(cell) if isinstance(cell, bool) else cell


def _scalar(value: Any) -> str | int | float | None:
    if value is None or isinstance(value, str | int):
        return value
    number = float(value)
    return number if math.isfinite(number) else None
