"""docs/sql.md names what there is: procedures, views, columns, commands and message classes."""

from __future__ import annotations

import re

from tests.objectscript.syntax import ROOT, read_classes

from iris_ct.adapters.store.views import VIEWS
from iris_ct.procedures.catalogue import PROCEDURES

PAGE = (ROOT / "docs" / "sql.md").read_text()
CLASSES = {each.name: each for each in read_classes()}


def test_every_procedure_is_there_with_its_arguments_and_role() -> None:
    for procedure in PROCEDURES:
        call = f"`CT.{procedure.sql_name}({', '.join(a.name for a in procedure.arguments)})`"
        assert call in PAGE
        if procedure.result != "rows":
            line = next(line for line in PAGE.splitlines() if call in line)
            assert line.endswith(f"| {procedure.role} |")


def test_what_is_called_on_the_page_exists() -> None:
    said = set(re.findall(r"\bCT\.(\w+)\(", PAGE))
    assert said == {procedure.sql_name for procedure in PROCEDURES}


def test_every_view_is_there_and_no_other() -> None:
    said = set(re.findall(r"\bCT\.([A-Z]\w+)\b(?!\()", PAGE))
    others = {name.removeprefix("CT.").partition(".")[0] for name in CLASSES} | {"Production"}
    assert said - others == {view.name for view in VIEWS}


def test_columns_of_the_examples_exist() -> None:
    columns = {
        **{view.name: set(view.columns) for view in VIEWS},
        **{p.sql_name: {c.name for c in p.columns} for p in PROCEDURES if p.columns},
    }
    asked = re.findall(r"SELECT ([\w, ]+)\s+FROM CT\.(\w+)", PAGE)
    assert len(asked) >= 6
    for names, source in asked:
        unknown = {name.strip() for name in names.split(",")} - columns[source]
        assert not unknown, (source, unknown)


def test_every_command_of_the_terminal_is_there() -> None:
    said = set(re.findall(r"##class\(CT\.Terminal\)\.(\w+)", PAGE))
    assert said == CLASSES["CT.Terminal"].methods().keys() - {"Show", "Text"}


def test_message_classes_have_the_properties_that_are_said() -> None:
    for name, each in CLASSES.items():
        if name.startswith("CT.Msg."):
            row = next(line for line in PAGE.splitlines() if f"`{name}`" in line)
            said = row.partition(f"`{name}` |")[2].split("|")[0]
            assert set(re.findall(r"`(\w+)`", said)) == set(each.of_kind("property"))
