"""What the roles of IRIS may do in SQL: the GRANT statements that ``CT.Setup`` executes.

People are readers or operators. The gateway outside IRIS (``ct serve`` with an address iris://...)
has a role of its own: a reader's, and what its control process writes.

A procedure runs with the privileges of whoever calls it, so that a role needs the tables behind
it as well as the procedure. Not yet run on IRIS.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.iris_dialect import SCHEMA as STORE
from iris_ct.adapters.store.views import VIEWS
from iris_ct.procedures.catalogue import PROCEDURES, SCHEMA

# What is written when somebody only asks: a prediction is logged, and a model file that was
# changed since is recorded.
_WRITTEN_BY_READERS = (
    tables.prediction_file,
    tables.specification,
    tables.decision,
    tables.audit_event,
)
# What the gateway writes besides: a rollout that goes back appoints the version before, and /v1
# keeps services, packages and their authors.
_WRITTEN_BY_THE_GATEWAY = (
    (tables.champion, "INSERT"),
    (tables.service, "INSERT, UPDATE, DELETE"),
    (tables.package, "INSERT, DELETE"),
    (tables.author, "INSERT, DELETE"),
)
# IRIS' own tables: what is under way, and why something failed. The log has lines of all
# productions of the namespace, so it is not for readers.
_MESSAGES, _LOG = "Ens.MessageHeader", "Ens_Util.Log"


def grants(reader: str, operator: str, gateway: str) -> str:
    """Give the statements for the roles as a JSON array; each may be executed again.

    Parameters
    ----------
    reader, operator, gateway : str
        Names of the roles; the operator's and the gateway's must include the reader's.
    """
    return json.dumps(
        [*_procedures(reader, operator), *_tables(reader, operator), *_gateway(gateway)]
    )


def _procedures(reader: str, operator: str) -> Iterator[str]:
    for procedure in PROCEDURES:
        role = reader if procedure.role == "reader" else operator
        yield f"GRANT EXECUTE ON {SCHEMA}.{procedure.sql_name} TO {role}"


def _tables(reader: str, operator: str) -> Iterator[str]:
    for view in VIEWS:
        yield f"GRANT SELECT ON {view.address('iris')} TO {reader}"
    yield f"GRANT SELECT ON {_MESSAGES} TO {reader}"
    yield f"GRANT SELECT ON {_LOG} TO {operator}"
    # One by one: the tables with projected rows, which hold customers' data, are in that schema too.
    for name in tables.metadata.tables:
        yield f"GRANT SELECT ON {STORE}.{name} TO {reader}"
    for table in _WRITTEN_BY_READERS:
        yield f"GRANT INSERT ON {STORE}.{table.name} TO {reader}"
    yield f"GRANT INSERT, UPDATE ON {STORE}.{tables.lock.name} TO {reader}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON SCHEMA {STORE} TO {operator}"


def _gateway(gateway: str) -> Iterator[str]:
    for table, rights in _WRITTEN_BY_THE_GATEWAY:
        yield f"GRANT {rights} ON {STORE}.{table.name} TO {gateway}"
