"""The demo's home: the example's model file, and its rows cut into one file a month."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

import iris_ct
from iris_ct.core.errors import ConfigError, IntegrityError

MODEL = "bikes"

# `sha256` of examples/bike_sharing/hour.csv, as its README says.
DATA_DIGEST = "2065cbe37c9230fb07395200e18be3eb1b96018881e71923c1576e3be7c5baed"

_EXAMPLE = Path("examples") / "bike_sharing"


@dataclass(frozen=True)
class MonthFile:
    """The rows of one month as a file; ``month`` is written ``2011-01``."""

    month: str
    path: Path


def example_directory() -> Path:
    """Find ``examples/bike_sharing`` of this checkout, or below the working directory.

    Raises
    ------
    ConfigError
        If there is none; says where it was looked for.
    """
    roots = [Path(iris_ct.__file__).resolve().parents[3], Path.cwd()]
    for root in roots:
        if (root / _EXAMPLE / "hour.csv").is_file():
            return root / _EXAMPLE
    places = " and ".join(str(root / _EXAMPLE) for root in roots)
    raise ConfigError(
        f"The demo's data is missing: expected hour.csv in {places}. It is part of the source "
        "checkout, not of the installed package; start 'ct demo' in the checkout."
    )


def prepare_home(home: Path, *, n_months: int) -> list[MonthFile]:
    """Copy the example into an empty home and cut its first months.

    Parameters
    ----------
    home : Path
        Made if need be. ``models/bikes.toml`` and ``demo/months/*.csv`` are written below it.
    n_months : int
        How many months, from the first one on; 24 at most.

    Raises
    ------
    ConfigError
        If the home holds anything already.
    IntegrityError
        If the data is not the published file.
    """
    if home.exists() and any(home.iterdir()):
        raise ConfigError(
            f"{home} is not empty and is left as it is. The demo needs a directory of its own; "
            "name one that does not exist yet."
        )
    example = example_directory()
    _check_digest(example / "hour.csv")
    (home / "models").mkdir(parents=True)
    shutil.copyfile(example / "models" / f"{MODEL}.toml", home / "models" / f"{MODEL}.toml")
    return _cut_months(example / "hour.csv", home / "demo" / "months")[:n_months]


@contextmanager
def environment(home: Path) -> Iterator[None]:
    """Let every setting that names a place point into the home, for the time of the block.

    The demo must not write into the store or the MLflow server that someone's environment or
    ``.env`` names.
    """
    own = {
        "CT_HOME": str(home),
        "CT_MODELS": str(home / "models"),
        "CT_STORE_URL": "",
        "MLFLOW_TRACKING_URI": "",
    }
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    try:
        yield
    finally:
        for name, text in before.items():
            if text is None:
                del os.environ[name]
            else:
                os.environ[name] = text


def _check_digest(path: Path) -> None:
    from hashlib import sha256

    found = sha256(path.read_bytes()).hexdigest()
    if found != DATA_DIGEST:
        raise IntegrityError(
            f"{path} is not the published file: expected SHA-256 {DATA_DIGEST}, found {found}. "
            "Restore it, for example with 'git checkout -- examples'."
        )


def _cut_months(source: Path, folder: Path) -> list[MonthFile]:
    folder.mkdir(parents=True)
    rows = pl.read_csv(source, infer_schema=False)
    month = pl.col("observed_at").str.slice(0, 7)
    files = []
    for name in rows.select(month.unique().sort()).to_series():
        path = folder / f"{name}.csv"
        rows.filter(month == name).write_csv(path)
        files.append(MonthFile(name, path))
    return files
