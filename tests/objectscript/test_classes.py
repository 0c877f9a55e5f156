"""The classes of CT parse and keep the rules; each rule is seen to fail on a broken class."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.objectscript.checker import RULES, check, check_one
from tests.objectscript.syntax import CLASSES, ClassText, errors, read_classes

from iris_ct.adapters.store.views import VIEWS
from iris_ct.procedures.catalogue import PROCEDURES

WHOLE = {each.name: each for each in read_classes()}


def broken(name: str, old: str, new: str) -> list[str]:
    """Break one class and give what the checker says of it, by rule."""
    source = WHOLE[name].source
    assert source.count(old) >= 1, f"{name} has no {old!r} to break"
    changed = ClassText(WHOLE[name].path, source.replace(old, new, 1))
    return [str(finding) for finding in check_one(changed, {**WHOLE, name: changed})]


@pytest.mark.parametrize("each", WHOLE.values(), ids=WHOLE)
def test_a_class_parses_without_an_error_node(each: ClassText) -> None:
    assert [str(node) for node in errors(each)] == []


def test_all_classes_keep_all_rules() -> None:
    assert [str(finding) for finding in check(tuple(WHOLE.values()))] == []


def test_the_classes_of_the_product_are_there() -> None:
    assert set(WHOLE) == {
        "CT.Health",
        "CT.Msg.InvokeRequest",
        "CT.Msg.InvokeResponse",
        "CT.Msg.PredictRequest",
        "CT.Msg.PredictResponse",
        "CT.Msg.RetrainRequest",
        "CT.Msg.RetrainResponse",
        "CT.Procedures",
        "CT.PurgeTask",
        "CT.Rows",
        "CT.Setup",
        "CT.Terminal",
        "CT.WakeTask",
    }


# Rule, class, what is replaced by what, and a part of what is said then.
BROKEN = (
    ("syntax", "CT.Health", '    quit ""\n}', '    quit ""\n', "cannot be read"),
    ("syntax", "CT.Rows", "set slot = $increment", "sett slot = $increment", "cannot be read"),
    ("syntax", "CT.WakeTask", "} catch error {", "} katch error {", "cannot be read"),
    ("syntax", "CT.Setup", "ClassMethod Store()", "KlassMethod Store()", "cannot be read"),
    ("keywords", "CT.Procedures", "SqlProc ]", "SqlProk ]", "unknown keyword 'sqlprok'"),
    ("keywords", "CT.Rows", "[ Language = python", "[ Tongue = python", "'tongue'"),
    ("opening", "CT.Health", "/// Python: none", "/// Asks", "must begin with '/// Python: '"),
    (
        "opening",
        "CT.Rows",
        "iris_ct.instance.surface",
        "iris_ct.instance.deep",
        "no Python module",
    ),
    ("stands_where_it_is_named", "CT.Rows", "Class CT.Rows ", "Class CT.Row ", "is in Rows.cls"),
    (
        "no_storage",
        "CT.Msg.RetrainRequest",
        "Property Model",
        'Parameter DATALOCATION = "^CT.M";\n\nProperty Model',
        "IRIS writes that itself",
    ),
    ("calls", "CT.Procedures", "##class(CT.Rows).Open", "##class(CT.Row).Open", "no class CT.Row"),
    ("calls", "CT.Procedures", "(CT.Rows).Fetch", "(CT.Rows).Fetchh", "has no method Fetchh"),
    ("calls", "CT.Procedures", ".Row, .AtEnd)", ".Row)", "needs 'atEnd'"),
    ("calls", "CT.Procedures", ".Row, .AtEnd)", ".Row, .AtEnd, 1)", "takes 3 arguments, given 4"),
    ("calls", "CT.Procedures", "(.qHandle, .Row", "(qHandle, .Row", "by reference: .qHandle"),
    ("calls", "CT.Setup", "..Home()", "..House()", "has no method House"),
    ("facts", "CT.Setup", "(SYS.LogDmn).Start(", "(SYS.LogDmn).Begin(", "no known fact"),
    ("members_of_the_class", "CT.Setup", "..#HOME", "..#HOUSE", "has no parameter HOUSE"),
    ("members_of_the_class", "CT.PurgeTask", "..DaysToKeep '", "..Keep '", "no property Keep"),
    (
        "required_before_defaults",
        "CT.Procedures",
        "keyOrJson As %String(MAXLEN = 32000))",
        'keyOrJson As %String(MAXLEN = 32000) = "", more As %Integer)',
        "'more' stands behind a default",
    ),
    (
        "no_reference_into_python",
        "CT.Rows",
        "ClassMethod Ask(name",
        "ClassMethod Ask(Output name",
        "'name' is output",
    ),
    (
        "no_reference_into_python",
        "CT.Setup",
        "ClassMethod Grants(reader",
        "ClassMethod Grants(ByRef reader",
        "'reader' is byref",
    ),
    (
        "python_compiles",
        "CT.Rows",
        "return surface.rows(",
        "return surface.rows((",
        "never closed",
    ),
    ("python_compiles", "CT.Rows", "    import json", "   import json", "indent"),
    ("python_calls", "CT.Rows", "surface.rows(", "surface.lines(", "surface.lines does not exist"),
    ("python_calls", "CT.Rows", "import surface", "import surfaces", "has no surfaces"),
    ("python_calls", "CT.Setup", "surface.migrate()", "surface.migrate(1)", "too many positional"),
    ("python_calls", "CT.Procedures", 'call("Cancel"', 'call("Stop"', "no procedure Stop"),
    (
        "python_calls",
        "CT.Procedures",
        "model, version, reason)",
        "version, model, reason)",
        "in this order",
    ),
    ("no_reserved_words", "CT.Procedures", "RollbackTo", "Rollback", "'Rollback' is a reserved"),
    ("no_reserved_words", "CT.Procedures", "batch_id:", "level:", "'level' is a reserved"),
    ("no_reserved_words", "CT.Msg.RetrainRequest", "Property Reason", "Property Domain", "Domain"),
    ("lengths", "CT.Msg.RetrainRequest", "%String(MAXLEN = 128)", "%String", "'Model' has no"),
    ("lengths", "CT.Procedures", "batch_id:%String(MAXLEN=128)", "batch_id:%String", "batch_id"),
    ("lengths", "CT.Procedures", "model As %String(MAXLEN = 128)", "model As %String", "'model'"),
    (
        "statuses_are_checked",
        "CT.Setup",
        "$$$ThrowOnError(task.%Save())",
        "do task.%Save()",
        "the status of %Save is lost",
    ),
    (
        "statuses_are_checked",
        "CT.Setup",
        "$$$ThrowOnError(task.%Save())",
        "set done = task.%Save()",
        "the status of %Save is lost",
    ),
    (
        "statuses_are_checked",
        "CT.Setup",
        "$$$ThrowOnError(##class(Ens.Director).SetAutoStart(..#PRODUCTION))",
        "do ##class(Ens.Director).SetAutoStart(..#PRODUCTION)",
        "the status of Ens.Director.SetAutoStart is lost",
    ),
    (
        "statuses_are_checked",
        "CT.Setup",
        '$$$ThrowOnError(..Named("Roles", ..Roles()))',
        "do ..Roles()",
        "the status of Roles is lost",
    ),
    (
        "statuses_are_checked",
        "CT.WakeTask",
        '$$$ThrowOnError(service.ProcessInput("", .output))',
        'set sc = service.ProcessInput("", .output)\n            set sc = 1',
        "the status of ProcessInput is lost",
    ),
    ("catalogue", "CT.Procedures", "Query Log(", "Query Logs(", "Log of the catalogue is missing"),
    ("catalogue", "CT.Procedures", "Query Log(", "Query Logs(", "Logs is not in the catalogue"),
    ("catalogue", "CT.Procedures", "newest As %Integer = 20)", "newest As %Integer = 7)", "7"),
    ("catalogue", "CT.Procedures", "batchId As", "batch As", "expected arguments"),
    ("catalogue", "CT.Procedures", "psi:%Double,", "", "expected columns"),
    (
        "catalogue",
        "CT.Procedures",
        "SqlName = Ingest",
        "SqlName = Read",
        "expected SqlName Ingest",
    ),
    (
        "catalogue",
        "CT.Procedures",
        "As %Integer [ Lang",
        "As %String(MAXLEN = 9) [ Lang",
        "result",
    ),
    ("query_shells", "CT.Procedures", "StatusClose(", "StatusEnd(", "no method StatusClose"),
    ("query_shells", "CT.Procedures", "AtEnd As %Integer = 0", "AtEnd As %Integer", "StatusFetch"),
)


@pytest.mark.parametrize(
    ("rule", "name", "old", "new", "said"), BROKEN, ids=[f"{b[0]}-{b[4]}" for b in BROKEN]
)
def test_a_broken_class_is_found(rule: str, name: str, old: str, new: str, said: str) -> None:
    found = [each for each in broken(name, old, new) if f": {rule}: " in each]
    assert any(said in each for each in found), found


def test_every_rule_is_proven_by_a_broken_class() -> None:
    assert {rule.__name__ for rule in RULES} == {each[0] for each in BROKEN}


def test_a_status_is_checked_where_the_text_says_so() -> None:
    forms = {
        "do ..Ask()": False,
        "set sc = ..Ask()": False,
        "set sc = ..Ask() set sc = 1 quit sc": False,
        "set sc = ..Ask() quit sc": True,
        "set sc = ..Ask() if $$$ISERR(sc) { write 1 }": True,
        "$$$ThrowOnError(..Ask())": True,
        "if $$$ISERR(..Ask()) { write 1 }": True,
        "quit ..Ask()": True,
        "return ..Ask()": True,
        "write ..Ask()": False,
    }
    for form, is_checked in forms.items():
        lines = form.replace(") ", ")\n    ").replace("1 quit", "1\n    quit")
        source = (
            "/// Python: none.\nClass CT.T Extends %RegisteredObject\n{\n\n"
            "ClassMethod Ask() As %Status\n{\n    quit $$$OK\n}\n\n"
            f"ClassMethod Do()\n{{\n    {lines}\n}}\n\n}}\n"
        )
        found = check((ClassText(Path("CT/T.cls"), source),))
        lost = [each for each in found if each.rule == "statuses_are_checked"]
        assert [each for each in found if each.rule == "syntax"] == [], form
        assert bool(lost) is not is_checked, form


def test_no_two_things_of_the_schema_have_one_name() -> None:
    # IRIS makes a class of every view, in the package of its schema.
    names = [view.name for view in VIEWS] + [procedure.sql_name for procedure in PROCEDURES]
    names += [name.removeprefix("CT.") for name in WHOLE if name.count(".") == 1]
    assert len({name.lower() for name in names}) == len(names)


def test_no_class_file_is_outside_the_package() -> None:
    assert all(path.is_relative_to(CLASSES / "CT") for path in CLASSES.rglob("*.cls"))
