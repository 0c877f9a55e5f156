"""What is particular to the store inside IRIS, shown as far as `tests.iris_process` goes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from tests.contract.store.histories import decision, trigger
from tests.iris_process import IrisProcess, SQLError, translated

from iris_ct.adapters.store import SqlStore, iris_embedded, tables
from iris_ct.adapters.store.engine import Database
from iris_ct.adapters.store.migrations import MIGRATIONS, migrate
from iris_ct.core.errors import ConflictError, StoreError, StoreUnavailableError

pytestmark = pytest.mark.integration

URL = "iris+emb:///IRISAPP"
T = tables.registry_alias


@pytest.fixture
def process(iris_database: str) -> Iterator[IrisProcess]:
    """Be an IRIS process."""
    made = IrisProcess(iris_database)
    yield made
    made.end()


def database(process: IrisProcess) -> Database:
    return Database(URL, connect=lambda: iris_embedded.connect("IRISAPP", process))


@pytest.fixture
def migrated(process: IrisProcess) -> Database:
    """Give a database with all tables."""
    made = database(process)
    migrate(made)
    return made


def in_process(address: str, home: Path, work: Callable[[SqlStore], Any], told: list[Any]) -> None:
    """Open a store in an IRIS process of its own and work with it; a thread stands for it."""
    process = IrisProcess(address)
    try:
        connect = partial(iris_embedded.connect, "IRISAPP", process)
        with SqlStore(URL, home, synchronous="OFF", connect=connect) as store:
            told.append(work(store))
    finally:
        process.end()


def crowd(address: str, home: Path, works: Sequence[Callable[[SqlStore], Any]]) -> list[Any]:
    told: list[Any] = []
    threads = [
        threading.Thread(target=in_process, args=(address, home, work, told)) for work in works
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return told


def test_several_processes_can_open_a_fresh_store_at_once(
    iris_database: str, tmp_path: Path
) -> None:
    told = crowd(iris_database, tmp_path, [lambda store: store.migrate()] * 3)
    assert told == [[], [], []]


def test_of_many_processes_one_opens_the_cycle(iris_database: str, tmp_path: Path) -> None:
    """Each waits for the model's row in ct_lock, which the first of them makes."""

    def ask(number: int, store: SqlStore) -> bool:
        return store.cycles.open_or_join(trigger(f"t{number}"), spec_digest="s")[1]

    works = [partial(ask, number) for number in range(4)]
    assert sorted(crowd(iris_database, tmp_path, works)) == [False, False, False, True]


def test_recorders_in_many_processes_make_one_chain(iris_database: str, tmp_path: Path) -> None:
    def record(number: int, store: SqlStore) -> None:
        for step in range(3):
            store.decisions.record(decision(f"d{number}.{step}"))

    crowd(iris_database, tmp_path, [partial(record, number) for number in range(3)])
    (told,) = crowd(
        iris_database,
        tmp_path,
        [lambda store: (len(store.decisions.decisions("bikes")), store.decisions.verify("bikes"))],
    )
    assert told == (9, None)


def test_names_that_differ_in_case_stay_apart(migrated: Database) -> None:
    """Without COLLATE %EXACT the second would be the same name again."""
    with migrated.begin() as connection:
        for seq, model in enumerate(["bikes", "Bikes", "BIKES"]):
            connection.execute(sa.insert(T).values(model=model, champion_seq=seq))
        found = connection.execute(sa.select(T.c.champion_seq).where(T.c.model == "Bikes")).all()
    assert found == [(1,)]


def test_without_a_collation_they_would_not(iris_database: str, process: IrisProcess) -> None:
    """Shows that the stand-in for IRIS has its default."""
    with psycopg.connect(iris_database, autocommit=True) as connection:
        connection.execute(translated("CREATE TABLE ct_store.t (a VARCHAR(9) PRIMARY KEY)"))
        connection.execute("INSERT INTO ct_store.t VALUES ('bikes')")
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO ct_store.t VALUES ('Bikes')")


@pytest.mark.parametrize("empty_text", ["", "\x00"])
def test_empty_texts_and_null_come_back_as_they_were(iris_database: str, empty_text: str) -> None:
    """However IRIS hands the empty text to Python."""
    process = IrisProcess(iris_database, empty_text=empty_text)
    opened = database(process)
    migrate(opened)
    reports = tables.drift_report
    common = {"model": "bikes", "batch_id": "b", "content": ""}
    with opened.begin() as connection:
        connection.execute(sa.insert(reports).values(**common, report_id="r1", seq=1, status=""))
        connection.execute(sa.insert(reports).values(**common, report_id="r2", seq=2))
        found = connection.execute(
            sa.select(reports.c.content, reports.c.status).order_by(reports.c.seq)
        ).all()
        n_empty = connection.scalar(
            sa.select(sa.func.count()).select_from(reports).where(reports.c.status == "")
        )
        n_null = connection.scalar(
            sa.select(sa.func.count()).select_from(reports).where(reports.c.status.is_(None))
        )
    assert found == [("", ""), ("", None)]
    assert (n_empty, n_null) == (1, 1)
    process.end()


def test_a_migration_that_breaks_off_is_taken_up_again(
    process: IrisProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables are made outside the transaction, so some may be there already."""
    opened = database(process)
    real, done = process._run, []

    def refuse_views(statement: str, parameters: Any) -> Any:
        done.append(statement)
        if statement.startswith("CREATE VIEW CT.Cycle"):
            raise SQLError(-400, "the disk is full")
        return real(statement, parameters)

    monkeypatch.setattr(process, "_run", refuse_views)
    with pytest.raises(StoreError):
        migrate(opened)
    monkeypatch.setattr(process, "_run", real)
    assert migrate(opened) == [step.number for step in MIGRATIONS]
    assert migrate(opened) == []


def test_what_a_caller_undoes_takes_the_store_along(
    process: IrisProcess, migrated: Database
) -> None:
    """A client calls a procedure in a transaction of its own, then rolls it back."""
    process.tstart()
    with migrated.begin() as connection:
        connection.execute(sa.insert(T).values(model="bikes", champion_seq=1))
    assert process.tlevel() == 1
    process.trollback()
    with migrated.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(T)) == 0


def test_a_failure_of_the_store_leaves_the_callers_transaction(
    process: IrisProcess, migrated: Database
) -> None:
    process.tstart()
    with migrated.begin() as connection:
        connection.execute(sa.insert(T).values(model="bikes", champion_seq=1))
    rows = [{"model": "loans", "champion_seq": 1}, {"model": "bikes", "champion_seq": 2}]
    with pytest.raises(ConflictError), migrated.begin() as connection:
        connection.execute(sa.insert(T), rows)
    assert process.tlevel() == 1
    process.tcommit()
    with migrated.reading() as connection:
        assert connection.scalars(sa.select(T.c.model)).all() == ["bikes"]


def test_a_row_that_somebody_else_holds_is_worth_another_try(
    iris_database: str, process: IrisProcess, migrated: Database
) -> None:
    other = IrisProcess(iris_database)
    process._connection.execute("SET lock_timeout = '200ms'")
    with migrated.writing("bikes"):
        pass
    with (
        database(other).writing("bikes"),
        pytest.raises(StoreUnavailableError, match="-110"),
        migrated.writing("bikes"),
    ):
        pytest.fail("it did not wait")
    other.end()


def test_no_customer_name_or_value_is_part_of_a_statement(
    process: IrisProcess, migrated: Database
) -> None:
    with migrated.begin() as connection:
        connection.execute(sa.insert(T).values(model="O'Brien's", champion_seq=1))
    assert not any("Brien" in statement for statement in process.statements)


def test_a_query_that_somebody_wrote_gives_its_columns_and_rows(migrated: Database) -> None:
    """As when rows are read from a customer's table: nobody has compiled it."""
    query = sa.text("SELECT model, champion_seq AS seq FROM CT_Store.ct_registry_alias")
    with migrated.begin() as connection:
        assert list(connection.execute(query).keys()) == ["model", "seq"]
        connection.execute(sa.insert(T).values(model="bikes", champion_seq=1))
        again = sa.text(f"{query.text} WHERE model = :name")
        assert connection.execute(again, {"name": "bikes"}).all() == [("bikes", 1)]
