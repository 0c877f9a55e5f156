"""The golden exchanges of tests/golden/wire: each says where its values come from."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np

from iris_ct.core.scoring.inputs import Inputs, Outputs
from iris_ct.core.wire.exchange import Contributions

FOLDER = Path(__file__).parents[3] / "golden" / "wire"


def names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return loaded


def body_of(part: dict[str, Any]) -> bytes:
    if "base64" in part:
        return base64.b64decode(part["base64"])
    text: str = part["text"] if "text" in part else json.dumps(part["json"])
    return text.encode()


def outputs_of(said: dict[str, Any]) -> Outputs:
    if "classes" not in said:
        return Outputs(np.array(said["prediction"], dtype=np.float64))
    return Outputs(said["prediction"], np.array(said["probabilities"]), tuple(said["classes"]))


def contributions_of(said: dict[str, Any]) -> Contributions | None:
    if "contributions" not in said:
        return None
    given = said["contributions"]
    return Contributions(tuple(given["names"]), np.array(given["values"]))


def cells_of(inputs: Inputs) -> dict[str, Any]:
    """Give rows alike, however they are held; a missing number is None."""
    if inputs.columns is not None:
        columns = [
            values.tolist() if isinstance(values, np.ndarray) else list(values)
            for values in inputs.columns.values()
        ]
        return {
            "names": list(inputs.columns),
            "cells": [list(row) for row in zip(*columns, strict=True)],
        }
    rows: Any = inputs.rows
    if inputs.matrix is not None:
        rows = [[None if cell != cell else cell for cell in row] for row in inputs.matrix.tolist()]
    names = None if inputs.names is None else list(inputs.names)
    return {"names": names, "cells": [list(row) for row in rows]}
