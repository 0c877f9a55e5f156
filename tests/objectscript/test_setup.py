"""What CT.Setup does to an instance that is not its own alone, as far as its text tells."""

from __future__ import annotations

import re

import pytest
from tests.objectscript.syntax import read_classes

[SETUP] = [each for each in read_classes() if each.name == "CT.Setup"]


def body(name: str) -> str:
    """Give the text of one method."""
    [found] = re.findall(
        rf"^ClassMethod {name}\(.*?\n\{{\n(.*?)^\}}$", SETUP.source, re.MULTILINE | re.DOTALL
    )
    return str(found)


def test_what_is_refused_is_refused_before_anything_is_changed() -> None:
    steps = re.findall(r"\.\.Named\(\"(\w+)\"", body("Run"))
    assert steps[:2] == ["NoOther", "Environment"]
    assert steps[2] == "Store"
    for name in ("NoOther", "Environment"):
        changes = re.findall(
            r"%Save|Modify|Create|%ExecDirect|SetAutoStart\(|^\s*kill", body(name)
        )
        assert changes == []


@pytest.mark.parametrize("name", ["NoOther", "AutoStart"])
def test_the_auto_start_of_another_production_is_an_error_that_names_it(name: str) -> None:
    if name == "AutoStart":
        look, change = body(name).index("..NoOther()"), body(name).index("SetAutoStart(")
        assert look < change
    else:
        found = re.search(
            r"set other = \$get\(\^Ens\.AutoStart\)\s+"
            r"if \(other '= \"\"\) && \(other '= \.\.#PRODUCTION\) \{\s+\$\$\$ThrowStatus\(.*_other_",
            body(name),
        )
        assert found


def test_accounts_are_disabled_in_the_container_only_and_the_web_servers_never() -> None:
    text = body("Passwords")
    assert "CSPSystem" not in text
    disabled = re.search(r"if container \{(.*?)\n {16}\}", text, re.DOTALL)
    assert disabled
    assert 'properties("Enabled") = 0' in disabled[1]
    assert text.count("Security.Users).Modify") == 1
    assert "Security.Users).Modify" in disabled[1]


def test_a_structured_log_of_somebody_else_stays_and_a_line_says_so() -> None:
    text = body("Logging")
    foreign = text.index("elseif ($get(settings(key)) '= child) || (missing && (found '= own))")
    said = re.compile(r"WriteToConsoleLog\(.*, 0, 1, \"CT\.Setup\"\)\)\s+quit\n").search(
        text, foreign
    )
    assert said
    for change in ("Config.Logging).Modify", "LogDmn).Start", "LogDmn).Restart"):
        assert text.index(change) > said.end()


def test_the_filter_lets_the_event_name_of_the_shop_through() -> None:
    """The daemon would throw away what CT_AUDIT_EVENT names otherwise."""
    text = body("EventFilter")
    assert 'GetEnviron("CT_AUDIT_EVENT")' in text
    assert 'quit ..#EVENTFILTER_",+"_event' in text
    assert 'Parameter EVENTFILTER = "-*,+CT.*";' in SETUP.source
    assert "-*,+CT" not in body("Logging")


def test_the_gateways_account_is_made_once_and_has_the_password_of_its_file() -> None:
    """Nowhere but in the container; what an administrator takes from it or gives it stays."""
    text = body("Gateway")
    assert re.search(r"if container \{\s+set password = \.\.Secret\(\.\.#GATEWAYPASSWORD\)", text)
    assert text.index('if password \'= ""') < text.index("Security.Users).Create(")
    made = re.search(r"if '##class\(Security\.Users\)\.Exists\(name\) \{(.*?)\}", text, re.DOTALL)
    assert made
    assert "Security.Users).Create(name, roles, password" in made[1]
    changed = set(re.findall(r'properties\("(\w+)"\) =', text))
    assert changed == {"Password", "ChangePassword", "PasswordNeverExpires"}
    assert "%All" not in text


def test_the_gateways_account_and_its_role_have_different_names() -> None:
    """IRIS knows no user and role of one name, whatever their case."""
    said = dict(re.findall(r'^Parameter (\w+) = "(.+)";$', SETUP.source, re.MULTILINE))
    assert said["GATEWAY"].lower() != said["SERVING"].lower()
