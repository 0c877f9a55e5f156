"""A proposed specification: usable as it is, and frank about what was guessed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

import polars as pl

from iris_ct.core.errors import SpecificationError
from iris_ct.core.proposal.features import ProposedColumn, guess_feature, same_as_another
from iris_ct.core.proposal.leaks import columns_of, suspicions
from iris_ct.core.proposal.profile import ColumnProfile, profile_columns
from iris_ct.core.proposal.roles import Task, guess_task, guess_time, is_determined, useful_parts
from iris_ct.core.specification import RESERVED_COLUMNS, Specification, parse_specification


@dataclass(frozen=True)
class Proposal:
    """What ``ct init`` proposes.

    Attributes
    ----------
    content : mapping
        As ``models/<name>.toml`` says it, without the name.
    columns : tuple of ProposedColumn
        Every column of the file that has no other role: as a feature, or why not.
    reasons : mapping
        Why a key of the content has its value, by key.
    notes : tuple of str
        What was guessed, for a person.
    warnings : tuple of str
        What a person should look at before the first training.
    suspects : tuple of str
        Columns that may leak the target; none of them is left out without being asked.
    n_rows : int
        Rows looked at.
    """

    name: str
    content: Mapping[str, Any]
    columns: tuple[ProposedColumn, ...]
    reasons: Mapping[str, str]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    suspects: tuple[str, ...]
    n_rows: int

    def specification(self) -> Specification:
        """Give the proposal as a checked specification."""
        return parse_specification(
            {"name": self.name, **self.content}, source=f"The proposal of {self.name}"
        )


@dataclass(frozen=True)
class _Roles:
    """Columns that a person named."""

    target: str
    time: str | None
    key: tuple[str, ...]
    group: str | None
    exclude: frozenset[str]


def propose(
    frame: pl.DataFrame,
    *,
    name: str,
    target: str,
    task: str | None = None,
    time: str | None = None,
    key: Sequence[str] = (),
    group: str | None = None,
    exclude: Collection[str] = (),
    time_zone: str = "UTC",
) -> Proposal:
    """Propose a specification from a sample of rows.

    Parameters
    ----------
    frame : DataFrame of n rows
        A sample in the order of the file, as text or in the file's own types.
    name, target : str
        The model's name; the column to predict.
    task, time, key, group : optional
        What a person decided; guessed otherwise, except key and group, which are never guessed.
    exclude : collection of str
        Columns that must not become features.

    Returns
    -------
    Proposal

    Raises
    ------
    SpecificationError
        If a named column is not in the file, or the target cannot be learned.
    """
    roles = _Roles(target, time, tuple(key), group, frozenset(exclude))
    _check_named(roles, frame.columns)
    profiles = profile_columns(frame, time_zone=time_zone)
    truth = profiles[target]
    chosen_task, why_task = _task(task, truth)
    when, why_time = _time(time, profiles, roles)
    columns = _columns(profiles, roles, when, time_zone)
    features = {
        c.name: c.kind if not c.parts else {"kind": c.kind, "parts": list(c.parts)}
        for c in columns
        if c.kind is not None
    }
    if not features:
        raise SpecificationError(
            f"No column of the file is left as a feature of {target}. Exclude fewer columns."
        )
    content: dict[str, Any] = {"task": chosen_task, "target": target}
    reasons = {"task": why_task, "event_time": why_time}
    if chosen_task == "binary":
        content["positive"], reasons["positive"] = _positive(truth)
    if roles.key:
        content["key"] = list(roles.key)
    if when is not None:
        content |= {"event_time": when, "time_zone": time_zone}
        reasons["time_zone"] = (
            "only for times that say no zone"
            if profiles[when].has_zone
            else "assumed: the times say no zone"
        )
    if group is not None:
        content["group"] = group
    content["features"] = features
    leaks = suspicions(
        truth, {c.name: profiles[c.name] for c in columns if c.kind}, task=chosen_task
    )
    return Proposal(
        name=name,
        content=content,
        columns=columns,
        reasons=reasons,
        notes=_notes(content, reasons, columns),
        warnings=(
            *_role_warnings(truth, profiles, roles, when),
            *(f"{' and '.join(leak.columns)}: {leak.why}" for leak in leaks),
        ),
        suspects=columns_of(leaks),
        n_rows=frame.height,
    )


def _check_named(roles: _Roles, columns: Sequence[str]) -> None:
    named = [roles.target, *roles.key, *roles.exclude, *filter(None, (roles.time, roles.group))]
    unknown = sorted({column for column in named if column not in columns})
    if unknown:
        folded = {column.casefold(): column for column in columns}
        close = [c for u in unknown for c in get_close_matches(u.casefold(), list(folded), n=1)]
        meant = f" Perhaps you meant {', '.join(folded[c] for c in close)}." if close else ""
        raise SpecificationError(
            f"The file has no column {', '.join(unknown)}.{meant} It has: {', '.join(columns)}."
        )
    if twice := roles.exclude & {roles.target, *roles.key, roles.time or "", roles.group or ""}:
        raise SpecificationError(f"{', '.join(sorted(twice))} is excluded and has a role as well.")


def _task(given: str | None, target: ColumnProfile) -> tuple[Task, str]:
    guessed, why = guess_task(target)
    if given is None or given == guessed:
        return guessed, why if given is None else "as asked"
    for task in get_args(Task):
        if task == given:
            if task == "regression" and target.nature != "number":
                raise SpecificationError(
                    f"The target {target.name} holds texts; regression needs numbers."
                )
            if task == "binary":
                raise SpecificationError(
                    f"The target {target.name} has {target.n_distinct} values; binary needs two."
                )
            return task, "as asked"
    raise SpecificationError(f"task = {given!r}: expected one of {', '.join(get_args(Task))}.")


def _time(
    given: str | None, profiles: Mapping[str, ColumnProfile], roles: _Roles
) -> tuple[str | None, str]:
    if given is None:
        free = {n: p for n, p in profiles.items() if n != roles.target and n not in roles.exclude}
        found, why, _ = guess_time(free)
        return found, why
    if profiles[given].nature != "time":
        raise SpecificationError(
            f"The column {given} cannot be the event time: it holds {profiles[given].nature} "
            "values; expected dates or times as ISO 8601 writes them. Without an event time the "
            "order of arrival is the time."
        )
    return given, "as asked"


def _columns(
    profiles: Mapping[str, ColumnProfile], roles: _Roles, when: str | None, time_zone: str
) -> tuple[ProposedColumn, ...]:
    proposed: list[ProposedColumn] = []
    kept: dict[str, ColumnProfile] = {}
    with_role = {roles.target, *roles.key, roles.group}
    for name, profile in profiles.items():
        if name in with_role or name == when:
            continue
        if name in roles.exclude:
            column = ProposedColumn(name, None, "as asked")
        elif name in RESERVED_COLUMNS or name.startswith(("_place", "_reasons", "_ragged")):
            column = ProposedColumn(name, None, "a column of the product itself")
        else:
            follows = when is not None and _follows(profile, profiles[when])
            why = f"times that follow from {when}"
            guessed = ProposedColumn(name, None, why) if follows else guess_feature(profile)
            column = same_as_another(profile, kept) or guessed
        if column.kind is not None:
            kept[name] = profile
        proposed.append(column)
    if when is None:
        return tuple(proposed)
    parts, said = useful_parts(profiles[when], list(kept.values()), time_zone=time_zone)
    why = ", ".join(f"{column} says the {part}" for column, part in said.items())
    if parts:
        proposed.insert(0, ProposedColumn(when, "datetime", why, parts))
    return tuple(proposed)


def _follows(column: ColumnProfile, time: ColumnProfile) -> bool:
    return column.nature == "time" and is_determined(column, by=time)


def _positive(target: ColumnProfile) -> tuple[str, str]:
    if target.nature == "boolean":
        return "true", "the class whose probability is given"
    texts = target.values.drop_nulls()
    if target.nature == "number":
        texts = texts.cast(pl.Int64 if target.whole else pl.Float64).cast(pl.String)
    return str(texts.max()), "the class whose probability is given: the last in sorted order"


def _notes(
    content: Mapping[str, Any], reasons: Mapping[str, str], columns: Sequence[ProposedColumn]
) -> tuple[str, ...]:
    kept = [column for column in columns if column.kind is not None]
    notes = [
        f"task {content['task']}: {reasons['task']}",
        f"event time {content.get('event_time', 'none')}: {reasons['event_time']}",
    ]
    notes += [
        f"{key} {content[key]}: {reasons[key]}"
        for key in ("positive", "time_zone")
        if key in content
    ]
    notes.append(f"{len(kept)} features of {len(columns)} columns without another role")
    notes += [f"{c.name} is left out: {c.why}" for c in columns if c.kind is None]
    return tuple(notes)


def _role_warnings(
    target: ColumnProfile,
    profiles: Mapping[str, ColumnProfile],
    roles: _Roles,
    when: str | None,
) -> list[str]:
    said = []
    if target.n_missing:
        said.append(
            f"{target.name}: missing in {target.n_missing} of {len(target.values)} rows; they are "
            "predicted, and train once their labels arrive"
        )
    for name in dict.fromkeys((*roles.key, *filter(None, (roles.group, when)))):
        if profiles[name].n_missing:
            said.append(
                f"{name}: missing in {profiles[name].n_missing} rows, which will be quarantined"
            )
    if roles.key:
        keys = pl.DataFrame([profiles[name].values for name in roles.key]).drop_nulls()
        if repeated := keys.height - keys.n_unique():
            said.append(
                f"{', '.join(roles.key)}: {repeated} rows repeat the key of an earlier row; the "
                "later row replaces it (on_duplicate)"
            )
    if when is not None and not profiles[when].is_ordered:
        said.append(f"{when}: the file is not in its order; rows are put in order when they train")
    return said
