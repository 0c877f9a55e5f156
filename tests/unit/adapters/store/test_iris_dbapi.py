"""The two DB-APIs of IRIS: what reaches IRIS, what comes back, and how failures are named."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from iris_ct.adapters.store import iris_dbapi, iris_embedded, iris_remote
from iris_ct.adapters.store.engine import Database, translated
from iris_ct.core.errors import ConflictError, StoreError, StoreUnavailableError

HELD = "what a customer's row holds"


class SQLError(Exception):
    """As ``iris.sql`` raises it."""

    def __init__(self, sqlcode: int) -> None:
        super().__init__(HELD)
        self.sqlcode, self.message = sqlcode, f"Field A (value '{HELD}') failed"


class Iris:
    """A module ``iris`` that writes down its calls."""

    def __init__(self, rows: Any = (), *, level: int = 0, fails: Exception | None = None) -> None:
        self.calls: list[Any] = []
        self.level, self.rows, self.fails = level, rows, fails
        self.sql, self.system = self, self
        self.Process = self

    def SetNamespace(self, name: str) -> None:
        self.calls.append(("namespace", name))

    def prepare(self, statement: str) -> Any:
        self.calls.append(("prepare", statement))
        return self

    def execute(self, *values: Any) -> Iterator[list[Any]]:
        self.calls.append(("execute", *values))
        if self.fails is not None:
            raise self.fails
        return iter(self.rows)

    def tlevel(self) -> int:
        return self.level

    def tstart(self) -> None:
        self.level += 1
        self.calls.append("tstart")

    def tcommit(self) -> None:
        self.level -= 1
        self.calls.append("tcommit")

    def trollback(self) -> None:
        self.level = 0
        self.calls.append("trollback")

    def trollbackone(self) -> None:
        self.level -= 1
        self.calls.append("trollbackone")

    def lock(self, *said: Any) -> Any:
        self.calls.append(("lock", *said))
        return self.rows

    def unlock(self, *said: Any) -> None:
        self.calls.append(("unlock", *said))


class MockingIris:
    """What the package of that name gives outside IRIS: something for everything."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_said: self


# Inside


def test_the_namespace_is_entered_when_it_is_named() -> None:
    iris = Iris()
    iris_embedded.connect("IRISAPP", iris)
    iris_embedded.connect("", iris)
    assert iris.calls == [("namespace", "IRISAPP")]


@pytest.mark.parametrize("module", [MockingIris(), object(), None])
def test_outside_iris_there_is_no_connection(module: Any) -> None:
    """The installed package pretends to have everything; nobody must believe it."""
    with pytest.raises(iris_embedded.OperationalError, match="inside an IRIS process"):
        iris_embedded.connect("IRISAPP", module)


def test_a_reader_opens_no_transaction() -> None:
    iris = Iris([["a", None]])
    connection = iris_embedded.connect("", iris)
    cursor = connection.cursor()
    cursor.expected = ["name"]
    cursor.execute("SELECT name FROM t")
    connection.commit()
    connection.rollback()
    assert iris.calls == [("prepare", "SELECT name FROM t"), ("execute",)]


def test_the_first_change_opens_a_transaction() -> None:
    iris = Iris()
    connection = iris_embedded.connect("", iris)
    for _ in range(2):
        connection.cursor().execute("INSERT INTO t (a) VALUES (?)", [1])
    connection.commit()
    assert [call for call in iris.calls if isinstance(call, str)] == ["tstart", "tcommit"]
    assert iris.calls[0] == "tstart"


@pytest.mark.parametrize("level", [0, 1])
def test_only_its_own_transaction_is_undone(level: int) -> None:
    """A client may call a procedure in a transaction of its own."""
    iris = Iris(level=level)
    connection = iris_embedded.connect("", iris)
    connection.cursor().execute("UPDATE t SET a = ?", [1])
    connection.close()
    assert iris.calls[-1] == ("trollbackone" if level else "trollback")
    assert iris.level == level


def test_another_connection_undoes_nothing() -> None:
    iris = Iris()
    mine, other = iris_embedded.connect("", iris), iris_embedded.connect("", iris)
    mine.cursor().execute("DELETE FROM t")
    other.close()
    assert iris.level == 1


def test_many_rows_are_prepared_once() -> None:
    iris = Iris()
    cursor = iris_embedded.connect("", iris).cursor()
    cursor.executemany("INSERT INTO t (a) VALUES (?)", [(1,), (2,)])
    assert iris.calls[1:] == [
        ("prepare", "INSERT INTO t (a) VALUES (?)"),
        ("execute", 1),
        ("execute", 2),
    ]


def test_rows_come_one_by_one_with_empty_texts_as_python_has_them() -> None:
    cursor = iris_embedded.connect("", Iris([["a", "\x00"], ["b", None], ["c", 7]])).cursor()
    cursor.expected = ["x", "y"]
    cursor.execute("SELECT x, y FROM t")
    assert [column[0] for column in cursor.description or ()] == ["x", "y"]
    assert cursor.fetchone() == ("a", "")
    assert cursor.fetchmany(1) == [("b", None)]
    assert cursor.fetchall() == [("c", 7)]
    assert cursor.fetchone() is None


def test_tables_are_changed_under_a_lock_of_the_process() -> None:
    iris = Iris(rows=None)
    with iris_embedded.connect("", iris).alone_with_tables():
        assert iris.calls == [("lock", ["^CT.Store.Tables"], 120, "")]
    assert iris.calls[-1][0] == "unlock"


def test_a_lock_that_is_not_had_is_said() -> None:
    connection = iris_embedded.connect("", Iris(rows=0))
    with pytest.raises(iris_embedded.OperationalError), connection.alone_with_tables():
        pytest.fail("it was not alone")


# Outside


class Driver:
    """A module ``iris.dbapi`` that writes down its calls."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.calls: list[Any] = []
        self.fails = fails
        self.description = (("a",),)
        self.rowcount = 1

    def connect(self, **said: Any) -> Driver:
        self.calls.append(said)
        if self.fails is not None:
            raise self.fails
        return self

    def cursor(self) -> Driver:
        return self

    def execute(self, operation: str, values: list[Any]) -> None:
        self.calls.append((operation, values))

    def executemany(self, operation: str, rows: list[Any]) -> None:
        self.calls.append(rows)

    def fetchone(self) -> list[Any]:
        return ["\x00", None]

    def fetchmany(self, size: int) -> list[Any]:
        return [["a"]] * size

    def fetchall(self) -> list[Any]:
        return [["a"]]

    def close(self) -> None:
        self.calls.append("close")


def over_the_network(driver: Any) -> iris_remote.Connection:
    return iris_remote.connect(
        hostname="db",
        port=1972,
        namespace="IRISAPP",
        username="ct",
        password="secret",  # noqa: S106 - nobody's
        driver=driver,
    )


def test_the_host_is_really_passed_and_memory_is_not_shared() -> None:
    driver = Driver()
    over_the_network(driver)
    assert driver.calls == [
        {
            "hostname": "db",
            "port": 1972,
            "namespace": "IRISAPP",
            "username": "ct",
            "password": "secret",
            "timeout": 10,
            "sharedmemory": False,
            "autoCommit": False,
        }
    ]


def test_the_real_driver_takes_these_arguments() -> None:
    """Nobody listens on the port, which is how far it gets here."""
    with pytest.raises(iris_remote.OperationalError, match="cannot be reached") as caught:
        iris_remote.connect(
            hostname="127.0.0.1", port=1, namespace="N", username="u", password=HELD, timeout=5
        )
    assert HELD not in "".join(traceback.format_exception(caught.value))


def test_many_rows_are_sent_in_chunks() -> None:
    driver = Driver()
    rows = [(number,) for number in range(1201)]
    over_the_network(driver).cursor().executemany("INSERT INTO t (a) VALUES (?)", rows)
    assert [len(chunk) for chunk in driver.calls[1:]] == [500, 500, 201]


def test_rows_of_the_driver_become_tuples() -> None:
    cursor = over_the_network(Driver()).cursor()
    assert cursor.fetchone() == ("", None)
    assert cursor.fetchmany(2) == [("a",), ("a",)]
    assert cursor.fetchall() == [("a",)]


def test_tables_are_not_made_from_outside() -> None:
    with pytest.raises(StoreError, match=r"CT\.Setup"):
        over_the_network(Driver()).alone_with_tables()


# Errors


@pytest.mark.parametrize(
    ("sqlcode", "kind"),
    [
        (-119, iris_dbapi.IntegrityError),
        (119, iris_dbapi.IntegrityError),
        (-120, iris_dbapi.IntegrityError),
        (-121, iris_dbapi.IntegrityError),
        (-110, iris_dbapi.OperationalError),
        (-114, iris_dbapi.OperationalError),
        (-461, iris_dbapi.OperationalError),
        (-104, iris_dbapi.DataError),
        (-99, iris_dbapi.ProgrammingError),
        (-400, iris_dbapi.DatabaseError),
    ],
)
def test_each_code_has_its_error(sqlcode: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        iris_dbapi.raise_for(sqlcode, "said")
    assert type(caught.value) is kind
    assert caught.value.sqlcode == -abs(sqlcode)  # type: ignore[attr-defined]  # our own errors


def failures() -> list[tuple[str, Callable[[], Any]]]:
    """Let both ways fail with what quotes a row."""

    def inside() -> None:
        iris_embedded.connect("", Iris(fails=SQLError(-104))).cursor().execute("SELECT a FROM t")

    def outside() -> None:
        over_the_network(Driver(RuntimeError(f"[SQLCODE: <-104>:<{HELD}>]")))

    def inside_without_a_code() -> None:
        iris = Iris(fails=ValueError(HELD))
        iris_embedded.connect("", iris).cursor().execute("SELECT a FROM t")

    def outside_without_a_code() -> None:
        over_the_network(Driver(RuntimeError(HELD)))

    return [
        (way.__name__, way)
        for way in (inside, outside, inside_without_a_code, outside_without_a_code)
    ]


@pytest.mark.parametrize(("way", "fail"), failures())
def test_no_value_of_a_row_is_in_an_error_or_its_traceback(way: str, fail: Any) -> None:
    """The event log of IRIS shows the whole traceback."""
    with pytest.raises(iris_dbapi.DatabaseError) as caught:
        fail()
    told = "".join(traceback.format_exception(caught.value))
    assert "Error" in told
    assert HELD not in told


def test_a_wrong_statement_is_explained_in_the_words_of_iris() -> None:
    with pytest.raises(iris_dbapi.ProgrammingError, match="SQLCODE -29: Field not found"):
        iris_dbapi.raise_for(-29, "Field not found\n in the tables")


def database(iris: Any) -> Database:
    return Database("iris+emb:///IRISAPP", connect=lambda: iris_embedded.connect("", iris))


@pytest.mark.parametrize(
    ("sqlcode", "ours"),
    [(-119, ConflictError), (-110, StoreUnavailableError), (-400, StoreError), (-104, StoreError)],
)
def test_the_product_sees_its_own_errors(sqlcode: int, ours: type[Exception]) -> None:
    iris = Iris()
    opened = database(iris)
    with opened.reading():
        iris.fails = SQLError(sqlcode)
    with pytest.raises(ours) as caught, opened.begin() as connection:
        connection.execute(sa.select(sa.func.count()))
    assert type(caught.value) is ours
    told = "".join(traceback.format_exception(caught.value))
    assert f"SQLCODE {sqlcode}" in told
    assert HELD not in told


def test_an_iris_that_is_away_is_worth_another_try() -> None:
    away = Database("iris://ct@127.0.0.1:1/IRISAPP", password=HELD)
    with pytest.raises(StoreUnavailableError, match="does not answer") as caught, away.reading():
        pytest.fail("it answered")
    assert HELD not in "".join(traceback.format_exception(caught.value))


def test_a_process_opens_at_most_half_of_the_connections_of_community_edition() -> None:
    pool = Database("iris://ct@db/IRISAPP", password=HELD).engine.pool
    assert isinstance(pool, sa.QueuePool)
    assert pool.size() + pool._max_overflow == 4


def test_a_value_that_does_not_fit_says_so_itself() -> None:
    opened = database(Iris())
    table = sa.table("ct_thing", sa.column("content", sa.Text))
    with pytest.raises(StoreError, match="does not fit into IRIS"), opened.begin() as connection:
        connection.execute(sa.insert(table).values(content="a" * 2_000_000))


def test_isolation_is_set_before_anything_else() -> None:
    iris = Iris()
    with database(iris).reading():
        pass
    assert iris.calls[0] == ("prepare", "SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


def test_a_lost_connection_is_not_used_again() -> None:
    from iris_ct.adapters.store.iris_dialect import EmbeddedDialect, RemoteDialect

    lost = iris_dbapi.OperationalError("gone", -461)
    away = iris_dbapi.OperationalError("away")
    locked = iris_dbapi.OperationalError("locked", -110)
    said = [RemoteDialect().is_disconnect(error, None, None) for error in (lost, away, locked)]
    assert said == [True, True, False]
    assert not EmbeddedDialect().is_disconnect(lost, None, None)


def test_errors_of_the_driver_are_those_of_sqlalchemy() -> None:
    with pytest.raises(ConflictError), translated():
        raise exc.IntegrityError("x", {}, iris_dbapi.IntegrityError("SQLCODE -119", -119))
