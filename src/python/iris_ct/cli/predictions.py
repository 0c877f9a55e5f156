"""The verb ``predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from iris_ct.cli.options import OPTIONS, Options
from iris_ct.cli.progress import working
from iris_ct.cli.rendering import show_facts, show_json, show_lines


def predict(
    name: str,
    /,
    *,
    in_: Annotated[Path | None, Parameter(name="--in")] = None,
    out: Path | None = None,
    row: str | None = None,
    batch: str | None = None,
    options: Options = OPTIONS,
) -> int:
    """Predict a file, one row, a stored batch or a table with the serving version.

    Of a file: writes key, prediction and model_version; for two classes also the probability,
    for more one probability a class. All rows are predicted, or nothing is written. Every
    prediction is logged.

    Parameters
    ----------
    name
        The model.
    in_
        CSV, gzip CSV or Parquet file with the model's key, time and features.
    out
        With --in: file to write, .csv or .parquet.
    row
        Key of a stored row, or a JSON object with the features; missing ones count as null.
    batch
        Id of a stored batch, or a table that the model file lists, into the prediction log.
    """
    from iris_ct import procedures
    from iris_ct.core.errors import ConfigError

    asked = [said for said in (in_, row, batch) if said is not None]
    if len(asked) != 1 or (in_ is None) != (out is None):
        raise ConfigError(
            "Say one of: --in FILE --out FILE, --row KEY_OR_JSON, --batch BATCH_OR_TABLE."
        )
    parts = options.parts()
    if row is not None:
        answer = procedures.predict_row(parts, name, row)
        return _show(answer, _say_row(answer), options)
    if batch is not None:
        with working(f"{name}: predicting {batch}"):
            answer = procedures.predict_batch(parts, name, batch)
        words = f"into the log as request {answer['request_id']}"
    elif in_ is not None and out is not None:
        with working(f"{name}: predicting {in_.name}"):
            answer = procedures.predict(parts, name, in_, out)
        words = str(out)
    told = f"{answer['rows']} rows predicted by version {answer['model_version']}: {words}"
    return _show(answer, [("", told)], options)


def _say_row(answer: dict[str, Any]) -> list[tuple[str, object]]:
    return [
        ("prediction", answer["prediction"]),
        ("probabilities", answer["probabilities"]),
        ("version", answer["model_version"]),
        ("key", answer["key"]),
        ("request", answer["request_id"]),
    ]


def _show(answer: dict[str, Any], words: list[tuple[str, object]], options: Options) -> int:
    if options.json:
        show_json(answer)
    elif len(words) == 1:
        show_lines([str(words[0][1])])
    else:
        show_facts(words)
    return 0
