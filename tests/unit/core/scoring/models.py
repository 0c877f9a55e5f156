"""Small fitted models, the way they predict files, and their scorers."""

from dataclasses import dataclass
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl
from tests.training_tables import parcels, specification, table_of

from iris_ct.core.scoring.scorer import Scorer
from iris_ct.core.scoring.signature import signature_of
from iris_ct.core.specification import Specification, Task
from iris_ct.core.training.encoding import FeatureEncoding
from iris_ct.core.training.lightgbm_trainer import fit
from iris_ct.core.training.predictor import Predictor

N_ROWS = 400


@dataclass(frozen=True)
class Fitted:
    """A model of `tests.training_tables.parcels` and the rows it was fitted on."""

    specification: Specification
    encoding: FeatureEncoding
    text: str
    frame: pl.DataFrame

    @property
    def scorer(self) -> Scorer:
        return Scorer(self.text, signature_of(self.specification, self.encoding, 3))

    @property
    def by_file(self) -> pl.DataFrame:
        return Predictor(self.text, self.encoding, self.specification).predict(self.frame)

    @property
    def theirs(self) -> Any:
        """What LightGBM's own package predicts, and shares out."""
        matrix = self.encoding.encode(self.frame)
        booster = lgb.Booster(model_str=self.text)
        return (
            np.asarray(booster.predict(matrix, num_threads=1)),
            np.asarray(booster.predict(matrix, num_threads=1, pred_contrib=True)),
        )

    def rows(self) -> list[dict[str, Any]]:
        """Give the rows as JSON would."""
        shown = self.frame.select(
            *("size", "heavy", "colour"), pl.col("sent").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        return shown.to_dicts()


def fitted(task: Task = "regression", **said: Any) -> Fitted:
    specified, frame = specification(task, **said), parcels(N_ROWS, task=task)
    table = table_of(frame, specified, np.ones(N_ROWS))
    made = fit(table, np.arange(N_ROWS), specified, rounds=15)
    return Fitted(specified, table.encoding, made.model_text, frame)
