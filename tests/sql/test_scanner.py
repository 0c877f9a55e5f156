"""The scanner finds each construct that has no place in SQL for IRIS, and nothing else."""

from __future__ import annotations

import pytest
from tests.sql.scanner import FORBIDDEN, findings

BROKEN = {
    "LIMIT": "SELECT a FROM t ORDER BY a LIMIT 5",
    "OFFSET": "SELECT a FROM t ORDER BY a OFFSET 5 ROWS",
    "FETCH FIRST": "SELECT a FROM t FETCH FIRST 5 ROWS ONLY",
    "RETURNING": "INSERT INTO t (a) VALUES (?) RETURNING a",
    "ON CONFLICT": "INSERT INTO t (a) VALUES (?) ON CONFLICT (a) DO NOTHING",
    "ON DUPLICATE KEY": "INSERT INTO t (a) VALUES (?) ON DUPLICATE KEY UPDATE a = ?",
    "MERGE": "MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET b = ?",
    "REPLACE INTO": "REPLACE INTO t (a) VALUES (?)",
    "INSERT OR": "INSERT OR IGNORE INTO t (a) VALUES (?)",
    "several rows of VALUES": "INSERT INTO t (a, b) VALUES (?, f(?)), (?, ?)",
    "WITH ... AS": "WITH newest AS (SELECT a FROM t) SELECT a FROM newest",
    "FOR UPDATE": "SELECT a FROM t WHERE a = ? FOR UPDATE",
    "SKIP LOCKED": "SELECT a FROM t FOR UPDATE SKIP LOCKED",
    "ILIKE": "SELECT a FROM t WHERE a ILIKE ?",
    "regular expressions": "SELECT a FROM t WHERE a ~ ?",
    "a CHECK constraint": "CREATE TABLE t (a INTEGER, CHECK (a > 0))",
    "IF NOT EXISTS": "CREATE TABLE IF NOT EXISTS t (a INTEGER)",
    "a JSON type, function or path": "SELECT content ->> 'a' FROM t",
    "a BOOLEAN type": "CREATE TABLE t (a BOOLEAN)",
    "TRUE or FALSE": "SELECT a FROM t WHERE b = TRUE",
    "a TEXT, BLOB or BYTEA type": "CREATE TABLE t (a TEXT)",
    "VARCHAR without a length": "CREATE TABLE t (a VARCHAR COLLATE %EXACT)",
    "a VARCHAR column without COLLATE %EXACT": "CREATE TABLE t (a VARCHAR(64) NOT NULL)",
    "SERIAL or AUTOINCREMENT": "CREATE TABLE t (a BIGSERIAL)",
    "TIMESTAMP WITH TIME ZONE": "CREATE TABLE t (a TIMESTAMP WITH TIME ZONE)",
    "a :: cast": "SELECT a::text FROM t",
    "IS DISTINCT FROM": "SELECT a FROM t WHERE a IS DISTINCT FROM b",
    "DISTINCT ON": "SELECT DISTINCT ON (a) a FROM t",
    "NULLS FIRST or LAST": "SELECT a FROM t ORDER BY a NULLS LAST",
    "FILTER": "SELECT count(*) FILTER (WHERE a > 0) FROM t",
    "LATERAL": "SELECT a FROM t, LATERAL (SELECT b FROM s) x",
    "a row value": "SELECT a FROM t WHERE (a, b) = (?, ?)",
    "UPDATE ... FROM": "UPDATE t SET a = s.a FROM s WHERE t.b = s.b",
    "DELETE ... USING": "DELETE FROM t USING s WHERE t.a = s.a",
    "a savepoint": "SAVEPOINT one",
    "an advisory lock": "SELECT pg_advisory_xact_lock(7)",
    "PRAGMA": "PRAGMA foreign_keys = ON",
    "the remainder operator %": "SELECT a % 2 FROM t",
    "a named or numbered parameter": "SELECT a FROM t WHERE a = :name",
    "a semicolon": "SELECT a FROM t; SELECT b FROM t",
}


def test_every_rule_has_a_broken_example() -> None:
    assert set(BROKEN) == set(FORBIDDEN)


@pytest.mark.parametrize("rule", list(BROKEN))
def test_a_broken_statement_is_found(rule: str) -> None:
    assert rule in findings(BROKEN[rule])


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT a FROM t WHERE b = 'LIMIT 5; RETURNING a' ORDER BY a",
        "SELECT a -- LIMIT 5\nFROM t",
        'INSERT INTO t ("LIMIT", "order", "100%") VALUES (?, ?, ?)',
        "CREATE TABLE t (a VARCHAR(64) COLLATE %EXACT NOT NULL, b DOUBLE)",
        "SELECT CAST(REPLACE(SUBSTRING(a, 1, 26), 'T', ' ') AS TIMESTAMP) AS a FROM t",
        "UPDATE t SET turns=(t.turns + ?) WHERE t.name = ?",
        "SELECT a FROM t WHERE a > (SELECT max(a) AS m FROM t) - ? AND b IN (?, ?)",
        "SELECT a, row_number() OVER (ORDER BY a DESC) AS place FROM t",
    ],
)
def test_what_the_store_says_is_let_pass(statement: str) -> None:
    assert findings(statement) == []


@pytest.mark.parametrize("statement", ["SELECT `a` FROM t", "SELECT [a] FROM t"])
def test_other_quotes_are_found(statement: str) -> None:
    assert findings(statement) == ["a name quoted otherwise than by double quotes"]
