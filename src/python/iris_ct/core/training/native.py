"""LightGBM's C library, as far as predictions need it.

``import lightgbm`` also loads pandas and scikit-learn (seconds, and over a hundred megabytes in
every process that predicts); the C library alone loads in milliseconds. The same function does
the arithmetic, so results are equal to ``lightgbm.Booster.predict`` bit for bit.
"""

from __future__ import annotations

import ctypes
import importlib.util
import struct
import threading
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.errors import ConfigError, IncompatibleModelError

_FLOAT64 = 1
_PREDICT_NORMAL, _PREDICT_CONTRIBUTIONS = 0, 3
_LIBRARY_NAMES = ("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll")


class NativeBooster:
    """One model in LightGBM's C library; immutable after loading, usable from any thread.

    Parameters
    ----------
    model_text : str
        LightGBM's native text.

    Raises
    ------
    IncompatibleModelError
        If the text is no model.
    ConfigError
        If the library or the OpenMP runtime below it cannot be loaded.
    """

    def __init__(self, model_text: str) -> None:
        self._model = _Handle("LGBM_BoosterFree")
        rounds = ctypes.c_int()
        _call(
            "LGBM_BoosterLoadModelFromString",
            model_text.encode(),
            ctypes.byref(rounds),
            ctypes.byref(self._model.pointer),
        )
        self.n_columns = self._number("LGBM_BoosterGetNumFeature")
        self.n_outputs = self._number("LGBM_BoosterGetNumClasses")
        self._of_thread = threading.local()

    def predict(self, matrix: NDArray[np.float64], *, threads: int = 1) -> NDArray[np.float64]:
        """Predict rows.

        Parameters
        ----------
        matrix : ndarray of shape (n_rows, n_columns)
            Float64; NaN is missing.
        threads : int
            Threads of this call.

        Returns
        -------
        ndarray of shape (n_rows,) or, for several classes, (n_rows, n_outputs)
            In the unit of the target, or probabilities.
        """
        result = self._of_matrix(matrix, _PREDICT_NORMAL, self.n_outputs, threads)
        return result[:, 0] if self.n_outputs == 1 else result

    def contributions(
        self, matrix: NDArray[np.float64], *, threads: int = 1
    ) -> NDArray[np.float64]:
        """Share out each row's raw score over the columns (TreeSHAP).

        Returns
        -------
        ndarray of shape (n_rows, n_outputs, n_columns + 1)
            The last column is the expected raw score; each row's sum is its raw score: the
            prediction itself for regression, before the logistic or softmax function for classes.

        References
        ----------
        .. [1] Lundberg, Erion and Lee (2018), "Consistent Individualized Feature Attribution for
           Tree Ensembles", arXiv:1802.03888.
        """
        width = self.n_outputs * (self.n_columns + 1)
        result = self._of_matrix(matrix, _PREDICT_CONTRIBUTIONS, width, threads)
        return result.reshape(-1, self.n_outputs, self.n_columns + 1)

    def row(self) -> RowPredictor:
        """Give what predicts single rows in the calling thread; each thread has its own."""
        try:
            return self._of_thread.row  # type: ignore[no-any-return]  # thread locals have no types
        except AttributeError:
            self._of_thread.row = made = RowPredictor(self._model, self.n_columns, self.n_outputs)
            return made

    def predict_row(self, *values: float) -> NDArray[np.float64]:
        """Predict one row of ``n_columns`` numbers: the same as `predict`, many times as fast.

        Returns
        -------
        ndarray of shape (n_outputs,)
        """
        row = self.row()
        row.fill(*values)
        return row.predict().copy()

    def _of_matrix(
        self, matrix: NDArray[np.float64], kind: int, width: int, threads: int
    ) -> NDArray[np.float64]:
        if matrix.ndim != 2 or matrix.shape[1] != self.n_columns:
            raise IncompatibleModelError(
                f"The model has {self.n_columns} columns, the rows have shape {matrix.shape}. "
                "Encode them with the encoding that was saved beside the model."
            )
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        result = np.empty((rows.shape[0], width), dtype=np.float64)
        if rows.shape[0] > 0:
            written = ctypes.c_int64()
            _call(
                "LGBM_BoosterPredictForMat",
                self._model.pointer,
                rows.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_int(_FLOAT64),
                ctypes.c_int32(rows.shape[0]),
                ctypes.c_int32(rows.shape[1]),
                ctypes.c_int(1),
                ctypes.c_int(kind),
                ctypes.c_int(0),
                ctypes.c_int(-1),
                f"num_threads={threads}".encode(),
                ctypes.byref(written),
                result.ctypes.data_as(ctypes.c_void_p),
            )
        return result

    def _number(self, function: str) -> int:
        number = ctypes.c_int()
        _call(function, self._model.pointer, ctypes.byref(number))
        return number.value


class RowPredictor:
    """One thread's way of predicting single rows.

    LightGBM's fast call keeps what it has looked up about the model and its scratch memory in a
    configuration of its own. Each thread has one, so no lock is needed and no row can overwrite
    another's between reading it and predicting it.

    Attributes
    ----------
    fill : callable
        Takes the row's numbers, one argument each; `struct.error` if one is no number or their
        number is wrong, `OverflowError` if an int is too large for a float64.
    cells : ndarray of shape (n_columns,)
        The row, for those who fill it cell by cell.
    """

    def __init__(self, model: _Handle, n_columns: int, n_outputs: int) -> None:
        # Kept as long as this: LightGBM looks into the model at each call.
        self._model = model
        self._config = _Handle("LGBM_FastConfigFree")
        _call(
            "LGBM_BoosterPredictForMatSingleRowFastInit",
            model.pointer,
            ctypes.c_int(_PREDICT_NORMAL),
            ctypes.c_int(0),
            ctypes.c_int(-1),
            ctypes.c_int(_FLOAT64),
            ctypes.c_int32(n_columns),
            b"num_threads=1",
            ctypes.byref(self._config.pointer),
        )
        self.cells: NDArray[np.float64] = np.zeros(n_columns, dtype=np.float64)
        self._result: NDArray[np.float64] = np.zeros(n_outputs, dtype=np.float64)
        self._written = ctypes.c_int64()
        # One call writes all numbers of a row into the memory of ``cells``.
        self.fill = partial(struct.Struct(f"{n_columns}d").pack_into, self.cells.data, 0)
        self._arguments: tuple[Any, ...] = (
            self._config.pointer,
            self.cells.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(self._written),
            self._result.ctypes.data_as(ctypes.c_void_p),
        )
        self._function = _load_library().LGBM_BoosterPredictForMatSingleRowFast

    def predict(self) -> NDArray[np.float64]:
        """Predict the row that was filled in.

        Returns
        -------
        ndarray of shape (n_outputs,)
            The next call writes over it.
        """
        if self._function(*self._arguments) != 0:
            raise _refusal()
        return self._result


class _Handle:
    """Something in LightGBM's memory, given back when nobody holds it any more."""

    def __init__(self, free: str) -> None:
        self._free = getattr(_load_library(), free)
        self.pointer = ctypes.c_void_p()

    def __del__(self) -> None:
        if self.pointer.value is not None:
            self._free(self.pointer)


def _call(function: str, *arguments: Any) -> None:
    if getattr(_load_library(), function)(*arguments) != 0:
        raise _refusal()


def _refusal() -> IncompatibleModelError:
    said = _load_library().LGBM_GetLastError().decode(errors="replace")
    return IncompatibleModelError(
        f"LightGBM refused the model or the rows: {said.splitlines()[0][:200]}"
    )


@cache
def _load_library() -> ctypes.CDLL:
    """Load the C library that the installed ``lightgbm`` package ships."""
    found = importlib.util.find_spec("lightgbm")
    if found is None or found.origin is None:
        raise ConfigError("The package lightgbm is not installed; run 'pip install lightgbm'.")
    home = Path(found.origin).parent
    paths = [home / folder / name for folder in ("lib", "bin") for name in _LIBRARY_NAMES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ConfigError(f"The lightgbm package in {home} lacks its library; reinstall it.")
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise ConfigError(
            "LightGBM's library cannot be loaded, most often because the OpenMP runtime is "
            "missing: install libgomp1 (Debian, Ubuntu) or libgomp (Fedora, RHEL)."
        ) from error
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library
