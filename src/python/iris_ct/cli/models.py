"""Verbs about models: ``init``, ``status``, ``drift``."""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Annotated, Any, Literal

from cyclopts import Parameter

from iris_ct.cli.options import OPTIONS, Options
from iris_ct.cli.rendering import say, say_time, show_facts, show_json, show_lines, show_table

# Why a report has no verdict on the features.
_UNMEASURED = {
    "insufficient": "too few rows to say",
    "not_measured": "nothing to compare yet",
    "disabled": "disabled in the model file",
    "columns_changed": "the columns have changed since the champion was trained",
}


def init(
    name: str,
    /,
    *,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    from_run: str | None = None,
    target: str | None = None,
    task: Literal["regression", "binary", "multiclass"] | None = None,
    time: str | None = None,
    key: tuple[str, ...] = (),
    group: str | None = None,
    exclude: tuple[str, ...] = (),
    force: bool = False,
    options: Options = OPTIONS,
) -> int:
    """Write a model file from a sample of rows or from an MLflow run.

    Says what was guessed, and warns of columns that may leak the target. A file that is there
    already stays as it is.

    Parameters
    ----------
    name
        The model: lower-case letters, digits and underscores.
    from_
        CSV, gzip CSV or Parquet file with rows of the model.
    from_run
        Id of an MLflow run: features, types, parameters, target and lineage come from it.
    target
        Column to predict.
    task
        Guessed from the target otherwise.
    time
        Column of the event time; guessed otherwise. Without one, arrival is the time.
    key
        Column that identifies a row; may be given several times.
    group
        Column whose rows are never split apart.
    exclude
        Column that must not become a feature; may be given several times.
    force
        Overwrite a model file that is there.
    """
    from iris_ct import procedures

    answer = procedures.init(
        options.parts(),
        name,
        source=from_,
        run_id=from_run,
        target=target,
        task=task,
        time=time,
        key=key,
        group=group,
        exclude=exclude,
        overwrite=force,
    )
    if options.json:
        show_json(answer)
        return 0
    show_lines([f"Wrote {answer['file']}", "", "Guessed:"])
    show_lines(f"  {note}" for note in answer["notes"])
    if answer["lineage"]:
        show_lines(["", "Taken over from:"])
        show_lines(f"  {key}: {value}" for key, value in answer["lineage"].items())
    if answer["warnings"]:
        show_lines(["", "To look at before the first training:"])
        show_lines(f"  {warning}" for warning in answer["warnings"])
    if answer["suspects"]:
        left_out = " ".join(f"--exclude {quote(column)}" for column in answer["suspects"])
        show_lines(["", f"If they leak the target, say again with: {left_out} --force"])
    show_lines(["", f"Next: ct ingest {name} {quote(str(from_)) if from_ else 'FILE'}"])
    return 0


def status(name: str | None = None, /, *, options: Options = OPTIONS) -> int:
    """Say how one model stands, or all of them.

    Parameters
    ----------
    name
        The model; all of them without it.
    """
    from iris_ct import procedures
    from iris_ct.cli.doors import look_door

    parts = options.parts()
    with look_door(parts) as door:
        pending = door.pending()
    if name is not None:
        answer = procedures.status(parts, name, pending_messages=pending)
        if options.json:
            show_json(answer)
        else:
            _show_status(answer)
        return 0
    answers = [
        procedures.status(parts, model, pending_messages=pending)
        for model in procedures.models(parts)
    ]
    if options.json:
        show_json(answers)
    else:
        _show_all(answers)
    return 0


def drift(name: str, /, *, newest: int = 1, options: Options = OPTIONS) -> int:
    """Show the newest drift report, feature by feature.

    Parameters
    ----------
    name
        The model.
    newest
        How many reports, newest first.
    """
    from iris_ct import procedures

    reports = procedures.drift(options.parts(), name, newest=newest)
    if options.json:
        show_json(reports)
        return 0
    if not reports:
        show_lines(
            [
                f"No drift was measured for {name} yet: "
                "that needs a serving version and rows that arrived after it."
            ]
        )
    for report in reports:
        _show_drift(report)
    return 0


def _show_status(answer: dict[str, Any]) -> None:
    champion, drifted = answer["champion"], answer["last_drift"]
    show_facts(
        [
            ("model", f"{answer['model']} ({answer['task']})"),
            ("champion", _say_champion(champion)),
            ("metrics", say(champion["metrics"]) if champion else None),
            ("rows", f"{answer['rows']} in {answer['batches']} batches"),
            ("label files", answer["label_files"] or None),
            ("newest event", answer["newest_event"]),
            ("quarantined", _say_held(answer)),
            (
                "trainings",
                f"{answer['trainings']}: {answer['promotions']} promoted, "
                f"{answer['holds']} held, {answer['rejections']} rejected, "
                f"{answer['failures']} failed",
            ),
            ("open cycle", answer["open_cycle"]),
            ("last drift", _say_drift(drifted)),
            ("not in MLflow yet", answer["unregistered_versions"] or None),
            ("table", _say_source(answer["source"])),
            ("standstill", answer["source"] and answer["source"]["standstill"]),
            ("pending messages", answer["pending_messages"]),
        ]
    )


def _say_champion(champion: dict[str, Any] | None) -> str:
    if champion is None:
        return "none yet"
    return (
        f"version {champion['version']}, trained {say_time(champion['trained_at'])} UTC on "
        f"{champion['rows']} rows (window {champion['window']}), "
        f"{champion['from_event']} to {champion['until_event']}"
    )


def _say_held(answer: dict[str, Any]) -> str | None:
    if not answer["quarantined_rows"] and not answer["quarantined_batches"]:
        return None
    return f"{answer['quarantined_rows']} rows, {answer['quarantined_batches']} whole batches"


def _say_source(source: dict[str, Any] | None) -> str | None:
    if source is None:
        return None
    read = f"read {say_time(source['read_at'])} UTC" if source["read_at"] else "not read yet"
    counts = (
        f"{source['table']}, {read}: {source['new_rows']} new, {source['changed_rows']} changed, "
        f"{source['deleted_rows']} deleted rows"
    )
    return counts + (f"; broken: {source['failure']}" if source["failure"] else "")


def _say_drift(drifted: dict[str, Any] | None) -> str:
    if drifted is None:
        return "not measured yet"
    if drifted["status"] != "measured":
        return say(_UNMEASURED.get(drifted["status"], drifted["status"]))
    found = f"drifted: {say(drifted['features'])}" if drifted["drifted"] else "none"
    return found + ("; the error has drifted" if drifted["error_drifted"] else "")


def _show_all(answers: list[dict[str, Any]]) -> None:
    show_table(
        ("model", "task", "champion", "rows", "batches", "quarantined", "drift", "newest event"),
        [
            (
                answer["model"],
                answer["task"],
                f"version {answer['champion']['version']}" if answer["champion"] else "none yet",
                answer["rows"],
                answer["batches"],
                answer["quarantined_rows"],
                "yes" if answer["last_drift"] and answer["last_drift"]["drifted"] else "no",
                answer["newest_event"],
            )
            for answer in answers
        ],
        empty="No model yet. Make one: ct init NAME --from FILE --target COLUMN",
    )
    for answer in answers:
        source = answer["source"] or {}
        named = f"{answer['model']}, table {source.get('table')}:"
        if source.get("standstill"):
            show_lines([f"{named} {source['standstill']}"])
        if source.get("failure"):
            show_lines([f"{named} broken: {source['failure']}"])


def _show_drift(report: dict[str, Any]) -> None:
    show_facts(
        [
            ("report", f"{report['report_id']}, {say_time(report['measured_at'])} UTC"),
            ("against", f"version {report['version']}" if report.get("version") else "nothing"),
            ("status", _UNMEASURED.get(report["status"], report["status"])),
            ("drifted", report["drifted"]),
            ("rows", _say_windows(report)),
            ("error", _say_error(report.get("error"))),
        ]
    )
    if report.get("features"):
        show_table(
            ("feature", "drifted", "psi", "limit", "test", "p adjusted", "mean shift", "reason"),
            [
                (
                    feature["name"] + (" (target)" if feature["role"] == "target" else ""),
                    feature["drifted"],
                    feature["psi"],
                    feature["psi_threshold"],
                    feature["statistic"],
                    feature["adjusted_p_value"],
                    feature["mean_shift"],
                    feature["reason"],
                )
                for feature in report["features"]
            ],
        )


def _say_windows(report: dict[str, Any]) -> str | None:
    if "n_reference" not in report:
        return None
    return f"{report['n_reference']} in the reference, {report['n_current']} now"


def _say_error(error: dict[str, Any] | None) -> str | None:
    if not error:
        return None
    verdict = "drifted" if error["drifted"] else "not drifted"
    if error["status"] != "measured":
        verdict = _UNMEASURED.get(error["status"], error["status"])
    return (
        f"{verdict}: {error['metric']} {say(error['loss'])} over {error['n_rows']} rows against "
        f"{say(error['reference_loss'])} on the holdout (factor {say(error['factor'])}, "
        f"limit {say(error['factor_threshold'])})"
    )
