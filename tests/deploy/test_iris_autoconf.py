"""The start-up script against stand-ins: what it calls, and that no failure gets past it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.deploy.files import AUTOCONF, BIN, run
from tests.deploy.iris_stand_in import Instance, make_instance

# The calls of a first start, in order, and what the message of a failure must name.
CALLS = (
    ("ct --version", "Say the release"),
    ("iris session IRIS -U IRISAPP", "Call embedded Python"),
    ("iris session IRIS -U IRISAPP", "Look for another production"),
    ("iris session IRIS -U IRISAPP", "Look for another auto-start"),
    ("iris session IRIS -U IRISAPP", "Load the classes"),
    ("iop --init --force-local", "Load the classes of iop"),
    ("iop --migrate /opt/ct/python/settings.py --force-local", "Write the production"),
    ("iris session IRIS -U IRISAPP", "Set up tables, roles, tasks and logging"),
    ("iop --default CT.Production --force-local", "Name the default production"),
    ("iris session IRIS -U IRISAPP", "Ask for the production"),
    ("iris session IRIS -U IRISAPP", "Start the production"),
    ("iris session IRIS -U IRISAPP", "See it run"),
)
SESSIONS = [number for number, (call, _) in enumerate(CALLS, 1) if call.startswith("iris")]
OTHERS = [number for number, (call, _) in enumerate(CALLS, 1) if not call.startswith("iris")]
# How a session fails, and how a program does.
FAILURES = [
    *[
        (n, how)
        for n in SESSIONS
        for how in ("code", "status", "status_and_end", "crash", "silence")
    ],
    *[(n, how) for n in OTHERS for how in ("code", "status", "traceback")],
]


@pytest.fixture
def instance(tmp_path: Path) -> Instance:
    return make_instance(tmp_path)


def test_a_first_start_makes_every_call_in_order_and_leaves_the_marker(instance: Instance) -> None:
    said = instance.start()
    assert said.returncode == 0, said.stdout
    assert instance.calls == [call for call, _ in CALLS]
    assert instance.marker.read_text().split()[1] == "9.8.7"
    assert (instance.folder / "dur/iconfig/ct.initialised").exists()


def test_each_session_is_given_one_step_that_is_checked(instance: Instance) -> None:
    """One physical line each: blocks over several are not read as blocks at a prompt."""
    instance.start()
    said = "\n".join(instance.sessions)
    assert len(instance.sessions) == len(SESSIONS)
    assert all(line.count("zhalt 1") == 1 for line in instance.sessions)
    for call in (
        '##class(%SYS.Python).Import("iris_ct")',
        '$system.OBJ.LoadDir("/opt/ct/cls","ck",.errors,1)',
        "##class(CT.Setup).Run(1)",
        "##class(Ens.Director).GetProductionStatus(.name,.state)",
        '##class(Ens.Director).StartProduction("CT.Production")',
    ):
        assert call in said


def test_nothing_is_trained_ingested_or_predicted(instance: Instance) -> None:
    instance.start()
    said = "\n".join([*instance.calls, *instance.sessions]).lower()
    assert not [word for word in ("retrain", "ingest", "predict", "demo") if word in said]


@pytest.mark.parametrize(("number", "how"), FAILURES)
def test_a_failure_stops_start_up_with_a_message_and_without_a_marker(
    instance: Instance, number: int, how: str
) -> None:
    instance.marker.write_text("an earlier start")
    said = instance.start(FAIL_AT=str(number), FAIL_AS=how)
    assert said.returncode == 1
    assert f"FAILED in step '{CALLS[number - 1][1]}'" in said.stdout
    assert "FAILED" in instance.log
    assert len(instance.calls) == number
    assert not instance.marker.exists()
    assert not (instance.folder / "dur/iconfig/ct.initialised").exists()


def test_a_printed_error_is_told_where_it_happened(instance: Instance) -> None:
    said = instance.start(FAIL_AT="3", FAIL_AS="status")
    assert "ERROR #5001: the disk is full" in said.stdout


@pytest.mark.parametrize("how", ["code", "silence"])
def test_a_python_that_takes_the_session_with_it_is_told_with_a_hint(
    instance: Instance, how: str
) -> None:
    said = instance.start(FAIL_AT="2", FAIL_AS=how)
    assert "does embedded Python run on this machine?" in said.stdout


def test_a_step_without_end_is_ended(instance: Instance) -> None:
    said = instance.start(FAIL_AT="4", FAIL_AS="hang", CT_STEP_SECONDS="1")
    assert said.returncode == 1
    assert "no end after 1 s" in said.stdout
    assert not instance.marker.exists()


def test_a_production_that_is_not_running_in_the_end_is_a_failure(instance: Instance) -> None:
    """``StartProduction`` may answer OK and the production stop at once."""
    said = instance.start(NEVER_STARTS="1")
    assert said.returncode == 1
    assert "expected CT.Production in state 1 (running), found '' in state 2" in said.stdout
    assert not instance.marker.exists()


def test_a_second_start_makes_the_same_calls_and_updates_what_runs(instance: Instance) -> None:
    instance.start()
    first = instance.calls
    said = instance.start()
    assert said.returncode == 0, said.stdout
    assert instance.calls == first
    assert [line for line in instance.sessions if "UpdateProduction()" in line]
    assert not [line for line in instance.sessions if "StartProduction" in line]
    assert instance.marker.exists()


def test_a_start_after_a_failed_one_goes_through(instance: Instance) -> None:
    assert instance.start(FAIL_AT="5", FAIL_AS="code").returncode == 1
    assert instance.start().returncode == 0
    assert instance.marker.exists()


def test_a_troubled_production_is_recovered_first(instance: Instance) -> None:
    instance.running.write_text("4=CT.Production\n")
    said = instance.start()
    assert said.returncode == 0, said.stdout
    last = [line.partition("set sc = ")[2][:50] for line in instance.sessions[-3:-1]]
    assert "RecoverProduction" in last[0]
    assert "StartProduction" in last[1]


@pytest.mark.parametrize("state", [1, 3, 4, 5])
def test_another_production_is_not_touched(instance: Instance, state: int) -> None:
    """Nothing is made in a namespace that is somebody else's, and a troubled one not recovered."""
    instance.running.write_text(f"{state}=Demo.Production\n")
    said = instance.start()
    assert said.returncode == 1
    assert f"Demo.Production is in state {state} in IRISAPP" in said.stdout
    assert instance.calls == [call for call, _ in CALLS[:3]]


def test_another_production_that_is_stopped_is_in_nobodys_way(instance: Instance) -> None:
    instance.running.write_text("2=Demo.Production\n")
    assert instance.start().returncode == 0


def test_the_auto_start_of_another_production_is_asked_for_before_anything_is_made(
    instance: Instance,
) -> None:
    said = instance.start(FAIL_AT="4", FAIL_AS="status")
    assert "Look for another auto-start" in said.stdout
    assert "SetAutoStart" in said.stdout
    assert "^Ens.AutoStart" in instance.sessions[-1]
    assert not [line for line in instance.sessions if "LoadDir" in line]


def test_an_old_copy_in_the_durable_directory_is_named(instance: Instance) -> None:
    """Packages found there first would go on running the previous release."""
    old = instance.folder / "dur/iconfig/mgr/python/iris_ct"
    old.mkdir(parents=True)
    (old / "config.py").write_text("old = True\n")
    said = instance.start()
    assert said.returncode == 1
    assert f"Remove {old}" in said.stdout


def test_an_equal_copy_in_the_durable_directory_is_none_of_our_business(
    instance: Instance,
) -> None:
    for place in ("dur/iconfig/mgr/python/iris_ct", "packages/iris_ct"):
        (instance.folder / place).mkdir(parents=True, exist_ok=True)
        (instance.folder / place / "config.py").write_text("same = True\n")
    assert instance.start().returncode == 0


def test_its_log_holds_the_answers_of_one_start(instance: Instance) -> None:
    instance.start()
    length = len(instance.log.splitlines())
    instance.start()
    assert len(instance.log.splitlines()) == length


def test_a_script_without_its_checks_would_be_found(tmp_path: Path) -> None:
    """The tests above see it when the script believes a session that says nothing."""
    careless = tmp_path / "careless.sh"
    check = "grep -q 'CT step done' <<<\"$answer\" ||"
    text = AUTOCONF.read_text()
    assert check in text
    careless.write_text(text.replace(check, "true ||"))
    instance = make_instance(tmp_path / "instance")
    environment = {
        "PATH": f"{instance.folder / 'bin'}:/usr/bin:/bin",
        "CT_HOME": str(instance.folder / "dur"),
        "ISC_DATA_DIRECTORY": str(instance.folder / "dur/iconfig"),
        "STATE": str(instance.folder / "state"),
        "FAIL_AT": "5",
        "FAIL_AS": "silence",
    }
    assert run("bash", careless, environment=environment).returncode == 0
    assert instance.marker.exists()


def test_shellcheck_finds_nothing_in_any_script() -> None:
    scripts = [AUTOCONF, *sorted((AUTOCONF.parent / "deploy").rglob("*.sh"))]
    assert len(scripts) > 3
    said = run(BIN / "shellcheck", *scripts)
    assert said.returncode == 0, said.stdout


def test_shellcheck_sees_a_broken_script(tmp_path: Path) -> None:
    broken = tmp_path / "broken.sh"
    broken.write_text(AUTOCONF.read_text().replace('rm -f "$marker"', "rm -f $marker"))
    assert run(BIN / "shellcheck", broken).returncode != 0
