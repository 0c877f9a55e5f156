"""Which production a process begins with, and what becomes of an upload that broke meanwhile."""

from __future__ import annotations

import sys
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
