"""Predictions of one model, from its text and its encoding; needs neither MLflow nor pandas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.errors import IncompatibleModelError
from iris_ct.core.evaluation.losses import CLASS_PREFIX
from iris_ct.core.specification import Specification
from iris_ct.core.training.encoding import FeatureEncoding
from iris_ct.core.training.native import NativeBooster

if TYPE_CHECKING:
    import polars as pl

# Below it threads cost more than they save, and on a busy machine many times as much.
MANY_ROWS = 10_000

# What LightGBM takes for "as many as there are".
_ALL_THREADS = 0


class Predictor:
    """One loaded model; immutable, so that any number of threads may share it.

    Parameters
    ----------
    model_text : str
        LightGBM's native text (``model.txt``).
    encoding : FeatureEncoding
        What was saved beside it (``encoding.json``).
    specification : Specification
        The one the model was trained with.
    threads : int, optional
        Threads of one call. Default one for few rows, and from `MANY_ROWS` rows on all that
        OpenMP gives (``OMP_NUM_THREADS``, else every core).

    Raises
    ------
    IncompatibleModelError
        If text, encoding and specification do not belong together.
    """

    def __init__(
        self,
        model_text: str,
        encoding: FeatureEncoding,
        specification: Specification,
        *,
        threads: int | None = None,
    ) -> None:
        self.booster = NativeBooster(model_text)
        self.encoding = encoding
        self.task = specification.task
        self.threads = threads
        self.positive = positive_class(specification, encoding.classes)
        self._check(specification)

    def predict(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Predict rows.

        Parameters
        ----------
        frame : polars.DataFrame
            At least the declared features, typed as in a snapshot.

        Returns
        -------
        polars.DataFrame
            One row for each row of ``frame``, in its order. Regression: ``prediction``
            (float64). Binary: ``prediction`` (class label) and ``probability`` (of
            `positive`). Multiclass: ``prediction`` and one ``probability_<class>`` for each
            class of the training rows, in sorted order.

        Raises
        ------
        IncompatibleModelError
            If columns are missing or of another kind.
        """
        return self.predict_matrix(self.encoding.encode(frame))

    def predict_matrix(self, matrix: NDArray[np.float64]) -> pl.DataFrame:
        """Predict rows that are encoded already; see `predict`."""
        import polars as pl

        threads = self.threads
        if threads is None:
            threads = 1 if len(matrix) < MANY_ROWS else _ALL_THREADS
        output = self.booster.predict(matrix, threads=threads)
        if self.task == "regression":
            return pl.DataFrame({"prediction": output})
        if self.task == "binary":
            negative = next(c for c in self.encoding.classes if c != self.positive)
            labels = np.array([negative, self.positive])[(output >= 0.5).astype(np.intp)]
            return pl.DataFrame(
                {"prediction": pl.Series(labels, dtype=pl.String), "probability": output}
            )
        classes = np.array(self.encoding.classes)
        labels = classes[output.argmax(axis=1)]
        return pl.DataFrame(
            {"prediction": pl.Series(labels, dtype=pl.String)}
            | {f"{CLASS_PREFIX}{name}": output[:, i] for i, name in enumerate(classes)}
        )

    def probabilities(self, predictions: pl.DataFrame) -> dict[str, float] | None:
        """Give the probability of each class for the first of `predict`'s rows.

        None for regression.
        """
        if self.task == "regression":
            return None
        if self.task == "binary":
            positive = float(predictions["probability"][0])
            of_class = dict.fromkeys(self.encoding.classes, 1.0 - positive)
            return of_class | {str(self.positive): positive}
        return {
            label: float(predictions[f"{CLASS_PREFIX}{label}"][0])
            for label in self.encoding.classes
        }

    def _check(self, specification: Specification) -> None:
        names = tuple(feature.name for feature in self.encoding.features)
        if names != specification.feature_names:
            raise IncompatibleModelError(
                f"The encoding has {len(names)} features, the specification of model "
                f"{specification.name!r} has {len(specification.feature_names)}, or their order "
                "differs. Load the specification that the model version was trained with."
            )
        n_classes = {"regression": 0, "binary": 2}.get(self.task, self.booster.n_outputs)
        if (
            len(self.encoding.columns) != self.booster.n_columns
            or len(self.encoding.classes) != n_classes
        ):
            raise IncompatibleModelError(
                f"The model text has {self.booster.n_columns} columns and "
                f"{self.booster.n_outputs} outputs; the encoding has "
                f"{len(self.encoding.columns)} columns and {len(self.encoding.classes)} classes. "
                "Load model.txt and encoding.json of one version."
            )


def positive_class(specification: Specification, classes: tuple[str, ...]) -> str | None:
    """Give the class that ``probability`` belongs to: the named one, or the last when sorted."""
    if specification.task != "binary":
        return None
    return specification.positive or (classes[-1] if classes else None)
