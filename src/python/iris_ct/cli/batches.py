"""Verbs about rows: ``ingest``, ``labels``, ``quarantine``, ``purge``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from iris_ct.cli.options import OPTIONS, Options
from iris_ct.cli.progress import working
from iris_ct.cli.rendering import say, say_time, show_json, show_lines, show_table, warn

# What a file may end as and still count as done; a duplicate is stored already.
_WELL = frozenset({"stored", "duplicate"})

Wait = Annotated[
    bool, Parameter(help="Wait for the end of what each file starts; always so without a host.")
]


def ingest(
    name: str,
    /,
    *files: Path,
    wait: Wait = False,
    sweep: bool = False,
    options: Options = OPTIONS,
) -> int:
    """Hand over files with rows, or read the model's table; --wait: to the end.

    Each file is copied before it is read; yours stays. Without files, what is new, changed or
    gone in the table of the model file's [source] is read now. Exit code 1 if a file or batch
    was refused or quarantined; all are handled first.

    Parameters
    ----------
    name
        The model.
    files
        CSV, gzip CSV or Parquet files, in the order in which they are handed over.
    sweep
        Without files: compare all ids with the table as well, due or not.
    """
    from iris_ct.core.errors import ConfigError

    if files and sweep:
        raise ConfigError("--sweep is about the model's table: say it without files.")
    if not files:
        return _read_table(name, wait=wait, sweep=sweep, options=options)
    return _hand_over(name, files, kind="rows", wait=wait, options=options)


def labels(name: str, /, *files: Path, wait: Wait = False, options: Options = OPTIONS) -> int:
    """Hand over files with labels that came later, joined by key.

    Exit code 1 if a file was refused or quarantined; all files are handled first.

    Parameters
    ----------
    name
        The model.
    files
        Files with the key columns and the target.
    """
    return _hand_over(name, files, kind="labels", wait=wait, options=options)


def quarantine(
    name: str,
    /,
    *,
    release: str | None = None,
    file: Path | None = None,
    export: tuple[str, Path] | None = None,
    released: bool = False,
    options: Options = OPTIONS,
) -> int:
    """List, export or release what is held back.

    Parameters
    ----------
    name
        The model.
    release
        Batch whose held-back rows are validated again, as they are or mended.
    file
        With --release: the mended rows, as --export wrote them.
    export
        Batch and CSV file: write its held-back rows with their reasons, to be mended.
    released
        List what was released as well.
    """
    from iris_ct import procedures
    from iris_ct.core.errors import ConfigError

    if (release and export) or (file and not release):
        raise ConfigError("Say either --export BATCH FILE, or --release BATCH [--file MENDED].")
    parts = options.parts()
    if release:
        return _release(parts, name, release, file, options)
    if export:
        written = procedures.export_quarantine(parts, name, *export)
        if options.json:
            show_json(written)
        else:
            show_lines(
                [
                    f"{written['rows']} rows of {written['batch_id']} written to "
                    f"{written['file']}. Mend them, then: ct quarantine {name} --release "
                    f"{written['batch_id']} --file {written['file']}"
                ]
            )
        return 0
    held = procedures.quarantine(parts, name, released=released)
    if options.json:
        show_json(held)
        return 0
    show_table(
        ("batch", "arrived (UTC)", "rows", "whole batch", "released", "reasons"),
        [
            (
                row["batch_id"],
                say_time(row["arrived_at"]),
                row["rows"],
                row["whole_batch"],
                row["released"],
                row["reasons"],
            )
            for row in held
        ],
        empty=f"Nothing of {name} is held back.",
    )
    return 0


def purge(
    name: str, /, *, dry_run: bool = False, yes: bool = False, options: Options = OPTIONS
) -> int:
    """List what is older than its retention; with --yes, remove it.

    Parameters
    ----------
    name
        The model.
    dry_run
        Only list; so without --yes too.
    yes
        Remove the files. What the serving version needs always stays.
    """
    from iris_ct import procedures
    from iris_ct.cli.doors import look_door
    from iris_ct.core.errors import ConfigError

    if dry_run and yes:
        raise ConfigError("Say either --dry-run or --yes.")
    parts = options.parts()
    with look_door(parts) as door:
        answer = procedures.purge(parts, door, name, dry_run=not yes)
    if options.json:
        show_json(answer)
        return 0
    show_lines(answer["files"])
    count = len(answer["files"])
    if yes:
        show_lines([f"{count} files removed, {answer['messages_forgotten']} messages forgotten."])
    else:
        more = f" To remove them: ct purge {name} --yes" if count else ""
        show_lines([f"{count} files are older than the model's retention.{more}"])
    return 0


def _hand_over(
    name: str, files: Sequence[Path], *, kind: str, wait: bool, options: Options
) -> int:
    from iris_ct import procedures
    from iris_ct.cli.doors import open_door
    from iris_ct.core.errors import ConfigError

    if not files:
        raise ConfigError(f"Say which files: ct labels {name} FILE ...")
    parts = options.parts()
    procedures.specification(parts, name)
    answers = []
    with (
        open_door(parts) as door,
        working(f"{name}: handing over {len(files)} files", lambda: _newest(door)) as say_now,
    ):
        # Without a running host somebody must wait, or nothing would happen to the file.
        waits = wait or door.is_temporary
        for answer in procedures.ingest(parts, door, name, files, kind=kind, wait=waits):
            answers.append(answer)
            if not options.json:
                _show_file(answer)
            say_now(f"{name}: {len(answers)} of {len(files)} files")
    if options.json:
        show_json(answers)
    return 0 if all(_is_well(answer) for answer in answers) else 1


def _read_table(name: str, *, wait: bool, sweep: bool, options: Options) -> int:
    from iris_ct import procedures
    from iris_ct.cli.doors import open_door
    from iris_ct.core.errors import ConfigError

    parts = options.parts()
    if procedures.specification(parts, name).source is None:
        raise ConfigError(
            f"Say which files: ct ingest {name} FILE ... Its model file names no table either, in "
            "[source]."
        )
    # Before a host runs for the time of this command, which would read the table itself.
    with working(f"{name}: reading its table", lambda: ""):
        found = procedures.read_source_now(parts, name, sweep=sweep)
    with open_door(parts) as door, working(f"{name}: handing over", lambda: _newest(door)):
        waits = wait or door.is_temporary
        answer = procedures.hand_over_source(parts, door, found, wait=waits)
    if options.json:
        show_json(answer)
    else:
        show_lines(
            [
                f"{answer['table']}: {answer['new']} new, {answer['changed']} changed, "
                f"{answer['deleted']} deleted rows in {len(answer['batches'])} batches"
            ]
        )
        for batch in answer["batches"]:
            _show_file(batch)
    return 0 if all(_is_well(batch) for batch in answer["batches"]) else 1


def _release(parts: Any, name: str, batch: str, mended: Path | None, options: Options) -> int:
    from iris_ct import procedures
    from iris_ct.cli.doors import open_door

    with open_door(parts) as door, working(f"{name}: releasing {batch}", lambda: _newest(door)):
        answer = procedures.release(parts, door, name, batch, mended=mended)
    if options.json:
        show_json(answer)
    else:
        _show_file(answer)
    return 0 if _is_well(answer) else 1


def _is_well(answer: dict[str, Any]) -> bool:
    """Say whether a file was taken in and nothing that it started failed."""
    cycle = answer.get("cycle") or {}
    return (
        answer.get("outcome", "stored") in _WELL
        and cycle.get("outcome") != "failed"
        and not answer.get("failure")
    )


def _newest(door: Any) -> str:
    """Say what the production did last; asked by a thread that only looks."""
    if not door.any_thread:
        return ""
    events = door.events(1)
    return f"({events[-1]['item']}: {events[-1]['content']})"[:100] if events else ""


def _show_file(answer: dict[str, Any]) -> None:
    if "outcome" not in answer:
        show_lines(
            [f"{answer['file']}: handed over; 'ct trace {answer['session']}' shows what follows"]
        )
        return
    lines = [f"{answer['outcome'] or 'failed'}: {answer['text']}"]
    if answer["drifted"] is not None:
        lines.append(f"  drift: {say(answer['drifted'])}")
    if answer["decision"]:
        lines.append(f"  decision: {answer['decision']}, {answer['reason']}")
    if cycle := answer["cycle"]:
        version = f" with version {cycle['version']}" if cycle["version"] else ""
        lines.append(f"  cycle {cycle['cycle_id']}: {cycle['outcome']}{version}")
        if cycle["outcome"] == "failed":
            lines.append("  'ct log' says why it failed")
    show_lines(lines)
    if answer["failure"]:
        warn(
            f"  a message failed: {answer['failure']}. 'ct trace {answer['session']}' shows which."
        )
