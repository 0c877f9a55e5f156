"""Which production a process begins with, and what becomes of an upload that broke meanwhile."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from iris_ct.host import (
    Host,
    HostKeeper,
    HostLockedError,
    Upload,
    UploadCheck,
    UploadError,
    Uploads,
)

SETTINGS = """
from iop import BusinessOperation, Production

class Nothing(BusinessOperation):
    def on_message(self, request):
        return None

prod = Production("Uploaded.Production")
prod.operation("Nothing", Nothing)
PRODUCTIONS = [prod]
"""


class Home:
    """A folder with a store, from which processes come and go."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uploads = Uploads(folder / "production", UploadCheck({}))
        self.uploads.folder.mkdir()

    def host(self, reference: str | None) -> Host:
        return Host(
            reference or "tests.host.productions:pair",
            store_url=f"sqlite:///{self.folder / 'store'}",
            lock_path=self.folder / "lock",
        )

    def keeper(self) -> HostKeeper:
        """Begin as a new process does."""
        return HostKeeper(self.host, self.uploads)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    path = list(sys.path)
    yield Home(tmp_path)
    sys.path[:] = path
    sys.modules.pop("settings", None)


def test_a_process_begins_with_the_production_that_ran_last(home: Home) -> None:
    home.uploads.take(Upload("settings.py", {"settings.py": SETTINGS}))
    first = home.keeper()
    assert first.host.plan.production_name == "Test.Pair", "what waits is taken up by a start"
    first.start()
    assert first.host.plan.production_name == "Uploaded.Production"
    first.stop()
    assert home.keeper().host.plan.production_name == "Uploaded.Production"
    assert HostKeeper(home.host).host.plan.production_name == "Test.Pair", "if it is allowed"


def test_an_upload_that_was_damaged_is_named_with_the_way_out(home: Home) -> None:
    kept = home.uploads.take(Upload("settings.py", {"settings.py": SETTINGS}))
    home.uploads.appoint(kept)
    (home.uploads.folder_of(kept) / "settings.py").write_text("raise ValueError('damaged')")
    path = list(sys.path)
    with pytest.raises(UploadError, match=r"Remove .*current\.json to run the product's own"):
        home.keeper()
    assert sys.path == path
    (home.uploads.folder / "current.json").unlink()
    assert home.keeper().host.plan.production_name == "Test.Pair"


def test_an_upload_still_waits_if_another_host_holds_the_store(home: Home) -> None:
    keeper = home.keeper()
    home.uploads.take(Upload("settings.py", {"settings.py": SETTINGS}))
    other = home.host(None)
    with other, pytest.raises(HostLockedError):
        keeper.start()
    assert home.uploads.next is not None
    keeper.start()
    assert keeper.host.plan.production_name == "Uploaded.Production"
    keeper.stop()


def test_what_an_upload_prints_or_how_it_ends_is_not_taken_for_an_answer(home: Home) -> None:
    for code, reason in [
        ("print('[]')\nimport nothing_of_the_kind", "nothing_of_the_kind"),
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("import os\nos._exit(0)", "gave no answer"),
        ("import os\nos._exit(3)", "code 3"),
        ("PRODUCTIONS = []", "Expected one iop.Production"),
        ("def broken(:", "SyntaxError"),
    ]:
        with pytest.raises(UploadError, match=reason):
            home.uploads.take(Upload("settings.py", {"settings.py": code}))
    assert list(home.uploads.folder.iterdir()) == []


def test_a_host_stops_while_an_upload_is_checked(home: Home) -> None:
    checked, waits = threading.Event(), threading.Event()

    def check(_folder: Path, _module: str, _strict: bool) -> list[str]:
        checked.set()
        assert waits.wait(60)
        return []

    keeper = HostKeeper(home.host, Uploads(home.uploads.folder, check))
    keeper.start()
    upload = Upload("settings.py", {"settings.py": SETTINGS})
    taking = threading.Thread(target=keeper.take, args=(upload,))
    taking.start()
    assert checked.wait(60)
    keeper.stop()
    assert not keeper.host.is_running
    waits.set()
    taking.join(60)
    assert home.uploads.next is not None


def test_a_check_that_takes_too_long_leaves_no_process(tmp_path: Path) -> None:
    """What the import started, too."""
    (tmp_path / "settings.py").write_text(
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(600)\n"
    )
    check = UploadCheck({}, timeout_s=5.0)
    assert check(tmp_path, "settings", False) == ["importing it took more than 5 s"]
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 60
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; one that has ended and waits for its parent does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_many_files_are_read_without_comparing_all_with_all() -> None:
    """Comparing each with all took minutes for 5,000; counted, not timed."""
    folds = 0

    class Name(str):
        def casefold(self) -> str:
            nonlocal folds
            folds += 1
            return super().casefold()

    names = [Name(f"m{number}.py") for number in range(500)]
    body = [{"name": name, "data": ""} for name in [*names, "settings.py"]]
    assert len(Upload.from_json({"body": body}).files) == 501
    assert folds < 5 * 500


def test_an_upload_that_the_disk_refuses_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "production").write_text("no folder")
    uploads = Uploads(tmp_path / "production", UploadCheck({}))
    with pytest.raises(UploadError, match="cannot be written below"):
        uploads.take(Upload("settings.py", {"settings.py": SETTINGS}))
