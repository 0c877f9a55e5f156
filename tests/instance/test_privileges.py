"""What the roles are granted: the statements, which no instance has executed yet."""

from __future__ import annotations

import json
import re

from iris_ct.adapters.store import tables
from iris_ct.adapters.store.iris_dialect import SCHEMA
from iris_ct.instance.privileges import grants
from iris_ct.procedures.catalogue import PROCEDURES

STATEMENTS: list[str] = json.loads(grants("Asks", "Acts", "Serves"))


def granted(role: str) -> set[tuple[str, str]]:
    """Give what a role may do, and to what."""
    found = set()
    for statement in STATEMENTS:
        said = re.fullmatch(r"GRANT ([A-Z, ]+) ON (.+) TO (\w+)", statement)
        assert said, statement
        if said[3] == role:
            found |= {(right, said[2]) for right in said[1].split(", ")}
    return found


def test_a_reader_sees_of_iris_own_tables_the_headers_of_messages_only() -> None:
    """The event log has lines of every production of the namespace, with their error texts."""
    own = {what for _, what in granted("Asks") if what.startswith("Ens")}
    assert own == {"Ens.MessageHeader"}
    assert ("SELECT", "Ens_Util.Log") in granted("Acts")


def test_a_reader_writes_only_what_asking_leaves_behind() -> None:
    written = {what for right, what in granted("Asks") if right not in {"SELECT", "EXECUTE"}}
    names = ("prediction_file", "specification", "decision", "audit_event", "lock")
    assert written == {f"{SCHEMA}.{getattr(tables, name).name}" for name in names}


def test_the_gateway_changes_services_and_who_serves_and_nothing_else() -> None:
    """What it needs at least: tests/stack/test_serving.py, on a database that heeds the grants."""
    assert granted("Serves") == {
        ("INSERT", f"{SCHEMA}.ct_champion"),
        *((right, f"{SCHEMA}.ct_service") for right in ("INSERT", "UPDATE", "DELETE")),
        *((right, f"{SCHEMA}.ct_package") for right in ("INSERT", "DELETE")),
        *((right, f"{SCHEMA}.ct_author") for right in ("INSERT", "DELETE")),
    }


def test_each_procedure_is_granted_to_the_role_that_the_catalogue_names() -> None:
    for procedure in PROCEDURES:
        call = ("EXECUTE", f"CT.{procedure.sql_name}")
        assert (call in granted("Asks")) == (procedure.role == "reader")
        assert (call in granted("Acts")) == (procedure.role != "reader")
