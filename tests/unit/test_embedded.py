"""How the production of a home is made, and what its door says of a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iris_ct.bootstrap import build
from iris_ct.config import Settings
from iris_ct.core.errors import StoreError
from iris_ct.embedded import WAKES, HostDoor, make_host
from iris_ct.host import RequestFailedError

ROOT = Path(__file__).parents[2]


def test_the_host_of_a_home_wakes_what_has_no_job_of_its_own(tmp_path: Path) -> None:
    plan = make_host(build(Settings(home=tmp_path))).plan
    assert set(WAKES) == {name for name, spec in plan.items.items() if spec.polls} & set(WAKES)
    assert plan.items["Schedule"].call_interval_s == WAKES["Schedule"] == 20.0
    assert not plan.items["Requests"].polls


def test_the_host_of_a_home_gets_the_default_settings_of_its_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    plan = make_host(build(Settings(home=tmp_path, environment="live"))).plan
    assert plan.items["Inbox"].settings["SettleTime"] == 10.0
    assert plan.items["Ingestion"].failure_timeout_s == 1800.0


class RefusingClient:
    """A store whose production refuses every request."""

    def send(self, _item: str, _message: Any) -> int:
        return 1

    def reply(self, _session: int, _timeout_s: float) -> Any:
        text = "UnknownModelError: There is no model 'x'. The file says: ParserError: none."
        raise RequestFailedError(f"Message 1 to 'Requests' failed: {text}", text)


def test_the_door_passes_the_whole_reason_on() -> None:
    client: Any = RefusingClient()
    with pytest.raises(StoreError) as caught:
        HostDoor(client).call(None)
    assert str(caught.value) == (
        "The production refused the request: There is no model 'x'. The file says: "
        "ParserError: none."
    )
