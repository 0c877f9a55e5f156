"""LightGBM's C library, as far as predictions need it.

``import lightgbm`` also loads pandas and scikit-learn (seconds, and over a hundred megabytes in
every process that predicts); the C library alone loads in milliseconds. The same function does
the arithmetic, so results are equal to ``lightgbm.Booster.predict`` bit for bit.
"""

from __future__ import annotations

import ctypes
import importlib.util
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iris_ct.core.errors import ConfigError, IncompatibleModelError

_FLOAT64 = 1
_PREDICT_NORMAL = 0
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
        self._library = _load_library()
        self._handle = ctypes.c_void_p()
        rounds = ctypes.c_int()
        self._call(
            self._library.LGBM_BoosterLoadModelFromString(
                model_text.encode(), ctypes.byref(rounds), ctypes.byref(self._handle)
            )
        )
        self.n_columns = self._number("LGBM_BoosterGetNumFeature")
        self.n_outputs = self._number("LGBM_BoosterGetNumClasses")

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
        if matrix.ndim != 2 or matrix.shape[1] != self.n_columns:
            raise IncompatibleModelError(
                f"The model has {self.n_columns} columns, the rows have shape {matrix.shape}. "
                "Encode them with the encoding that was saved beside the model."
            )
        rows = np.ascontiguousarray(matrix, dtype=np.float64)
        result = np.empty(rows.shape[0] * self.n_outputs, dtype=np.float64)
        if rows.shape[0] > 0:
            written = ctypes.c_int64()
            self._call(
                self._library.LGBM_BoosterPredictForMat(
                    self._handle,
                    rows.ctypes.data_as(ctypes.c_void_p),
                    ctypes.c_int(_FLOAT64),
                    ctypes.c_int32(rows.shape[0]),
                    ctypes.c_int32(rows.shape[1]),
                    ctypes.c_int(1),
                    ctypes.c_int(_PREDICT_NORMAL),
                    ctypes.c_int(0),
                    ctypes.c_int(-1),
                    f"num_threads={threads}".encode(),
                    ctypes.byref(written),
                    result.ctypes.data_as(ctypes.POINTER(ctypes.c_double)),
                )
            )
        return result if self.n_outputs == 1 else result.reshape(-1, self.n_outputs)

    def __del__(self) -> None:
        """Give LightGBM's memory back."""
        handle = getattr(self, "_handle", None)
        if handle:
            self._library.LGBM_BoosterFree(handle)

    def _number(self, function: str) -> int:
        number = ctypes.c_int()
        self._call(getattr(self._library, function)(self._handle, ctypes.byref(number)))
        return number.value

    def _call(self, status: int) -> None:
        if status != 0:
            said = self._library.LGBM_GetLastError().decode(errors="replace")
            raise IncompatibleModelError(
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
