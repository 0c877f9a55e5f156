"""What holds of the gate for any data: identity, monotony, and its error rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.training_tables import HOUR, specification

from iris_ct.core.dataset.batch import POSITION
from iris_ct.core.dataset.split import JUDGE, assign_roles
from iris_ct.core.evaluation.comparison import paired_blocks
from iris_ct.core.gate.promotion import Verdict, judge
from iris_ct.core.policy import GatePolicy

RANK = {"reject": 0, "hold": 1, "promote": 2}
SEEDS = st.integers(0, 10_000)


def contest(seed: int, shift: float, *, is_refresh: bool, **gate: Any) -> Verdict:
    """Two models with noisy errors; the challenger's are larger by ``shift``."""
    rng = np.random.default_rng(seed)
    n = 300
    truth = rng.normal(size=n)
    rows = pl.DataFrame(
        {
            POSITION: np.arange(n, dtype=np.int64) * HOUR,
            "heavy": rng.random(n) < 0.5,
            "cost": truth,
        }
    )
    old = pl.DataFrame({"prediction": truth + rng.normal(1.0, 0.3, n)})
    new = pl.DataFrame({"prediction": truth + rng.normal(1.0, 0.3, n) * (1 + shift)})
    return judge(
        specification=specification(gate=gate),
        rows=rows,
        challenger=new,
        champion=old,
        baseline={},
        is_refresh=is_refresh,
        reused=False,
    )


@settings(max_examples=25)
@given(seed=SEEDS, shift=st.floats(-0.2, 0.2), is_refresh=st.booleans())
def test_a_stricter_policy_never_promotes_more(seed: int, shift: float, is_refresh: bool) -> None:
    mild = contest(seed, shift, is_refresh=is_refresh, margin=0.05, min_gain=0.01)
    strict = contest(seed, shift, is_refresh=is_refresh, margin=0.01, min_gain=0.05)
    assert RANK[strict.outcome] <= RANK[mild.outcome]


@settings(max_examples=25)
@given(seed=SEEDS, shift=st.floats(-0.2, 0.2))
def test_a_replacement_is_never_easier_than_a_refresh(seed: int, shift: float) -> None:
    refresh = contest(seed, shift, is_refresh=True)
    replace = contest(seed, shift, is_refresh=False)
    if replace.outcome == "promote":
        assert refresh.outcome == "promote"


@settings(max_examples=25)
@given(seed=SEEDS)
def test_a_limit_never_promotes_more(seed: int) -> None:
    free = contest(seed, 0.0, is_refresh=True)
    limited = contest(seed, 0.0, is_refresh=True, limits={"mae": 0.99})
    assert RANK[limited.outcome] <= RANK[free.outcome]


@settings(max_examples=50)
@given(seed=SEEDS, factor=st.floats(0.01, 100.0))
def test_the_comparison_does_not_depend_on_the_unit(seed: int, factor: float) -> None:
    rng = np.random.default_rng(seed)
    old, new = rng.random(100) + 0.1, rng.random(100) + 0.1
    one = paired_blocks(old, new, np.arange(100), block=5, confidence=0.9)
    two = paired_blocks(old * factor, new * factor, np.arange(100), block=5, confidence=0.9)
    assert np.allclose([one.change, one.low, one.high], [two.change, two.low, two.high])


@settings(max_examples=100)
@given(
    positions=st.lists(st.integers(0, 60), min_size=40, max_size=200),
    fresh_after=st.none() | st.integers(-1, 60),
    spent=st.none() | st.integers(0, 60),
    first=st.booleans(),
)
def test_nobody_judges_who_is_not_newer(
    positions: list[int], fresh_after: int | None, spent: int | None, first: bool
) -> None:
    ordered = np.sort(np.array(positions, dtype=np.int64))
    found = assign_roles(
        ordered,
        fresh_after=fresh_after,
        spent=[] if spent is None else [(0, spent)],
        policy=GatePolicy(min_holdout_rows=5),
        first=first,
    )
    judges = ordered[found.roles == JUDGE]
    others = ordered[found.roles != JUDGE]
    assert found.n_holdout == judges.size
    assert (found.needed == 0) == (found.n_holdout > 0)
    if judges.size:
        assert judges.size >= 5
        assert others.size > 0
        assert fresh_after is None or judges.min() > fresh_after
        assert spent is None or found.reused or judges.min() > spent
        if ordered[0] < ordered[-1]:
            assert others.max() < judges.min()


def test_equal_models_are_rarely_refused_and_rarely_replace() -> None:
    """200 contests of two equally good models: a replacement by chance stays below 5 %."""
    outcomes = [contest(seed, 0.0, is_refresh=False).outcome for seed in range(200)]
    assert outcomes.count("promote") <= 10
    assert outcomes.count("reject") <= 14
