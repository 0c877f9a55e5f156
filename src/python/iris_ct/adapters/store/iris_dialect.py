"""InterSystems IRIS as a dialect of SQLAlchemy that knows only what the store uses.

Everywhere IRIS differs from SQLite and PostgreSQL is said here, once. What is not known to work is
refused when a statement is compiled, never dropped or guessed. Not yet run on IRIS.

Statements are plain SQL: names without quotes unless a customer gave them, ``?`` for values, no
LIMIT, no RETURNING, one row of VALUES. Tables without a schema are those of schema ``CT_Store``.
"""

from __future__ import annotations

import base64
import operator as python
import re
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import registry
from sqlalchemy.engine import default
from sqlalchemy.exc import CompileError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import compiler, functions, operators

from iris_ct.adapters.store import iris_embedded, iris_remote
from iris_ct.adapters.store.iris_dbapi import EMPTY, LOST
from iris_ct.adapters.store.iris_words import RESERVED
from iris_ct.adapters.store.views import utc_timestamp
from iris_ct.core.errors import StoreError

SCHEMA = "CT_Store"
"""Schema of the store's tables on IRIS."""

MAX_TEXT = 1_500_000
"""Longest text in characters: two of them fit into one row of 3,641,144 (IRIS' longest string)."""

_STATEMENTS = frozenset({"select", "insert", "update", "delete"})
_CLAUSES = frozenset(
    {
        "alias",
        "bindparam",
        "case",
        "clauselist",
        "column",
        "element_list",
        "expression_clauselist",
        "fromclause",
        "function",
        "grouping",
        "join",
        "label",
        "label_reference",
        "null",
        "order_by_list",
        "over",
        "select_statement_grouping",
        "subquery",
        "table",
        "textclause",
        "typeclause",
        "unary",
        "binary",
    }
)
_DDL = frozenset(
    {
        "create_table",
        "create_column",
        "create_index",
        "drop_table",
        "drop_index",
        "ddl",
        "primary_key_constraint",
        "foreign_key_constraint",
        "unique_constraint",
    }
)
_TYPES = frozenset(
    {
        "BIGINT",
        "DOUBLE",
        "INTEGER",
        "SMALLINT",
        "VARCHAR",
        "big_integer",
        "integer",
        "small_integer",
        "string",
        "text",
        "float",
        "double",
        "large_binary",
        "datetime",
        "type_decorator",
    }
)
_FUNCTIONS = frozenset({"count", "max", "min", "row_number", "sum", "utc_timestamp"})
_OPERATORS = frozenset(
    {
        python.eq,
        python.ne,
        python.lt,
        python.le,
        python.gt,
        python.ge,
        python.add,
        python.sub,
        operators.in_op,
        operators.is_,
        operators.is_not,
        operators.and_,
        operators.or_,
    }
)
_UNARY = frozenset({None, operators.desc_op, operators.asc_op, operators.distinct_op, python.inv})
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
# IRIS takes longer names, but has only 31 characters for that of an index' global.
_MAX_NAME = 60


def refuse(what: str) -> NoReturn:
    """Refuse what nobody has shown to work on IRIS."""
    raise CompileError(
        f"IRIS: {what} is not part of the SQL that the store uses on IRIS. Say it in plain SQL, or "
        "look up that IRIS has it, teach iris_dialect and write the golden statements anew."
    )


_Compiler = TypeVar("_Compiler", bound=type[Any])


def _only(known: Collection[str]) -> Callable[[_Compiler], _Compiler]:
    """Let a compiler refuse every construct but the known ones."""

    def refusing(construct: str) -> Callable[..., NoReturn]:
        return lambda *_args, **_how: refuse(construct)

    def narrowed(cls: _Compiler) -> _Compiler:
        for name in dir(cls):
            construct = name.removeprefix("visit_")
            if construct != name and construct not in known:
                setattr(cls, name, refusing(construct))
        return cls

    return narrowed


@_only(_STATEMENTS | _CLAUSES)
class IrisCompiler(compiler.SQLCompiler):
    """Writes the store's statements for IRIS."""

    @property
    def _whole(self) -> Any:
        """The compiler that knows everything; half of it has no types."""
        return super()

    def visit_binary(self, binary: Any, *args: Any, **how: Any) -> str:
        """Write an operator that IRIS is known to have."""
        if args or how.get("override_operator") or binary.operator not in _OPERATORS:
            refuse(f"the operator {binary.operator.__name__}")
        return str(self._whole.visit_binary(binary, **how))

    def visit_unary(self, unary: Any, *args: Any, **how: Any) -> str:
        """Write the order of a column, or DISTINCT."""
        if unary.operator not in _UNARY or unary.modifier not in _UNARY:
            refuse(f"the operator {(unary.operator or unary.modifier).__name__}")
        return str(self._whole.visit_unary(unary, *args, **how))

    def visit_function(self, func: Any, *args: Any, **how: Any) -> str:
        """Write a function that IRIS is known to have."""
        if func.name.lower() not in _FUNCTIONS:
            refuse(f"the function {func.name}")
        return str(self._whole.visit_function(func, *args, **how))

    def visit_textclause(self, textclause: Any, *args: Any, **how: Any) -> str:
        """Write a statement that somebody wrote as a whole; a piece of one cannot be checked."""
        if self.stack and not _NAME.fullmatch(textclause.text):
            refuse("SQL as text within a statement")
        return str(self._whole.visit_textclause(textclause, *args, **how))

    def visit_select(self, select_stmt: Any, *args: Any, **how: Any) -> str:
        """Write a SELECT of columns, joins, conditions, groups and an order."""
        for what, is_there in (
            ("LIMIT", select_stmt._limit_clause is not None),
            ("OFFSET", select_stmt._offset_clause is not None),
            ("FETCH FIRST", select_stmt._fetch_clause is not None),
            ("FOR UPDATE", select_stmt._for_update_arg is not None),
            ("HAVING", bool(select_stmt._having_criteria)),
            ("a common table expression", bool(select_stmt._independent_ctes)),
            ("a prefix or a hint", bool(select_stmt._prefixes or select_stmt._statement_hints)),
        ):
            if is_there:
                refuse(what)
        return str(self._whole.visit_select(select_stmt, *args, **how))

    def visit_insert(self, insert_stmt: Any, *args: Any, **how: Any) -> str:
        """Write an INSERT of one row."""
        if insert_stmt._multi_values:
            refuse("VALUES of several rows")
        if insert_stmt.select is not None:
            refuse("INSERT from SELECT")
        self._refuse_extras(insert_stmt)
        return str(self._whole.visit_insert(insert_stmt, *args, **how))

    def visit_update(self, update_stmt: Any, *args: Any, **how: Any) -> str:
        """Write an UPDATE of one table."""
        self._refuse_extras(update_stmt)
        return str(self._whole.visit_update(update_stmt, *args, **how))

    def visit_delete(self, delete_stmt: Any, *args: Any, **how: Any) -> str:
        """Write a DELETE from one table."""
        self._refuse_extras(delete_stmt)
        return str(self._whole.visit_delete(delete_stmt, *args, **how))

    def update_from_clause(self, *_args: Any, **_how: Any) -> NoReturn:
        """Refuse UPDATE of a join."""
        refuse("UPDATE ... FROM")

    def delete_extra_from_clause(self, *_args: Any, **_how: Any) -> NoReturn:
        """Refuse DELETE of a join."""
        refuse("DELETE ... USING")

    @staticmethod
    def _refuse_extras(statement: Any) -> None:
        if statement._returning:
            refuse("RETURNING")
        if getattr(statement, "_post_values_clause", None) is not None:
            refuse("an upsert")
        if statement._independent_ctes or statement._prefixes:
            refuse("a common table expression or a prefix")


@_only(_DDL)
class IrisDDLCompiler(compiler.DDLCompiler):
    """Writes the store's tables for IRIS."""

    def get_column_specification(self, column: Any, **how: Any) -> str:
        """Write one column; texts are told apart by case, which IRIS' default does not."""
        if column is column.table._autoincrement_column:
            refuse(f"a number that the database assigns (column {column.name})")
        if column.computed is not None or column.identity is not None:
            refuse(f"a computed column ({column.name})")
        kind = self.dialect.type_compiler_instance.process(column.type, type_expression=column)
        words = [self.preparer.format_column(column), kind]
        if kind.startswith("VARCHAR"):
            words.append("COLLATE %EXACT")
        if (said := self.get_column_default_string(column)) is not None:
            words.append(f"DEFAULT {said}")
        if not column.nullable:
            words.append("NOT NULL")
        return " ".join(words)


@_only(_TYPES)
class IrisTypeCompiler(compiler.GenericTypeCompiler):
    """Writes types; every text says its length, since IRIS would cut it to 50 or 1."""

    def visit_VARCHAR(self, type_: Any, **how: Any) -> str:
        """Write a text of a length."""
        if not type_.length:
            refuse("VARCHAR without a length")
        return f"VARCHAR({type_.length})"

    def visit_text(self, type_: Any, **how: Any) -> str:
        """Write a text without a length of its own: a string, since streams cannot be compared."""
        return f"VARCHAR({MAX_TEXT})"

    def visit_large_binary(self, type_: Any, **how: Any) -> str:
        """Write bytes, kept as base64."""
        return f"VARCHAR({MAX_TEXT})"

    def visit_datetime(self, type_: Any, **how: Any) -> str:
        """Write a time, ``YYYY-MM-DD HH:MM:SS.ffffff`` without a zone."""
        return "TIMESTAMP"

    def visit_float(self, type_: Any, **how: Any) -> str:
        """Write a number of 64 bits."""
        return "DOUBLE"

    visit_double = visit_float
    visit_DOUBLE = visit_float


def _schema_of(thing: Any) -> str | None:
    """Give the schema of a table; only tables have one."""
    return (thing.schema or SCHEMA) if isinstance(thing, sa.TableClause) else None


class IrisPreparer(compiler.IdentifierPreparer):
    """Writes names as they are; refuses those that would need quotes."""

    schema_for_object: Any = staticmethod(_schema_of)

    def _requires_quotes(self, value: str) -> bool:
        if value.lower() in RESERVED:
            refuse(f"the reserved word {value} as a name")
        if not _NAME.fullmatch(value) or len(value) > _MAX_NAME:
            refuse(f"the name {value!r}, which would need quotes,")
        return False


class IrisText(sa.String):
    """A text; IRIS keeps the empty one as character 0, and its own empty string is NULL."""

    def bind_processor(self, dialect: Any) -> Callable[[str | None], str | None]:
        """Give what writes it."""

        def written(value: str | None) -> str | None:
            if value == "":
                return EMPTY
            if value is not None and len(value) > MAX_TEXT:
                raise StoreError(
                    f"A text of {len(value):,} characters does not fit into IRIS, where the store "
                    f"keeps at most {MAX_TEXT:,}. The record is too large: have fewer features or "
                    "coarser grids, or keep the store in PostgreSQL (CT_STORE_URL)."
                )
            # A subclass of str would reach ObjectScript as an object.
            return None if value is None else str(value)

        return written

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], str | None]:
        """Give what reads it."""

        def read(value: Any) -> str | None:
            if value is None:
                return None
            return "" if value == EMPTY else str(value)

        return read


class IrisLongText(IrisText, sa.Text):
    """A text without a length of its own."""


class IrisBytes(sa.LargeBinary):
    """Bytes as base64, which is a text like any other: no stream, no wide characters."""

    def bind_processor(self, dialect: Any) -> Callable[[bytes | None], str | None]:
        """Give what writes them."""
        text = IrisText().bind_processor(dialect)

        def written(value: bytes | None) -> str | None:
            return None if value is None else text(base64.b64encode(value).decode("ascii"))

        return written

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], bytes | None]:
        """Give what reads them."""
        text = IrisText().result_processor(dialect, coltype)

        def read(value: Any) -> bytes | None:
            told = text(value)
            return None if told is None else base64.b64decode(told, validate=True)

        return read


class IrisInteger(sa.Integer):
    """An integer, nothing that only behaves like one; a sum may come as a decimal."""

    def bind_processor(self, dialect: Any) -> Callable[[Any], int | None]:
        """Give what writes it."""
        return lambda value: None if value is None else int(value)

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], int | None]:
        """Give what reads it."""
        return lambda value: None if value is None else int(value)


class IrisSmallInteger(IrisInteger, sa.SmallInteger):
    """A small integer."""


class IrisBigInteger(IrisInteger, sa.BigInteger):
    """A big integer."""


class IrisDouble(sa.Float[float]):
    """A number of 64 bits; a whole one may come as an integer."""

    def bind_processor(self, dialect: Any) -> Callable[[Any], float | None]:
        """Give what writes it."""
        return lambda value: None if value is None else float(value)

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], float | None]:
        """Give what reads it."""
        return lambda value: None if value is None else float(value)


class IrisTimestamp(sa.DateTime):
    """A time in UTC, without a zone; sent and read as the text that IRIS keeps."""

    def bind_processor(self, dialect: Any) -> Callable[[datetime | None], str | None]:
        """Give what writes it."""

        def written(value: datetime | None) -> str | None:
            if value is None:
                return None
            if value.tzinfo is not None:
                value = value.astimezone(UTC).replace(tzinfo=None)
            return value.isoformat(" ", "microseconds")

        return written

    def result_processor(self, dialect: Any, coltype: object) -> Callable[[Any], datetime | None]:
        """Give what reads it; the driver may have made a time of it."""

        def read(value: Any) -> datetime | None:
            if value is None or isinstance(value, datetime):
                return value
            return datetime.fromisoformat(value)

        return read


class IrisExecutionContext(default.DefaultExecutionContext):
    """Tells the embedded cursor which columns a statement will give."""

    def pre_exec(self) -> None:
        """Say it before the statement runs."""
        columns = getattr(self.compiled, "_result_columns", None)
        cursor: Any = self.cursor
        if columns and hasattr(cursor, "expected"):
            cursor.expected = [str(column.keyname) for column in columns]


def _listed(listing: str, schema: str | None, *names: str) -> sa.Select[str]:
    """Ask which tables or views (``TABLES``, ``VIEWS``) there are, of these names if given."""
    in_schema, name = sa.column("TABLE_SCHEMA", sa.String), sa.column("TABLE_NAME", sa.String)
    wanted = sa.select(name).select_from(sa.table(listing, schema="INFORMATION_SCHEMA"))
    for column, said in ((in_schema, schema or SCHEMA), *((name, said) for said in names)):
        wanted = wanted.where(column == said)
    return wanted


class IrisDialect(default.DefaultDialect):
    """What both ways to IRIS have in common."""

    name = "iris"
    default_paramstyle = "qmark"
    statement_compiler = IrisCompiler
    ddl_compiler = IrisDDLCompiler
    type_compiler_cls = IrisTypeCompiler
    preparer = IrisPreparer
    execution_ctx_cls = IrisExecutionContext
    colspecs = {  # noqa: RUF012 - SQLAlchemy's name and form
        sa.String: IrisText,
        sa.Text: IrisLongText,
        sa.LargeBinary: IrisBytes,
        sa.Integer: IrisInteger,
        sa.SmallInteger: IrisSmallInteger,
        sa.BigInteger: IrisBigInteger,
        sa.Float: IrisDouble,
        sa.DateTime: IrisTimestamp,
    }
    max_identifier_length = _MAX_NAME
    supports_alter = False
    supports_comments = False
    supports_default_values = False
    supports_default_metavalue = False
    supports_empty_insert = False
    supports_multivalues_insert = False
    supports_native_boolean = False
    supports_sane_rowcount = False
    supports_sane_multi_rowcount = False
    supports_sequences = False
    supports_statement_cache = True
    insert_returning = update_returning = delete_returning = False
    use_insertmanyvalues = False
    postfetch_lastrowid = False
    requires_name_normalize = False

    def on_connect(self) -> Callable[[Any], None]:
        """Give what is said to IRIS first: its default lets one read what is not committed."""

        def begin_with(connection: Any) -> None:
            cursor = connection.cursor()
            cursor.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            cursor.close()

        return begin_with

    def initialize(self, connection: Any) -> None:
        """Ask IRIS nothing more: what it is, is said here."""

    def has_table(
        self, connection: Any, table_name: str, schema: str | None = None, **how: Any
    ) -> bool:
        """Tell whether a table or a view is there and may be seen."""
        return connection.scalar(_listed("TABLES", schema, table_name)) is not None

    def get_table_names(self, connection: Any, schema: str | None = None, **how: Any) -> list[str]:
        """Name the tables and views of a schema."""
        return list(connection.scalars(_listed("TABLES", schema)))

    def get_view_names(self, connection: Any, schema: str | None = None, **how: Any) -> list[str]:
        """Name the views of a schema."""
        return list(connection.scalars(_listed("VIEWS", schema)))

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Tell whether the connection is gone."""
        return getattr(e, "sqlcode", 0) in {None, *LOST}


class EmbeddedDialect(IrisDialect):
    """``iris+emb:///NAMESPACE``: inside an IRIS process, whose one connection is the process."""

    driver = "emb"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        """Give the DB-API."""
        return iris_embedded

    @classmethod
    def get_pool_class(cls, url: sa.URL) -> type[sa.Pool]:
        """Keep no connection: there is nothing to keep open."""
        return sa.NullPool

    def create_connect_args(self, url: sa.URL) -> tuple[list[Any], dict[str, Any]]:
        """Give what `iris_embedded.connect` takes."""
        if url.host or url.username or url.password or url.query:
            raise StoreError(
                "The address iris+emb:// leads into the process' own IRIS and has a namespace "
                "only, as in iris+emb:///IRISAPP."
            )
        return [], {"namespace": url.database or ""}

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Say no: the process is the connection."""
        return False


class RemoteDialect(IrisDialect):
    """``iris://user@host:1972/NAMESPACE``: over the network, by the official driver."""

    driver = "remote"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        """Give the DB-API."""
        return iris_remote

    def create_connect_args(self, url: sa.URL) -> tuple[list[Any], dict[str, Any]]:
        """Give what `iris_remote.connect` takes; nothing of the address is ignored."""
        if not (url.host and url.username and url.database) or url.query:
            raise StoreError(
                "The address of an IRIS needs a user, a host and a namespace and nothing after "
                "them, as in iris://ct@db.example.com:1972/IRISAPP; the password is CT_STORE_PASSWORD."
            )
        return [], {
            "hostname": url.host,
            "port": url.port or 1972,
            "namespace": url.database,
            "username": url.username,
            "password": url.password or "",
        }


@compiles(utc_timestamp, "iris")
def _timestamp(element: functions.FunctionElement[Any], compiler: Any, **how: Any) -> str:
    """``2026-01-31T23:59:59.000000+00:00`` as IRIS' TIMESTAMP."""
    inner = compiler.process(element.clauses, **how)
    return f"CAST(REPLACE(SUBSTRING({inner}, 1, 26), 'T', ' ') AS TIMESTAMP)"


def register() -> None:
    """Let SQLAlchemy find the two dialects, whatever package else claims these names."""
    for name, dialect in (("iris", RemoteDialect), ("iris.emb", EmbeddedDialect)):
        registry.register(name, __name__, dialect.__name__)
