"""The production as IRIS and its Management Portal will see it, without IRIS."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from iop import BusinessOperation, BusinessService, Category, Production, setting, target

from iris_ct.config import Settings
from iris_ct.core.errors import JournalFullError, StoreUnavailableError, TransientError
from iris_ct.embedded import WAKES
from iris_ct.host import HostPlan, PlanError, read_defaults
from iris_ct.host.actions import decide
from iris_ct.production import production

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden" / "production.xml"
TYPES = {"String", "Integer", "Numeric", "Boolean", "Ens.DataType.ConfigName"}
ENVIRONMENTS = ("dev", "test", "live")


def rows() -> list[tuple[str, list[Any]]]:
    """Give what iop writes of each setting into the class that the portal reads."""
    classes: dict[str, Any] = {ref.name: ref.component_class for ref in production.items}
    return [
        (f"{item}.{row[0]}", row)
        for item, component_class in classes.items()
        for row in component_class._get_properties()
    ]


def settings_of(item: str) -> dict[str, Any]:
    """Give the defaults of an item's settings."""
    names = dict(rows())
    return {k.partition(f"{item}.")[2]: r[2] for k, r in names.items() if k.startswith(f"{item}.")}


# -- what the portal shows -------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "row"), rows())
def test_every_setting_has_a_type_a_category_and_a_description(name: str, row: list[Any]) -> None:
    _, data_type, default, _, category, description, control = row
    assert data_type in TYPES
    assert category in {member.value for member in Category}
    assert description.endswith(".")
    assert len(description) > 20
    assert '"' not in description, "iop writes it into a class"
    assert len(str(default)) <= 255, "IRIS cuts longer texts of a setting"
    if data_type == "Ens.DataType.ConfigName":
        assert "ProductionItems?targets=1" in control, "the portal offers the items to choose from"


def test_the_production_is_the_reviewed_one() -> None:
    """Written anew by ``python -m tests.production.golden``; look at the difference."""
    assert production.to_xml() == GOLDEN.read_text(encoding="utf-8")


def test_iop_finds_nothing_wrong_with_it() -> None:
    command = ["--migrate", "src/python/settings.py", "--dry-run"]
    done = subprocess.run(
        [sys.executable, "-m", "iop", *command, "--strict-production-validation"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("IOP_")},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(r"^PRODUCTIONS:\n  CT\.Production\n", done.stdout, re.MULTILINE)
    assert re.search(r"^VALIDATION:\n  none\n", done.stdout, re.MULTILINE)


def test_pool_sizes_keep_the_order_that_the_product_promises() -> None:
    """One place where the order of arrival or one at a time counts; none for what is called."""
    sizes = {ref.name: int(ref.pool_size) for ref in production.items}
    assert {name for name, size in sizes.items() if size == 0} >= {"Requests", "Schedule"}
    assert {name for name, size in sizes.items() if size > 1} == {"Cycle"}
    assert set(WAKES) <= {name for name, size in sizes.items() if size == 0}
    HostPlan.from_production(production, wakes=WAKES)


# -- errors, retries, alerts -----------------------------------------------------------------------


def operations() -> list[str]:
    return [ref.name for ref in production.items if ref.kind == "operation"]


@pytest.mark.parametrize("item", operations())
def test_what_is_away_is_tried_again_and_fails_in_the_end(item: str) -> None:
    """``E=R`` alone would end as completed on IRIS: every R is followed by F."""
    declared = settings_of(item)
    actions = [part.rpartition("=")[2] for part in declared["ReplyCodeActions"].split(",")]
    assert set(actions) <= {"RF", "F"}
    assert "RF" in actions
    assert 0 < declared["RetryInterval"] < declared["FailureTimeout"]
    spec = HostPlan.from_production(production, wakes=WAKES).items[item]
    away, wrong = "StoreUnavailableError: the database is away", "ValueError: no number"
    assert decide(spec.reply_actions, away, may_retry=True).outcome == "retry"
    assert decide(spec.reply_actions, away, may_retry=False).outcome == "error"
    assert decide(spec.reply_actions, wrong, may_retry=True).outcome == "error"


def test_every_error_that_is_worth_another_try_is_matched() -> None:
    """The code matches the name of the class."""
    # Whoever asks for a prediction is told that the journal is full, and no message waits for it.
    kinds = {*TransientError.__subclasses__()} - {JournalFullError}
    assert StoreUnavailableError in kinds
    assert all(kind.__name__.endswith("UnavailableError") for kind in kinds)


def test_errors_raise_alerts_except_where_the_caller_is_told_or_it_would_go_in_circles() -> None:
    plan = HostPlan.from_production(production, wakes=WAKES)
    assert plan.alert_target == "Ens.Alert"
    silent = {spec.name for spec in plan.items.values() if not spec.alert_on_error}
    assert silent & set(operations()) == {"Ens.Alert", "Calls", "InvokeModel"}
    pollers = {spec.name for spec in plan.items.values() if spec.polls}
    assert not pollers & silent
    watched = {s.name for s in plan.items.values() if s.queue_wait_alert_s or s.queue_count_alert}
    takers = {spec.name for spec in plan.items.values() if spec.kind != "service"}
    assert watched == takers - {"Ens.Alert"}


# -- broken examples: the checks see them ----------------------------------------------------------


class Sender(BusinessService):
    Output = target()
    Word = setting("x", data_type=str)

    def on_message(self, request: Any = None) -> Any:
        return None


class Taker(BusinessOperation):
    def on_message(self, request: Any) -> Any:
        return None


def test_an_unconnected_target_is_found() -> None:
    prod = Production("Broken.Production")
    prod.service("Sender", Sender)
    prod.operation("Taker", Taker)
    with pytest.raises(PlanError, match="target Output is not connected"):
        HostPlan.from_production(prod)


def test_a_target_that_is_no_item_is_found() -> None:
    prod = Production("Broken.Production")
    prod.service("Sender", Sender, settings={"Output": "Nobody"})
    with pytest.raises(PlanError, match="'Nobody'"):
        HostPlan.from_production(prod)


def test_a_setting_without_words_is_found() -> None:
    word = next(row for row in Sender._get_properties() if row[0] == "Word")
    with pytest.raises(AssertionError):
        test_every_setting_has_a_type_a_category_and_a_description("Sender.Word", word)


# -- default settings of dev, test and live --------------------------------------------------------


def environment_file(name: str) -> Path:
    return ROOT / "deploy" / "default-settings" / f"{name}.json"


def test_there_is_a_file_for_each_environment() -> None:
    found = sorted(path.stem for path in environment_file("dev").parent.iterdir())
    assert found == sorted(ENVIRONMENTS)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_each_default_setting_is_of_an_item_that_has_it(name: str) -> None:
    defaults = read_defaults(environment_file(name))
    declared = {key for key, _ in rows()}
    items = [ref.name for ref in production.items]
    for default in defaults:
        assert (default.production, default.hostclass) == (production.name, "*")
        meant = items if default.item == "*" else [default.item]
        assert any(f"{item}.{default.setting}" in declared for item in meant), default
        assert default.description
    places = [(d.item, d.setting) for d in defaults]
    assert len(places) == len(set(places)), "one value for a setting"


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_no_default_setting_is_hidden_by_the_production(name: str) -> None:
    """A value in the production wins on IRIS, so a default of the same setting would do nothing."""
    said = {
        (ref.name, key)
        for ref in production.items
        for key in {**ref.host_settings, **ref.adapter_settings}
    }
    for default in read_defaults(environment_file(name)):
        items = [r.name for r in production.items] if default.item == "*" else [default.item]
        assert not {(item, default.setting) for item in items} & said


def test_the_embedded_host_applies_them() -> None:
    defaults = read_defaults(environment_file("live"))
    plan = HostPlan.from_production(production, wakes=WAKES, defaults=defaults)
    assert plan.items["Inbox"].settings["SettleTime"] == 10.0
    assert plan.items["Ingestion"].failure_timeout_s == 1800.0
    assert plan.items["Registration"].failure_timeout_s == 60.0
    for name in ENVIRONMENTS:
        HostPlan.from_production(
            production, wakes=WAKES, defaults=read_defaults(environment_file(name))
        )


def test_the_environment_is_chosen_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert Settings(environment="live").default_settings_path == environment_file("live")
    assert Settings(environment="").default_settings_path is None


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_files_are_plain_rows_that_objectscript_can_read(name: str) -> None:
    """Texts only, so that nothing is converted on the way."""
    for row in json.loads(environment_file(name).read_text(encoding="utf-8")):
        assert list(row) == ["production", "item", "hostclass", "setting", "value", "description"]
        assert all(isinstance(value, str) for value in row.values())
