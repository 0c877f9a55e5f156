"""Verbs about versions: ``retrain``, ``rollback``, ``promote``."""

from __future__ import annotations

import time
from typing import Any

from iris_ct.cli.options import OPTIONS, Options
from iris_ct.cli.progress import working
from iris_ct.cli.rendering import show_json, show_lines, warn

# Seconds between two looks whether a cancelled cycle has ended.
_LOOK_S = 0.2


def retrain(
    name: str,
    /,
    *,
    wait: bool = False,
    accept_reused: bool = False,
    cancel: bool = False,
    options: Options = OPTIONS,
) -> int:
    """Ask for a retraining now, or cancel the one under way.

    Exit code 1 if no retraining was started or joined, or if it failed. A challenger that the
    gate holds or rejects is an ordinary end.

    Parameters
    ----------
    name
        The model.
    wait
        Wait for the end of the cycle; always so without a host.
    accept_reused
        Allow promotion although the judging rows were used in a gate before.
    cancel
        Stop the training under way instead.
    """
    from iris_ct import procedures
    from iris_ct.cli.doors import open_door
    from iris_ct.core.errors import ConfigError

    if cancel and accept_reused:
        raise ConfigError("Say either --cancel or --accept-reused.")
    parts = options.parts()
    if cancel:
        return _cancel(parts, name, wait=wait, options=options)
    procedures.specification(parts, name)
    with open_door(parts) as door, working(f"{name}: retraining"):
        answer = procedures.retrain(
            parts, door, name, wait=wait or door.is_temporary, accept_reused=accept_reused
        )
    if options.json:
        show_json(answer)
    else:
        _show_retraining(answer)
    ended = (answer["cycle"] or {}).get("outcome")
    return 1 if answer["outcome"] == "skip" or ended == "failed" or answer["failure"] else 0


def rollback(
    name: str, /, *, reason: str, to: int | None = None, options: Options = OPTIONS
) -> int:
    """Let an earlier version serve again.

    Parameters
    ----------
    name
        The model.
    reason
        Why; it stands in the record of the decision.
    to
        The version; without it, the one before the champion.
    """
    from iris_ct import procedures
    from iris_ct.cli.doors import open_door

    parts = options.parts()
    with open_door(parts) as door:
        answer = procedures.roll_back(parts, door, name, version=to, reason=reason)
    if options.json:
        show_json(answer)
    else:
        show_lines([f"Version {answer['version']} of {name} serves again."])
    return 0


def promote(name: str, /, *, version: int, reason: str, options: Options = OPTIONS) -> int:
    """Let a kept version serve, whatever the gate said.

    For example a challenger that the gate held. The record names who decided and why.

    Parameters
    ----------
    name
        The model.
    version
        The version, as 'ct explain' and MLflow number it.
    reason
        Why; it stands in the record of the decision.
    """
    from iris_ct import procedures
    from iris_ct.cli.doors import open_door

    parts = options.parts()
    with open_door(parts) as door:
        answer = procedures.promote(parts, door, name, version=version, reason=reason)
    if options.json:
        show_json(answer)
    else:
        show_lines([f"Version {answer['version']} of {name} serves."])
    return 0


def _cancel(parts: Any, name: str, *, wait: bool, options: Options) -> int:
    """Cancel, and see to it that somebody ends the cycle."""
    from iris_ct import procedures
    from iris_ct.cli.doors import open_door

    answer = procedures.cancel(parts, name)
    with open_door(parts) as door, working(f"{name}: cancelling {answer['cycle_id']}"):
        if wait or door.is_temporary:
            while (state := procedures.cycle_state(parts, answer["cycle_id"])) == "open":
                door.ensure()
                time.sleep(_LOOK_S)
            answer["state"] = state
    if options.json:
        show_json(answer)
    elif answer["state"] == "open":
        show_lines(
            [f"Asked to cancel {answer['cycle_id']}; 'ct status {name}' says when it ended."]
        )
    else:
        show_lines([f"{answer['cycle_id']}: {answer['state']}"])
    return 0 if answer["state"] in {"open", "cancelled"} else 1


def _show_retraining(answer: dict[str, Any]) -> None:
    show_lines([f"{answer['outcome']}: {answer['reason']}"])
    if cycle := answer["cycle"]:
        version = f" with version {cycle['version']}" if cycle["version"] else ""
        show_lines(
            [
                f"cycle {cycle['cycle_id']}: {cycle['outcome']}{version}; "
                f"'ct explain {cycle['cycle_id']}' says why"
            ]
        )
    elif answer["cycle_id"]:
        show_lines(
            [f"cycle {answer['cycle_id']}; 'ct status {answer['model']}' shows how it ends"]
        )
    if answer["failure"]:
        warn(f"a message failed: {answer['failure']}. 'ct trace {answer['session']}' shows which.")
