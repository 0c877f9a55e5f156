"""What ``docker compose up --build -d`` leaves: classes, production, roles, tasks, passwords."""

from __future__ import annotations

import pytest
from tests.iris.conftest import MODEL
from tests.iris.stack import NAMESPACE, ROOT, Stack

from iris_ct.adapters.store.iris_remote import Error, connect
from iris_ct.procedures.catalogue import CLASS, PROCEDURES

pytestmark = pytest.mark.iris

DEMO = "SYS"
ROLES = ("CT_Reader", "CT_Operator", "CT_Serving")
CLASSES = [
    ".".join(path.relative_to(ROOT / "src" / "cls").with_suffix("").parts)
    for path in sorted((ROOT / "src" / "cls").rglob("*.cls"))
]


def test_the_health_check_finds_nothing_amiss(stack: Stack) -> None:
    assert stack.evaluate("##class(CT.Health).Trouble()") == ""
    assert stack.session("do ##class(CT.Health).Probe()").find("OK") > 0


def test_every_class_and_procedure_is_compiled(stack: Stack) -> None:
    ids = [("CompiledClass", name) for name in CLASSES]
    for found in PROCEDURES:
        kind = "CompiledQuery" if found.result == "rows" else "CompiledMethod"
        ids.append((kind, f"{CLASS}||{found.name}"))
    asked = [f'##class(%Dictionary.{kind}).%ExistsId("{name}")' for kind, name in ids]
    there = stack.evaluate('_","_'.join(asked)).split(",")
    assert [ids[place] for place, said in enumerate(there) if said != "1"] == []


def test_the_production_runs_and_starts_with_the_instance(stack: Stack) -> None:
    asked = "set sc = ##class(Ens.Director).GetProductionStatus(.name,.state)"
    assert stack.evaluate('name_" "_state', asked) == "CT.Production 1"
    assert stack.evaluate("$get(^Ens.AutoStart)") == "CT.Production"


def test_the_start_script_may_run_again_and_doubles_nothing(stack: Stack) -> None:
    said = stack.exec("/opt/ct/iris_autoconf.sh")
    assert "FAILED" not in said
    n_tasks = stack.evaluate(
        "rows.%GetData(1)",
        "set query = \"SELECT COUNT(*) FROM %SYS.Task WHERE TaskClass LIKE 'CT.%'\"",
        "set rows = ##class(%SQL.Statement).%ExecDirect(,query)",
        "do rows.%Next()",
        namespace="%SYS",
    )
    assert n_tasks == "2", "one wakes the schedule, one purges messages"
    assert stack.evaluate("##class(CT.Health).Trouble()") == ""


def test_the_roles_are_there(stack: Stack) -> None:
    asked = [f'##class(Security.Roles).Exists("{role}")' for role in ROLES]
    assert stack.evaluate('_","_'.join(asked), namespace="%SYS") == "1,1,1"


def test_no_account_keeps_its_demo_password(stack: Stack) -> None:
    assert stack.value("SELECT 1") == 1, "others are let in"
    for account in ("_SYSTEM", "SuperUser", "Admin"):
        with pytest.raises(Error):
            connect(
                hostname="127.0.0.1",
                port=stack.sql_port,
                namespace=NAMESPACE,
                username=account,
                password=DEMO,
                timeout=60,
            )


def test_the_terminal_is_readable_at_80_columns(stack: Stack) -> None:
    said = stack.session("do ##class(CT.Terminal).Help()", "do ##class(CT.Terminal).Status()")
    assert MODEL in said
    assert max(len(line) for line in said.splitlines()) <= 80
