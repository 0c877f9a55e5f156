"""LightGBM's C library against LightGBM's own package."""

import struct
from concurrent.futures import ThreadPoolExecutor

import lightgbm as lgb
import numpy as np
import pytest
from tests.unit.core.scoring.models import fitted

from iris_ct.core.errors import IncompatibleModelError
from iris_ct.core.specification import Task
from iris_ct.core.training.native import NativeBooster


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_single_rows_equal_lightgbm_bit_for_bit(task: Task) -> None:
    model = fitted(task)
    booster, theirs = NativeBooster(model.text), model.theirs[0]
    matrix = model.encoding.encode(model.frame)
    matrix[5] = np.nan
    theirs = np.asarray(lgb.Booster(model_str=model.text).predict(matrix, num_threads=1))
    ours = np.array([booster.predict_row(*row) for row in matrix.tolist()])
    assert np.array_equal(ours.reshape(theirs.shape), theirs)
    assert np.array_equal(booster.predict(matrix, threads=2), theirs)


def test_a_row_of_another_length_or_kind_is_refused() -> None:
    booster = NativeBooster(fitted().text)
    with pytest.raises(struct.error):
        booster.predict_row(1.0)
    with pytest.raises(struct.error):
        booster.predict_row(*["1"] * booster.n_columns)  # type: ignore[arg-type]  # no numbers
    with pytest.raises(IncompatibleModelError, match="columns"):
        booster.predict(np.ones((1, 2)))
    with pytest.raises(IncompatibleModelError, match="refused"):
        NativeBooster("no model")


def test_each_thread_has_its_own_row_which_outlives_the_booster() -> None:
    booster = NativeBooster(fitted().text)
    expected = booster.predict_row(*[1.0] * booster.n_columns)[0]
    mine = booster.row()
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(booster.row).result()
    assert mine is booster.row()
    assert other is not mine
    n_columns = booster.n_columns
    del booster
    for row in (mine, other):
        row.fill(*[1.0] * n_columns)
        assert row.predict()[0] == expected
