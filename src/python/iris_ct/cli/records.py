"""Verbs about what was decided and what happened: ``history``, ``explain``, ``log``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any

from cyclopts import Parameter

from iris_ct.cli.options import OPTIONS, Options
from iris_ct.cli.rendering import say_time, show_json, show_lines, show_table

# Seconds between two looks of --follow.
_FOLLOW_S = 1.0
# Entries that one look of --follow reads at least: more than happen between two looks.
_FOLLOW_ENTRIES = 1000

Entries = list[dict[str, Any]]


def history(
    name: str,
    /,
    *,
    decisions: bool = False,
    at: str | None = None,
    options: Options = OPTIONS,
) -> int:
    """List who served when and why, or all decisions; or who served at a time.

    Parameters
    ----------
    name
        The model.
    decisions
        List every decision, oldest first, instead of who served.
    at
        A time as ISO 8601, UTC without an offset: only the version that served then.
    """
    from iris_ct import procedures
    from iris_ct.core.errors import ConfigError

    if decisions and at is not None:
        raise ConfigError("Say either --decisions or --at.")
    parts = options.parts()
    if at is not None:
        return _show_served(procedures.served_at(parts, name, at), options)
    if decisions:
        taken = procedures.decisions(parts, name, newest=None)
        if options.json:
            show_json(taken)
        else:
            _show_decisions(name, taken)
        return 0
    served = procedures.history(parts, name)
    if options.json:
        show_json(served)
        return 0
    show_table(
        ("version", "since (UTC)", "newest event", "by", "window", "rows", "loss", "why"),
        [
            (
                row["version"],
                say_time(row["since"]),
                row["since_event"],
                row["actor"],
                row["window"],
                row["rows"],
                None
                if row["holdout_loss"] is None
                else f"{row['holdout_loss']:.4g} {row['metric']}",
                f"{row['trigger']}: {row['verdict']}",
            )
            for row in served
        ],
        empty=f"Nothing has served {name} yet. 'ct explain {name}' says what was decided last.",
    )
    return 0


def explain(subject: str, /, *, options: Options = OPTIONS) -> int:
    """Say a decision in words, and whether the chain of records is intact.

    Exit code 1 if a record of the chain was changed.

    Parameters
    ----------
    subject
        Id of a decision or of a cycle; or a model, for its newest gate.
    """
    from iris_ct import procedures

    answer = procedures.explain(options.parts(), subject)
    if options.json:
        show_json(answer)
    else:
        show_lines(answer["words"])
        show_lines(
            ["The chain of records is intact."]
            if answer["intact"]
            else [
                f"The chain of records is BROKEN: record {answer['broken_at']} is not what its "
                "digest says. Compare it with a backup of the store."
            ]
        )
    return 0 if answer["intact"] else 1


def log(
    name: str | None = None,
    /,
    *,
    n: Annotated[int, Parameter(name=("-n", "--newest"))] = 50,
    follow: bool = False,
    host: bool = False,
    options: Options = OPTIONS,
) -> int:
    """Show what happened: audit events, or the host's own log.

    With --json and --follow, one JSON object a line.

    Parameters
    ----------
    name
        The model; all of them without it.
    n
        How many of the newest entries.
    follow
        Go on until Ctrl-C with what happens from now on.
    host
        The host's event log instead of the audit events.
    """
    from iris_ct import procedures
    from iris_ct.cli.doors import look_door

    parts = options.parts()
    if not host:
        _show_log(
            lambda newest: procedures.log(parts, name, newest=newest),
            "event_id",
            _say_event,
            newest=n,
            follow=follow,
            options=options,
        )
        return 0
    with look_door(parts) as door:
        _show_log(
            lambda newest: procedures.host_log(door, newest=newest),
            "id",
            _say_entry,
            newest=n,
            follow=follow,
            options=options,
        )
    return 0


def _show_served(answer: dict[str, Any], options: Options) -> int:
    if options.json:
        show_json(answer)
    elif answer["version"] is None:
        show_lines([f"Nothing served {answer['model']} at {say_time(answer['at'])} UTC."])
    else:
        show_lines(
            [
                f"Version {answer['version']} of {answer['model']} served at "
                f"{say_time(answer['at'])} UTC, since {say_time(answer['since'])} UTC "
                f"by {answer['decision']}."
            ]
        )
    return 0


def _show_decisions(name: str, taken: Entries) -> None:
    show_table(
        ("decided (UTC)", "kind", "outcome", "by", "cycle", "id", "reason"),
        [
            (
                say_time(decision["decided_at"]),
                decision["kind"],
                decision["outcome"],
                decision["actor"],
                decision["cycle_id"],
                decision["decision_id"],
                decision["reason"].splitlines()[0],
            )
            for decision in taken
        ],
        empty=f"Nothing was decided about {name} yet.",
    )


def _show_log(
    read: Callable[[int], Entries],
    identifier: str,
    words: Callable[[dict[str, Any]], str],
    *,
    newest: int,
    follow: bool,
    options: Options,
) -> None:
    if not follow:
        entries = read(newest)
        if options.json:
            show_json(entries)
        else:
            show_lines(words(entry) for entry in entries)
        return
    looked = read(max(newest, _FOLLOW_ENTRIES))
    before = max(len(looked) - newest, 0)
    seen: set[object] = {entry[identifier] for entry in looked[:before]}
    while True:
        for entry in looked:
            if entry[identifier] not in seen:
                show_json(entry) if options.json else print(words(entry), flush=True)
        seen |= {entry[identifier] for entry in looked}
        time.sleep(_FOLLOW_S)
        looked = read(max(newest, _FOLLOW_ENTRIES))


def _say_event(event: dict[str, Any]) -> str:
    return (
        f"{say_time(event['happened_at'])}  {event['severity']:<7}  {event['model']}  "
        f"{event['step']}: {event['text']}"
    )


def _say_entry(entry: dict[str, Any]) -> str:
    session = f"  session {entry['session']}" if entry["session"] else ""
    return (
        f"{say_time(entry['logged_at'])}  {entry['severity']:<7}  "
        f"{entry['item'] or 'host'}{session}: {entry['text']}"
    )
