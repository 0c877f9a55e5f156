"""What waits in the journal is in the log once, whenever whoever moves it is killed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.contract.store.histories import NOON, Row, add_rows, specification, version

from iris_ct.adapters.store import SqlStore
from iris_ct.core.scoring.record import Record, Truth
from iris_ct.flow.fold import fold_journal, is_due

pytestmark = pytest.mark.integration

NOON_US = int(NOON.timestamp() * 1e6)


class Clock:
    """A clock that stands still."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def record(
    puid: str,
    keys: list[str | None] | None,
    said: Sequence[float],
    *,
    minutes: float = 0,
    model_version: int = 1,
    shadow: bool = False,
    once: bool = False,
) -> Record:
    at = NOON_US + int(minutes * 60e6)
    values = np.array(said, dtype="<f8").tobytes()
    return Record(
        puid, "rent", "a", "bikes", model_version, at, keys, values, shadow=shadow, once=once
    )


def served(store: SqlStore) -> None:
    """Keep two versions of the model, as training does."""
    spec = specification()
    store.specifications.record(spec, actor="anna", at=NOON)
    for cycle in ("c1", "c2"):
        store.models.add(version(cycle, spec_digest=spec.digest))


def test_a_folded_prediction_keeps_who_asked_and_meets_its_truth(store: SqlStore) -> None:
    spec = specification()
    served(store)
    store.journal_writer.append([record("p2", ["b", None], [0.5, 0.7], minutes=1)])
    store.journal_writer.append([record("p1", ["a"], [0.1])])
    store.journal_writer.append([record("p3", ["a"], [0.9], minutes=2, model_version=2)])
    folded = fold_journal(store, Clock())
    assert (folded.n_rows, folded.torn_bytes, folded.set_aside) == (4, 0, ())
    assert store.predictions.counts("bikes") == {1: 3, 2: 1}
    assert store.journal.segments() == []
    assert fold_journal(store, Clock()).n_rows == 0
    add_rows(store, spec, [Row("a", 1, 1.0), Row("b", 2, 2.0)])
    outcomes = store.predictions.outcomes(spec, as_of_seq=1)
    # The first prediction of row a counts, by its time.
    assert outcomes.predictions["prediction"].to_list() == [0.1, 0.5]
    found = store.predictions.find("bikes", ["p2", "p3", "nobody"]).sort("_puid", "_place")
    assert found["_key"].to_list() == ["b", None, "a"]
    assert found["_place"].to_list() == [0, 1, 0]
    assert found["version"].to_list() == [1, 1, 2]
    assert found["_predicted_at"].to_list() == [NOON + timedelta(minutes=n) for n in (1, 1, 2)]


def test_a_fold_that_breaks_off_is_finished_and_nothing_is_logged_twice(store: SqlStore) -> None:
    """Killed between the plan and the log, and between the log and the removal."""
    served(store)
    store.journal_writer.append([record("p1", ["a"], [0.1])])
    store.journal.begin([segment.name for segment in store.journal.segments()])
    store.journal_writer.append([record("p2", ["b"], [0.2])])
    assert fold_journal(store, Clock()).n_rows == 2
    store.journal_writer.append([record("p3", ["c"], [0.3])])
    finish = store.journal.finish

    class KilledError(Exception):
        pass

    def die(*said: object, **more: object) -> None:
        raise KilledError

    store.journal.finish = die  # type: ignore[method-assign] # the process ends here
    with pytest.raises(KilledError):
        fold_journal(store, Clock())
    store.journal.finish = finish  # type: ignore[method-assign]
    fold_journal(store, Clock())
    assert store.journal.begun() == {}
    assert store.predictions.counts("bikes") == {1: 3}


def test_a_request_that_was_sent_again_is_logged_once(store: SqlStore) -> None:
    served(store)
    store.journal_writer.append([record("p1", ["a"], [0.1]), record("p2", None, [0.2])])
    # Ids that callers choose may be the same; only what says so is looked for.
    store.journal_writer.append([record("p2", None, [0.2], minutes=0.1)])
    fold_journal(store, Clock())
    store.journal_writer.append([record("p1", ["a"], [0.1], minutes=0.1, once=True)])
    store.journal_writer.append([record("p1", ["a"], [0.1], minutes=60, once=True)])
    fold_journal(store, Clock())
    assert store.predictions.counts("bikes") == {1: 4}


def test_a_shadow_is_no_repetition_of_the_answer_and_is_repeated_by_itself(
    store: SqlStore,
) -> None:
    served(store)
    store.journal_writer.append([record("p1", ["a"], [0.1])])
    fold_journal(store, Clock())
    shadow = record("p1", ["a"], [0.9], model_version=2, shadow=True, once=True)
    store.journal_writer.append([shadow])
    assert fold_journal(store, Clock()).n_rows == 1
    store.journal_writer.append([shadow])
    assert fold_journal(store, Clock()).n_rows == 0


def test_one_of_many_requests_of_the_same_id_is_not_taken_for_another(store: SqlStore) -> None:
    """As of a client that names each request 1: what was sent again had another answer."""
    served(store)
    store.journal_writer.append([record("1", ["a"], [0.1]), record("1", ["b"], [0.2])])
    fold_journal(store, Clock())
    again = [
        record("1", ["c"], [0.3], minutes=0.01, once=True),
        record("1", ["b"], [1 / 3], minutes=0.01, once=True),
        record("1", ["b"], [0.2], minutes=0.01, once=True),
    ]
    store.journal_writer.append(again)
    assert fold_journal(store, Clock()).n_rows == 2


def test_shadows_are_logged_apart(store: SqlStore) -> None:
    spec = specification()
    served(store)
    shadow = record("p1", ["a"], [0.9], model_version=2, shadow=True)
    store.journal_writer.append([shadow, record("p1", ["a"], [0.1], minutes=1)])
    fold_journal(store, Clock())
    add_rows(store, spec, [Row("a", 1, 1.0)])
    assert store.predictions.counts("bikes") == {1: 1}
    told = store.predictions.outcomes(spec, as_of_seq=1)
    assert told.predictions["prediction"].to_list() == [0.1]
    hidden = store.predictions.outcomes(spec, as_of_seq=1, shadow=True, version=2)
    assert hidden.predictions["prediction"].to_list() == [0.9]


def test_files_that_cannot_matter_are_not_looked_at(store: SqlStore) -> None:
    """Those without keys, and those with other keys: their files may even be gone."""
    spec = specification()
    served(store)
    groups: list[list[str | None]] = [[None], ["x1"], ["b"]]
    for keys in groups:
        store.journal_writer.append([record("p", keys, [0.5])])
        fold_journal(store, Clock())
    add_rows(store, spec, [Row("a", 1, 1.0), Row("c", 2, 2.0), Row("b", 3, 3.0)])
    files = sorted((store.journal.directory.parents[1] / "store" / "bikes").rglob("journal*"))
    assert len(files) == 3
    kept = [path for path in files if b"x1" not in path.read_bytes()]
    for path in set(files) - set(kept):
        path.unlink()
    assert len(store.predictions.outcomes(spec, as_of_seq=1).position) == 1


def test_an_old_id_and_one_of_nobody_are_looked_for_in_all_files_at_once(
    store: SqlStore,
) -> None:
    """Of an id that several files have, the newest one counts; a shadow's are apart."""
    served(store)
    content = {0: ["twice", "x"], 1: ["old"], 2: ["twice"], 4: ["also old"], 19: ["new"]}
    for minute in range(20):
        for place, puid in enumerate(content.get(minute, [f"other {minute}"])):
            said = [float(minute), place + 0.5]
            store.journal_writer.append([record(puid, ["a", None], said, minutes=minute)])
        hidden = record("old", ["a"], [7.0], minutes=minute, shadow=True)
        store.journal_writer.append([hidden] if minute == 1 else [])
        fold_journal(store, Clock())
    asked = ["twice", "old", "new", "nobody", "x" * 256]
    found = store.predictions.find("bikes", asked)
    assert [
        (row["_puid"], row["_place"], row["_key"], row["prediction"], row["_service"])
        for row in found.iter_rows(named=True)
    ] == [
        ("new", 0, "a", "19.0", "rent"),
        ("new", 1, None, "0.5", "rent"),
        ("twice", 0, "a", "2.0", "rent"),
        ("twice", 1, None, "0.5", "rent"),
        ("old", 0, "a", "1.0", "rent"),
        ("old", 1, None, "0.5", "rent"),
    ]
    assert store.predictions.find("bikes", ["old"], shadow=True)["prediction"].to_list() == ["7.0"]
    assert store.projections.bring_up("bikes")
    assert store.predictions.find("bikes", asked).equals(found)
    # What is in rows, and not of these ids, is not opened: such files may even be gone.
    kept = {NOON + timedelta(minutes=minute) for minute in (0, 1, 2, 19)}
    for path in (store.journal.directory.parents[1] / "store" / "bikes").rglob("journal*"):
        times = pl.read_parquet(path, columns=["_predicted_at"])["_predicted_at"]
        if times[0] not in kept:
            path.unlink()
    assert store.predictions.find("bikes", asked).equals(found)


def test_files_that_are_rows_in_part_or_no_more_are_looked_into(store: SqlStore) -> None:
    served(store)
    for number, said in enumerate(([0.1] * 901, [0.2])):
        store.journal_writer.append([record(f"p{number}", None, said, minutes=number)])
        fold_journal(store, Clock())
    # The newest is brought up first, then a chunk of the other one: on IRIS 900 rows.
    for most_rows in (1, 2):
        store.projections.bring_up("bikes", most_rows=most_rows)
        assert store.predictions.find("bikes", ["p0", "p1"]).height == 902
    assert store.projections.bring_up("bikes")
    spec = specification(tables={"predictions": False})
    store.specifications.record(spec, actor="anna", at=NOON + timedelta(hours=1))
    assert store.projections.bring_up("bikes")
    assert store.predictions.find("bikes", ["p0", "p1"]).height == 902


def test_damaged_records_and_unknown_versions_are_set_aside_and_told(store: SqlStore) -> None:
    served(store)
    store.journal_writer.append([record("p1", ["a"], [0.1], model_version=9)])
    [segment] = store.journal.segments()
    store.journal_writer.append([record("p2", ["a"], [0.1])])
    with (store.journal.directory / segment.name).open("ab") as file:
        file.write(b"\x09\0\0\0torn")
    folded = fold_journal(store, Clock())
    assert (folded.n_rows, folded.torn_bytes, folded.set_aside) == (1, 8, (segment.name,))
    [event] = store.audit.events()
    assert "8 bytes at the end of the journal" in event.text
    assert "unknown model version" in event.text
    assert store.journal.segments() == []


def test_the_truth_of_feedback_reaches_the_inbox_as_labels(store: SqlStore) -> None:
    """Rows without a key, unknown truths and unknown requests cannot, and are counted."""
    served(store)
    store.journal_writer.append([record("p1", ["a,1", None, "c"], [0.1, 0.2, 0.3])])
    fold_journal(store, Clock())
    truths = [
        Truth("p1", "rent", "other", NOON_US, [1.5, 2.5, None]),
        Truth("nobody", "rent", "bikes", NOON_US, [9.0]),
    ]
    store.journal_writer.append([record("p2", ["b"], [0.5]), *truths])
    store.journal_writer.append([Truth("p2", "rent", "bikes", NOON_US, [4])])
    folded = fold_journal(store, Clock())
    assert (folded.n_rows, folded.n_labels, folded.n_unmatched) == (1, 2, 3)
    inbox = store.journal.directory.parents[1] / "inbox" / "bikes" / "labels"
    [labels] = inbox.iterdir()
    rows = sorted(labels.read_text().splitlines())
    assert rows == ['"a,1",1.5', "b,4", "k,y"]


def test_a_truth_finds_an_answer_that_is_folded_after_it(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each worker has segments of its own: that of the feedback may be the older one."""
    monkeypatch.setattr("iris_ct.flow.fold._MOST_BYTES", 1)
    served(store)
    store.journal_writer.append([Truth("p1", "rent", "bikes", NOON_US, [3.0])])
    store.journal_writer.close()
    store.journal_writer.append([record("p1", ["a"], [0.1])])
    folded = fold_journal(store, Clock())
    assert (folded.n_rows, folded.n_labels, folded.n_unmatched) == (1, 1, 0)
    assert (store.journal.begun(), store.journal.segments()) == ({}, [])


def test_the_truth_of_one_service_says_nothing_of_anothers_rows(store: SqlStore) -> None:
    """Ids are the callers': those of another service, perhaps of another domain, may be alike."""
    served(store)
    store.journal_writer.append([record("1", ["a"], [0.1])])
    fold_journal(store, Clock())
    store.journal_writer.append(
        [Truth("1", "other", "bikes", NOON_US, [9.0]), Truth("1", "other", "loans", NOON_US, [9])]
    )
    folded = fold_journal(store, Clock())
    assert (folded.n_labels, folded.n_unmatched) == (0, 2)
    store.journal_writer.append([Truth("1", "rent", "loans", NOON_US, [3.0])])
    assert fold_journal(store, Clock()).n_labels == 1


def test_folding_is_due_by_age_or_size(store: SqlStore) -> None:
    served(store)
    assert not is_due(store, Clock())
    store.journal_writer.append([record("p1", None, [0.1])])
    made_at = datetime.fromtimestamp(store.journal.segments()[0].made_at_us / 1e6, NOON.tzinfo)
    assert not is_due(store, Clock(made_at + timedelta(seconds=59)))
    assert is_due(store, Clock(made_at + timedelta(seconds=61)))
    store.journal_writer.append([record("p2", None, [0.1] * (1 << 20))])
    assert is_due(store, Clock(made_at))
