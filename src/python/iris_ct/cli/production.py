"""Verbs about the running production: ``up``, ``down``, ``trace``."""

from __future__ import annotations

import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import asdict
from typing import Annotated, Any

from cyclopts import Parameter, validators

from iris_ct.cli.options import HOME, OPTIONS, Home, Options
from iris_ct.cli.progress import working
from iris_ct.cli.rendering import say, say_time, show_json, show_lines, show_table

# Seconds between two looks whether the host has gone.
_LOOK_S = 0.1
# Seconds after which a signal is noticed at the latest.
_PATIENCE_S = 1.0

# What 'ct down' says of a process, by the state in which it found its production.
_ENDED = {
    "running": "Process {pid}, which ran since {since}, has stopped.",
    "stopped": "Process {pid}, whose production had been stopped before, has ended.",
}


def up(
    *,
    processes: bool = False,
    no_replay: bool = False,
    api: str | None = None,
    serve: Annotated[int | None, Parameter(validator=validators.Number(gte=0, lte=65535))] = None,
    home: Home = HOME,
) -> int:
    """Run the production in the foreground until it is stopped.

    Ctrl-C, SIGTERM or 'ct down' let it finish what is short and stop it; what is unfinished is
    kept and goes on with the next start.

    Parameters
    ----------
    processes
        Run every item in an operating-system process of its own, as IRIS does.
    no_replay
        Run an interrupted handler again from its start instead of replaying what it had sent.
    api
        Serve iop's REST interface on [HOST:]PORT; 0 takes a free port. Default CT_API_PORT.
    serve
        Answer predictions over HTTP on this port as 'ct serve' does. Default CT_SERVE_PORT.
    """
    home.choose()
    # The items read their settings themselves, in whatever process they run.
    if processes:
        os.environ["CT_PROCESSES"] = "1"
    if no_replay:
        os.environ["CT_REPLAY"] = "0"
    if api is not None:
        _choose_api(api)
    from iris_ct.cli.beside import serving_beside
    from iris_ct.embedded import make_keeper, served
    from iris_ct.host import keeping

    parts = home.parts()
    keeper = make_keeper(parts)
    port = parts.settings.serve_port if serve is None else serve
    # Outermost: who waits for the end may take the home and the ports then.
    with (
        keeping(parts.settings.lock_path),
        serving_beside(port),
        served(parts, keeper) as url,
    ):
        keeper.start()
        try:
            _show_up(parts, url)
            _until_signal()
            show_lines(["Stopping: what is unfinished is kept and goes on with the next start."])
        finally:
            keeper.stop()
    show_lines(["Stopped."])
    return 0


def _choose_api(api: str) -> None:
    """Let the settings say where the REST interface is."""
    from iris_ct.core.errors import ConfigError

    host, _, port = api.rpartition(":")
    if not port.isdecimal():
        raise ConfigError(
            f"--api {api!r}: expected PORT or HOST:PORT, such as 0 or 127.0.0.1:8080."
        )
    os.environ["CT_API_PORT"] = port
    if host:
        os.environ["CT_API_HOST"] = host.strip("[]")


def _show_up(parts: Any, url: str | None) -> None:
    lines = [
        f"The production runs as process {os.getpid()} on {socket.gethostname()}, "
        f"home {parts.home}.",
        f"Drop files into {parts.home / 'inbox'}/MODEL/, labels into MODEL/labels/; "
        "or: ct ingest MODEL FILE",
        f"Model files: {parts.settings.models_dir}. Stop with Ctrl-C or: ct down",
    ]
    if url is not None:
        lines.append(f"iop reaches it with IOP_URL={url}")
    show_lines(lines)


def down(*, timeout_s: float = 60.0, options: Options = OPTIONS) -> int:
    """Stop the running production.

    Its process ends, also that of a production which 'iop --stop' has stopped. Done as well if
    there is none. Exit code 1 if it is on another machine, or does not end in time.

    Parameters
    ----------
    timeout_s
        Seconds to wait for its end.
    """
    from iris_ct.cli.doors import refuse_on_iris
    from iris_ct.core.errors import ConflictError, TransientError
    from iris_ct.embedded import host_client

    parts = options.parts()
    refuse_on_iris(parts, "Stop it with 'iop --stop', or in the portal.")
    with host_client(parts) as client:
        found = _processes(client)
        for process in found:
            if process["machine"] != socket.gethostname():
                raise ConflictError(
                    f"The production is kept by process {process['pid']} on {process['machine']} "
                    f"since {process['since']} ({process['found']}). Run 'ct down' there; from "
                    f"{socket.gethostname()} it cannot be stopped."
                )
            if not process["pid"]:
                raise TransientError("A production is just being started. Run 'ct down' again.")
        for process in found:
            _tell_to_stop(process["pid"])
        told = {process["pid"] for process in found}
        with working(f"stopping process {say(sorted(told))}"):
            give_up = time.monotonic() + timeout_s
            while left := told & {process["pid"] for process in _processes(client)}:
                if time.monotonic() > give_up:
                    raise TransientError(
                        f"Process {say(sorted(left))} was told to stop and has not within "
                        f"{timeout_s:g} s. Look at 'ct log --host', or try again with a longer "
                        "--timeout-s."
                    )
                time.sleep(_LOOK_S)
    return _show_down(found, options)


def trace(
    session: int | None = None,
    /,
    *,
    n: Annotated[int, Parameter(name=("-n", "--newest"))] = 20,
    resend: int | None = None,
    suspend: int | None = None,
    options: Options = OPTIONS,
) -> int:
    """List sessions, or show the messages of one as a tree.

    Parameters
    ----------
    session
        The session; the newest ones are listed without it.
    n
        How many sessions are listed.
    resend
        Message of which a copy is sent as a new session.
    suspend
        Message that is taken out of its queue.
    """
    from iris_ct import procedures
    from iris_ct.cli.doors import look_door
    from iris_ct.core.errors import ConfigError

    if sum(said is not None for said in (session, resend, suspend)) > 1:
        raise ConfigError("Say one of: a session, --resend MESSAGE, --suspend MESSAGE.")
    parts = options.parts()
    if resend is not None:
        return _resend(parts, resend, options)
    with look_door(parts) as door:
        if suspend is not None:
            answer: Any = procedures.suspend(door, suspend)
            words = [f"Message {suspend} is suspended; 'ct trace --resend {suspend}' sends it."]
        elif session is not None:
            answer = procedures.trace(door, session)
            words = []
        else:
            answer = procedures.sessions(door, newest=n)
            words = []
    if options.json:
        show_json(answer)
    elif words:
        show_lines(words)
    elif session is not None:
        _show_trace(answer)
    else:
        _show_sessions(answer)
    return 0


def _until_signal() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    with suppress(KeyboardInterrupt):
        while True:
            # Not signal.pause: a signal that comes just before it would be slept through.
            time.sleep(_PATIENCE_S)


def _processes(client: Any) -> list[dict[str, Any]]:
    """List the processes of this home: the one that runs the production, then idle ones."""
    holder = client.holder()
    found = [] if holder is None else [{**asdict(holder), "found": "running"}]
    running = {(process["machine"], process["pid"]) for process in found}
    found += [
        {**asdict(keeper), "found": "stopped"}
        for keeper in client.keepers()
        if (keeper.machine, keeper.pid) not in running
    ]
    return found


def _tell_to_stop(pid: int) -> None:
    # It may have ended by itself meanwhile.
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def _show_down(found: list[dict[str, Any]], options: Options) -> int:
    first = found[0] if found else dict.fromkeys(("pid", "machine", "since", "found"))
    if options.json:
        show_json({"stopped": bool(found), **first, "processes": found})
    elif found:
        show_lines([_ENDED[process["found"]].format(**process) for process in found])
    else:
        show_lines(["No production runs on this home."])
    return 0


def _resend(parts: Any, message_id: int, options: Options) -> int:
    from iris_ct import procedures
    from iris_ct.cli.doors import open_door

    with open_door(parts) as door, working(f"message {message_id} is sent again"):
        answer = procedures.resend(door, message_id)
        if door.is_temporary:
            door.wait(answer["session"])
    if options.json:
        show_json(answer)
    else:
        show_lines(
            [
                f"Message {message_id} was sent again as session {answer['session']}; "
                f"'ct trace {answer['session']}' shows what follows."
            ]
        )
    return 0


def _show_sessions(rows: list[dict[str, Any]]) -> None:
    show_table(
        ("session", "began (UTC)", "begins with", "to", "messages", "active", "errors"),
        [
            (
                row["session"],
                say_time(row["began_at"]),
                row["begins"],
                row["to"],
                row["messages"],
                row["active"],
                row["errors"],
            )
            for row in rows
        ],
        empty="No message was sent yet.",
    )


def _show_trace(answer: dict[str, Any]) -> None:
    show_table(
        ("message", "request", "to", "status", "began (UTC)", "seconds", "reply"),
        [
            (
                row["message_id"],
                "  " * row["depth"] + row["request"],
                row["to"],
                row["status"],
                say_time(row["started_at"] or row["created_at"]),
                row["seconds"],
                row["error"] or row["reply"],
            )
            for row in answer["messages"]
        ],
    )
    show_lines(
        [
            f"session {answer['session']}: {len(answer['messages'])} messages, "
            f"{say(answer['active'])} under way, {say(answer['errors'])} failed"
        ]
    )
