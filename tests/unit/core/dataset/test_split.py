"""Roles of rows; every expected number follows from the shares by hand."""

from __future__ import annotations

from typing import Any

import numpy as np

from iris_ct.core.dataset.split import JUDGE, TRAIN, VALIDATE, Split, assign_roles
from iris_ct.core.policy import GatePolicy

POLICY = GatePolicy(
    min_holdout_rows=10, holdout_share=0.5, first_holdout_share=0.2, validation_share=0.25
)


def split(positions: Any, **said: Any) -> Split:
    arguments = {"fresh_after": None, "policy": POLICY, "first": False, **said}
    return assign_roles(np.asarray(positions, dtype=np.int64), **arguments)


def test_the_newest_share_of_a_first_model_judges_and_a_block_before_it_validates() -> None:
    found = split(np.arange(100), first=True)
    assert (found.roles == JUDGE).nonzero()[0].tolist() == list(range(80, 100))
    # A quarter of the 80 rows before, and no more than the 20 that judge.
    assert (found.roles == VALIDATE).nonzero()[0].tolist() == list(range(60, 80))
    assert (found.roles == TRAIN).sum() == 60
    assert (found.n_fresh, found.n_holdout, found.needed, found.reused) == (100, 20, 0, False)
    assert (found.holdout_first, found.holdout_last) == (80, 99)


def test_only_rows_newer_than_the_champion_judge() -> None:
    found = split(np.arange(100), fresh_after=59)
    assert found.n_fresh == 40
    assert (found.roles == JUDGE).nonzero()[0].tolist() == list(range(80, 100))


def test_too_few_fresh_rows_say_how_many_more_are_needed() -> None:
    # 10 judges are half of 20 fresh rows; there are 12.
    found = split(np.arange(100), fresh_after=87)
    assert (found.n_holdout, found.needed, found.n_fresh) == (0, 8, 12)
    assert set(found.roles.tolist()) == {TRAIN}


def test_needed_more_rows_are_really_enough() -> None:
    missing = split(np.arange(100), fresh_after=87).needed
    assert split(np.arange(100 + missing), fresh_after=87).n_holdout == 10
    assert split(np.arange(100 + missing - 1), fresh_after=87).n_holdout == 0


def test_spent_rows_do_not_judge_again_while_newer_ones_are_enough() -> None:
    found = split(np.arange(100), fresh_after=39, spent=[(50, 69)])
    assert found.n_fresh == 60
    assert (found.roles == JUDGE).nonzero()[0].tolist() == list(range(85, 100))
    assert not found.reused


def test_a_second_gate_without_new_rows_is_marked_reused() -> None:
    found = split(np.arange(100), fresh_after=59, spent=[(80, 99)])
    assert found.reused
    assert found.n_holdout == 20


def test_a_few_new_rows_wait_instead_of_being_spent_bit_by_bit() -> None:
    found = split(np.arange(105), fresh_after=59, spent=[(80, 99)])
    assert (found.n_holdout, found.needed, found.reused) == (0, 15, False)


def test_a_person_may_let_spent_rows_judge_with_a_few_new_ones() -> None:
    found = split(np.arange(105), fresh_after=59, spent=[(80, 99)], accept_reused=True)
    assert found.reused
    assert found.n_holdout == 22


def test_after_a_refused_first_model_half_of_the_newer_rows_judge() -> None:
    found = split(np.arange(100), first=True, spent=[(40, 69)])
    assert (found.roles == JUDGE).nonzero()[0].tolist() == list(range(85, 100))


def test_rows_of_one_position_stand_on_one_side() -> None:
    # The cut would fall at row 80, inside the tie of rows 78 to 82; row 78 is nearer than 83.
    positions = np.arange(100)
    positions[78:83] = 78
    found = split(positions, first=True)
    assert (found.roles == JUDGE).nonzero()[0].tolist() == list(range(78, 100))


def test_a_fresh_batch_of_one_position_judges_as_a_whole() -> None:
    positions = np.r_[np.arange(100), np.full(30, 200)]
    found = split(positions, fresh_after=99)
    assert found.n_holdout == 30
    assert not (found.roles[100:] == TRAIN).any()


def test_arrival_decides_when_every_row_has_the_same_position() -> None:
    found = split(np.zeros(100), first=True)
    assert (found.roles == JUDGE).nonzero()[0].tolist() == list(range(80, 100))


def test_the_validation_block_does_not_split_a_position_either() -> None:
    positions = np.arange(100)
    positions[55:64] = 55
    found = split(positions, first=True)
    block = positions[found.roles == VALIDATE]
    trained = positions[found.roles == TRAIN]
    assert block.min() > trained.max()


def test_a_group_is_never_split_apart() -> None:
    rng = np.random.default_rng(3)
    groups = rng.integers(0, 20, 400)
    found = split(np.arange(400), groups=groups, first=True)
    assert found.n_holdout >= 80
    for group in range(20):
        assert len(set(found.roles[groups == group].tolist())) == 1


def test_groups_with_older_rows_do_not_judge_a_champion() -> None:
    # Group a began before the champion's newest row; b and c are new.
    groups = np.array(["a"] * 50 + ["a", "b"] * 20 + ["c"] * 30)
    found = split(np.arange(120), groups=groups, fresh_after=49)
    judges = set(groups[found.roles == JUDGE].tolist())
    assert judges == {"c"}
    assert found.n_fresh == 50
    assert not (found.roles[groups == "a"] == JUDGE).any()


def test_groups_that_all_began_before_the_champion_are_insufficient() -> None:
    groups = np.tile(np.array(["a", "b"]), 60)
    found = split(np.arange(120), groups=groups, fresh_after=49)
    assert (found.n_holdout, found.needed) == (0, 20)
