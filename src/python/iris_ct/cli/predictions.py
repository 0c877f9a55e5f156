"""The verb ``predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from iris_ct.cli.options import OPTIONS, Options
from iris_ct.cli.progress import working
from iris_ct.cli.rendering import show_json, show_lines


def predict(
    name: str,
    /,
    *,
    in_: Annotated[Path, Parameter(name="--in")],
    out: Path,
    options: Options = OPTIONS,
) -> int:
    """Predict the rows of a file with the serving version.

    Writes key, prediction and model_version; for two classes also the probability, for more
    one probability a class. All rows are predicted, or nothing is written.

    Parameters
    ----------
    name
        The model.
    in_
        CSV, gzip CSV or Parquet file with the model's key, time and features.
    out
        File to write: .csv or .parquet.
    """
    from iris_ct import procedures

    parts = options.parts()
    with working(f"{name}: predicting {in_.name}"):
        answer = procedures.predict(parts, name, in_, out)
    if options.json:
        show_json(answer)
    else:
        show_lines(
            [f"{answer['rows']} rows predicted by version {answer['model_version']}: {out}"]
        )
    return 0
