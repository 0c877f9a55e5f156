"""A new model file: proposed from a sample of rows, or taken over from an MLflow run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iris_ct.adapters.durable import write_whole
from iris_ct.adapters.registry.runs import ImportedRun, read_run
from iris_ct.adapters.sources.model_files import model_path, read_model_file
from iris_ct.adapters.sources.model_toml import proposal_toml, specification_toml, write_text
from iris_ct.adapters.sources.sample import sample_rows
from iris_ct.bootstrap import Parts
from iris_ct.core.errors import ConfigError, DataError, SpecificationError
from iris_ct.core.proposal import Proposal, propose
from iris_ct.core.specification import Feature, Specification, parse_specification
from iris_ct.procedures.door import Answer


@dataclass(frozen=True)
class Wanted:
    """What a person said about the new model; the rest is guessed."""

    target: str | None = None
    task: str | None = None
    time: str | None = None
    key: tuple[str, ...] = ()
    group: str | None = None
    exclude: tuple[str, ...] = ()


def init(
    parts: Parts,
    name: str,
    *,
    source: Path | None = None,
    run_id: str | None = None,
    target: str | None = None,
    task: str | None = None,
    time: str | None = None,
    key: Sequence[str] = (),
    group: str | None = None,
    exclude: Sequence[str] = (),
    overwrite: bool = False,
) -> Answer:
    """Write ``models/<name>.toml`` from a sample of a file, an MLflow run, or both.

    Parameters
    ----------
    source : Path or None
        CSV, gzip CSV or Parquet with rows of the model.
    run_id : str or None
        A data scientist's run: features, types, parameters, target and lineage come from it.

    Raises
    ------
    ConfigError
        If the file is there already and ``overwrite`` is not set, or too little was said.
    SpecificationError
        If a named column is not in the file, or a value is not allowed.
    """
    path = model_path(parts.settings.models_dir, name)
    if path.exists() and not overwrite:
        raise ConfigError(
            f"{path} exists already and is left as it is. Choose another name, or say --force."
        )
    if source is not None and not source.is_file():
        raise DataError(f"No such file: {source}. No model file was written.")
    wanted = Wanted(target, task, time, tuple(key), group, tuple(exclude))
    if run_id is not None:
        run = read_run(
            parts.settings.tracking_uri, run_id, timeout_s=parts.settings.mlflow_timeout_s
        )
        drafted = _from_run(name, run, source, wanted)
    elif source is not None:
        drafted = _from_file(name, source, wanted)
    else:
        raise ConfigError("Say where the model comes from: --from FILE, or --from-run RUN_ID.")
    spec = _write(parts.settings.models_dir, path, name, drafted.text, overwrite=overwrite)
    return {
        "model": name,
        "file": str(path),
        "task": spec.task,
        "target": spec.target,
        "event_time": spec.event_time,
        "key": list(spec.key),
        "features": list(spec.feature_names),
        "notes": list(drafted.notes),
        "warnings": list(drafted.warnings),
        "suspects": list(drafted.suspects),
        "lineage": dict(drafted.lineage),
    }


@dataclass(frozen=True)
class _Draft:
    text: str
    notes: Sequence[str]
    warnings: Sequence[str]
    suspects: Sequence[str]
    lineage: Mapping[str, str]


def _from_file(name: str, source: Path, wanted: Wanted) -> _Draft:
    proposal, looked_at = _propose(name, source, wanted)
    proposal.specification()
    text = proposal_toml(proposal, source=looked_at)
    return _Draft(text, proposal.notes, proposal.warnings, proposal.suspects, {})


def _propose(name: str, source: Path, wanted: Wanted) -> tuple[Proposal, str]:
    if wanted.target is None:
        raise ConfigError("Say which column is to be predicted: --target COLUMN.")
    sample = sample_rows(source)
    proposal = propose(
        sample.frame,
        name=name,
        target=wanted.target,
        task=wanted.task,
        time=wanted.time,
        key=wanted.key,
        group=wanted.group,
        exclude=wanted.exclude,
    )
    return proposal, f"{sample.description} of {source.name}"


def _from_run(name: str, run: ImportedRun, source: Path | None, wanted: Wanted) -> _Draft:
    """Take what the run says; a file beside it tells times, and columns that leak the target."""
    target = wanted.target or run.target
    if target is None:
        raise ConfigError(f"{' '.join(run.notes)} Say --target COLUMN.")
    features = [f for f in run.features if f.name not in {target, *wanted.exclude}]
    content: dict[str, Any] = {"task": wanted.task or run.task, "target": target}
    notes, warnings, suspects = list(run.notes), [], []
    if source is not None:
        said = Wanted(
            target, content["task"], wanted.time, wanted.key, wanted.group, wanted.exclude
        )
        proposal, looked_at = _propose(name, source, said)
        _check_columns(run, features, proposal, source)
        content |= {k: v for k, v in proposal.content.items() if k != "features"}
        names = {feature.name for feature in features}
        suspects = [column for column in proposal.suspects if column in names]
        notes.append(f"Key, event time and warnings come from {looked_at}.")
        warnings = list(proposal.warnings)
    else:
        content |= {"key": list(wanted.key) or None, "event_time": wanted.time}
        content["group"] = wanted.group
    if content["task"] is None:
        raise ConfigError(f"{' '.join(run.notes)} Say --task regression, binary or multiclass.")
    content = {key: said for key, said in content.items() if said is not None}
    content["features"] = {feature.name: _feature(feature) for feature in features}
    content["training"] = _training(run)
    content = {key: said for key, said in content.items() if said != {}}
    parse_specification({"name": name, **content}, source=f"The proposal of {name}")
    comments = [
        f'Model "{name}": taken over from an MLflow run. All keys: docs/models.md.',
        *(f"{key}: {said}" for key, said in run.lineage.items()),
        *notes,
        *(f"To look at: {warning}" for warning in warnings),
    ]
    text = specification_toml(content, comments=comments)
    return _Draft(text, notes, warnings, suspects, run.lineage)


def _check_columns(
    run: ImportedRun, features: Sequence[Feature], proposal: Proposal, source: Path
) -> None:
    said = proposal.content
    roles = (said.get("event_time"), said.get("group"), *said.get("key", ()))
    there = {*(column.name for column in proposal.columns), *roles}
    absent = [feature.name for feature in features if feature.name not in there]
    if absent:
        raise SpecificationError(
            f"{source.name} lacks {len(absent)} of {len(features)} input columns of run "
            f"{run.lineage.get('run_id', '')}: {', '.join(absent)}. Give a file with the run's "
            "columns, or leave columns out with --exclude."
        )


def _feature(feature: Feature) -> Any:
    said = feature.model_dump(mode="json", exclude_defaults=True, exclude={"name"})
    return said["kind"] if len(said) == 1 else said


def _training(run: ImportedRun) -> dict[str, Any]:
    said = {"parameters": dict(run.parameters), "rounds": run.rounds, "seed": run.seed}
    return {key: value for key, value in said.items() if value not in (None, {})}


def _write(folder: Path, path: Path, name: str, text: str, *, overwrite: bool) -> Specification:
    if not overwrite:
        return write_text(folder, name, text)[1]
    folder.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as file:
        file.write(text.encode())
    return read_model_file(path)
