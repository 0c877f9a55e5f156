"""The tables of the host: messages, event log, items, holder.

Plain types only (text, whole numbers), all names start with ``host_``: the tables may share a
database with others. Instants are UTC, ISO 8601 text of fixed width, so that text order is time
order in every database.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text

SCHEMA_VERSION = 1

metadata = MetaData()

# SQLite numbers rows by itself only when the key is INTEGER.
_Key = BigInteger().with_variant(Integer(), "sqlite")

message = Table(
    "host_message",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("session_id", BigInteger, nullable=False),
    # request, input (into a service), response (to a process), timer
    Column("kind", String(16), nullable=False),
    Column("source", String(128), nullable=False),
    Column("target", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    # The send: n-th send (seq) of the parent's run (parent_run).
    Column("parent_id", BigInteger),
    Column("parent_run", Integer),
    Column("seq", Integer),
    # The request of the business process that a response or timer belongs to, or whose reply is wanted.
    Column("process_id", BigInteger),
    # A response: the call it answers.
    Column("call_id", BigInteger),
    Column("wants_response", Integer, nullable=False, default=0),
    Column("delivered", Integer, nullable=False, default=0),
    Column("completion_key", Text),
    Column("description", Text),
    Column("body_class", String(255), nullable=False, default=""),
    Column("body", Text, nullable=False, default=""),
    Column("answered", Integer, nullable=False, default=0),
    Column("reply_class", String(255), nullable=False, default=""),
    Column("reply_body", Text, nullable=False, default=""),
    Column("failure", Text, nullable=False, default=""),
    # Who waits for the reply (an address to ring), and whether it gave up.
    Column("waiter", String(160)),
    Column("gave_up", Integer, nullable=False, default=0),
    # The current run of the handler; a new run does not see the sends of an older one.
    Column("run_number", Integer, nullable=False, default=0),
    Column("starts", Integer, nullable=False, default=0),
    Column("deaths", Integer, nullable=False, default=0),
    Column("slot", String(160)),
    # A process: 1 while one of its events is being handled; its persistent properties.
    Column("held", Integer, nullable=False, default=0),
    Column("properties", Text, nullable=False, default=""),
    # A process: the response built up so far, not yet the reply.
    Column("draft_class", String(255), nullable=False, default=""),
    Column("draft_body", Text, nullable=False, default=""),
    Column("resent_from", BigInteger),
    Column("created_at", String(32), nullable=False),
    Column("not_before", String(32)),
    Column("first_started_at", String(32)),
    Column("started_at", String(32)),
    Column("ended_at", String(32)),
    Index("host_message_queue", "target", "status", "id"),
    Index("host_message_status", "status"),
    Index("host_message_session", "session_id"),
    Index("host_message_process", "process_id"),
    Index("host_message_send", "parent_id", "parent_run", "seq", unique=True),
    implicit_returning=False,
)

event = Table(
    "host_event",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    Column("logged_at", String(32), nullable=False),
    # IRIS' numbers: 1 assert, 2 error, 3 warning, 4 info, 5 trace, 6 alert
    Column("severity", Integer, nullable=False),
    Column("item", String(128), nullable=False),
    Column("session_id", BigInteger),
    Column("message_id", BigInteger),
    Column("source_class", String(255), nullable=False),
    Column("source_method", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("content", Text, nullable=False),
    Index("host_event_session", "session_id"),
    implicit_returning=False,
)

item = Table(
    "host_item",
    metadata,
    Column("name", String(128), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("pool_size", Integer, nullable=False),
    Column("enabled", Integer, nullable=False),
    implicit_returning=False,
)

holder = Table(
    "host_holder",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("schema_version", Integer, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("machine", String(255), nullable=False),
    Column("since", String(32), nullable=False),
    implicit_returning=False,
)
