"""What to do with an operation's error: IRIS' ``ReplyCodeActions``, read and decided.

Only errors are told apart (``E``, ``E*text``); the codes for native replies of IRIS are refused
when the plan is made, not ignored.
"""

from __future__ import annotations

from dataclasses import dataclass

# Complete, warn, retry, suspend, disable the item, fail.
_ACTIONS = frozenset("CWRSDF")
DEFAULT_ACTIONS = "E=F"


@dataclass(frozen=True)
class Rule:
    """One ``code=actions`` pair; an empty text matches every error."""

    contains: str
    actions: str


@dataclass(frozen=True)
class Verdict:
    """What happens to the message now.

    Attributes
    ----------
    outcome : str
        ``retry``, ``completed``, ``error`` or ``suspended``.
    disable : bool
        The item is disabled too.
    warn : bool
        A warning is logged.
    """

    outcome: str
    disable: bool = False
    warn: bool = False


def parse_actions(text: str) -> tuple[Rule, ...]:
    """Read ``ReplyCodeActions``.

    Raises
    ------
    ValueError
        If a code or an action is not one this host knows; the text says which.

    Examples
    --------
    >>> parse_actions("E*timed out=RF,E=F")
    (Rule(contains='timed out', actions='RF'), Rule(contains='', actions='F'))
    """
    rules = []
    for part in (p.strip() for p in text.split(",")):
        code, equals, actions = part.rpartition("=")
        code = code.strip()
        actions = actions.strip()
        if not equals or not actions or not set(actions) <= _ACTIONS:
            raise ValueError(f"{part!r} is not CODE=ACTIONS with actions of C, W, R, S, D, F")
        if code != "E" and not code.startswith("E*"):
            raise ValueError(f"code {code!r} is not known here; expected E or E*text")
        rules.append(Rule(code[2:], actions))
    return tuple(rules)


def decide(rules: tuple[Rule, ...], error: str, *, may_retry: bool) -> Verdict:
    """Choose what happens after an error.

    Parameters
    ----------
    rules : tuple of Rule
        The first that matches counts; none means "fail".
    error : str
        Text of the error.
    may_retry : bool
        False once the failure timeout has passed.

    Examples
    --------
    >>> decide(parse_actions("E=RF"), "away", may_retry=True).outcome
    'retry'
    >>> decide(parse_actions("E=RF"), "away", may_retry=False).outcome
    'error'
    >>> decide(parse_actions("E=R"), "away", may_retry=False).outcome
    'completed'
    """
    lowered = error.lower()
    actions = next((r.actions for r in rules if r.contains.lower() in lowered), "F")
    if "R" in actions and may_retry:
        return Verdict("retry", warn="W" in actions)
    disable, warn = "D" in actions, "W" in actions
    if "S" in actions:
        return Verdict("suspended", disable, warn)
    if "F" in actions:
        return Verdict("error", disable, warn)
    if "D" in actions:
        return Verdict("error", disable=True, warn=warn)
    # "R" alone ends as completed after the timeout, as on IRIS; so do "C" and "W".
    return Verdict("completed", disable, warn or "R" in actions)
