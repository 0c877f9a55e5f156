"""One look at a table: every way in which new, changed and missing rows are found.

Rows are found by their ids. Since ids are not committed in their order, the newest rows are read
again each time and held against the digests of what they said; rows that were changed further back
are found by the column ``changed``, and rows that came late or went, wherever they are, by a sweep
that compares all ids with the table. Nothing is recorded here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import polars as pl

from iris_ct.core.mark import before_ties, is_after, later, lies_ahead, some_before, unkept
from iris_ct.core.source import SourcePolicy
from iris_ct.core.specification import Specification
from iris_ct.ports import SourcePage, SourceState, SourceTable, Store

# Rows of one statement: many enough to keep the database busy, few enough for memory.
PAGE_ROWS = 10_000
# Pieces of ids that one step of a sweep compares.
SWEEP_PIECES = 64


@dataclass
class Found:
    """What a step has found so far; at most ``limit`` rows to hand over."""

    limit: int
    frames: list[pl.DataFrame] = field(default_factory=list)
    n_rows: int = 0
    n_new: int = 0
    n_changed: int = 0
    seen: dict[int, str] = field(default_factory=dict)
    added: list[int] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    mark: str | None = None
    more: bool = False

    @property
    def room(self) -> int:
        """Rows that still fit."""
        return self.limit - self.n_rows

    def take(self, page: SourcePage, places: list[int]) -> None:
        """Keep rows of a page to be handed over."""
        if places:
            whole = len(places) == len(page.ids)
            self.frames.append(page.frame if whole else page.frame[places])
            self.n_rows += len(places)


@dataclass(frozen=True)
class _Settled:
    """No change up to ``mark`` can still come, and rows read until ``forget_until`` show none."""

    mark: str
    forget_until: datetime


class Look:
    """One look at a table; each method is one way to find rows."""

    def __init__(
        self,
        specification: Specification,
        source: SourcePolicy,
        store: Store,
        table: SourceTable,
        state: SourceState,
        found: Found,
        began: datetime,
    ) -> None:
        self.specification, self.source = specification, source
        self.store, self._table = store, table
        self.state, self.found, self.began = state, found, began
        self.newest_id = state.newest_id
        # Another column says nothing of these marks; with it they begin anew.
        self.settled = unkept(state.settled_mark, source.changed)
        self.settling = unkept(state.settling_mark, source.changed)
        self.settling_at = state.settling_at if self.settling else None
        self._tied = False
        self.forget_until: datetime | None = None
        self.swept_to, self.swept_at = state.swept_to, state.swept_at
        self.swept = False
        self.window = (
            store.sources.seen(self.model, after=state.window_from, until=state.newest_id)
            if state.newest_id is not None
            else {}
        )

    @property
    def model(self) -> str:
        """Whose table it is."""
        return self.specification.name

    @property
    def corrects(self) -> bool:
        """Whether a changed row may replace what was stored: only a key says which.

        Where stored rows are not to be replaced, changed ones would be bad rows, and so many of
        them could hold back the new ones beside them.
        """
        return bool(self.specification.key) and self.specification.on_duplicate != "reject"

    def again(self) -> None:
        """Read the window again: rows that came late, say something else, or are gone."""
        if self.newest_id is None:
            return
        after, expected = self.state.window_from, sorted(self.window)
        while after is None or after < self.newest_id:
            if self.found.room == 0:
                self.found.more = True
                return
            page = self._page(after, until=self.newest_id)
            reached = page.ids[-1] if len(page.ids) == PAGE_ROWS else self.newest_id
            places = [
                place
                for place, (one, digest) in enumerate(zip(page.ids, page.digests, strict=True))
                if one not in self.window or self.window[one].digest != digest
            ]
            if len(places) > self.found.room:
                self.found.more = True
                places = places[: self.found.room]
                reached = page.ids[places[-1]]
            present = set(page.ids)
            self.found.gone.update(
                one
                for one in expected
                if (after is None or one > after) and one <= reached and one not in present
            )
            self._keep(page, places, known=set(self.window))
            after = reached
            if self.found.more:
                return

    def onward(self) -> None:
        """Read rows with ids that are larger than any before."""
        self._begin_marks()
        while not self.found.more:
            limit = min(PAGE_ROWS, self.found.room)
            if limit == 0:
                self.found.more = True
                return
            page = self._page(self.newest_id, limit=limit)
            if page.ids:
                self._keep(page, list(range(len(page.ids))), known=set())
                self.newest_id = page.ids[-1]
            if len(page.ids) < limit:
                return

    def changes(self) -> None:
        """Read rows below the window that were changed since all changes were known."""
        if self.source.changed is None or self.settled is None:
            return
        after, until = None, self.state.window_from
        while until is not None:
            page = self._page(after, until=until, changed_after=self.settled)
            if page.ids:
                self._take_changed(page)
            if self.found.more:
                return
            if len(page.ids) < PAGE_ROWS:
                break
            after = page.ids[-1]
        self._settle()

    def sweep_is_due(self) -> bool:
        """Tell whether a sweep is under way, or the newest one is long ago."""
        every = self.source.sweep_us
        if self.swept_to is not None:
            return True
        if every is None or self.swept_at is None:
            return False
        return self.began - self.swept_at >= timedelta(microseconds=every)

    def sweep(self) -> None:
        """Compare some pieces of the known ids with the table; what the window holds is known."""
        pieces = self.store.sources.segments(
            self.model, after=self.swept_to, most=SWEEP_PIECES + 1
        )
        bound = self.state.window_from
        for number, (start, ids) in enumerate(pieces[:SWEEP_PIECES]):
            last = number + 1 == len(pieces)
            first = self.swept_to is None
            until = bound if last or bound is None else min(bound, pieces[number + 1][0] - 1)
            if until is None or until < start:
                break
            if not self._sweep_piece(None if first else start - 1, until, ids):
                self.found.more = True
                return
            self.swept_to = start
        else:
            if len(pieces) > SWEEP_PIECES:
                self.found.more = True
                return
        self.swept_to, self.swept_at, self.swept = None, self.began, True

    def _sweep_piece(self, after: int | None, until: int, ids: list[int]) -> bool:
        """Compare one piece; False if what came late does not fit into this batch any more."""
        known = {one for one in ids if one <= until}
        present: set[int] = set()
        at = after
        while True:
            some = self._table.ids(after=at, until=until, limit=PAGE_ROWS)
            present.update(some)
            if len(some) < PAGE_ROWS:
                break
            at = some[-1]
        late = sorted(present - known - set(self.found.added))
        fits = late[: self.found.room]
        if fits:
            self._take_late(fits)
        self.found.gone.update(known - present)
        return len(fits) == len(late)

    def _take_late(self, late: list[int]) -> None:
        """Read rows that came late, by the range in which they lie."""
        wanted, at = set(late), late[0] - 1
        while at < late[-1]:
            page = self._page(at, until=late[-1])
            places = [place for place, one in enumerate(page.ids) if one in wanted]
            self._keep(page, places, known=set())
            if len(page.ids) < PAGE_ROWS:
                return
            at = page.ids[-1]

    def _take_changed(self, page: SourcePage) -> None:
        seen = self.store.sources.seen_of(self.model, page.ids)
        places = [
            place
            for place, (one, digest) in enumerate(zip(page.ids, page.digests, strict=True))
            if one not in seen or seen[one].digest != digest
        ]
        if len(places) > self.found.room:
            self.found.more = True
            places = places[: self.found.room]
        known = self.store.sources.known(self.model, [page.ids[place] for place in places])
        self._keep(page, places, known=known)
        settles = self._settles()
        if settles is None or self.found.more:
            return
        # They are shown again at the next look, so their digests must outlive this one.
        for one, mark in zip(page.ids, page.marks, strict=True):
            if (
                one in seen
                and seen[one].read_at <= settles.forget_until
                and mark is not None
                and is_after(mark, settles.mark)
            ):
                if settles.mark == self.settled:
                    self._tied = True
                else:
                    self.found.seen.setdefault(one, seen[one].digest)
        # The rest in another step, which passes over these.
        self.found.more = len(self.found.seen) >= self.found.limit

    def _keep(self, page: SourcePage, places: list[int], *, known: set[int]) -> None:
        """Hand rows over, and remember what they said."""
        changed = [place for place in places if page.ids[place] in known]
        new = [place for place in places if page.ids[place] not in known]
        self.found.take(page, places if self.corrects else new)
        self.found.n_new += len(new)
        self.found.n_changed += len(changed)
        self.found.added.extend(page.ids[place] for place in new)
        self.found.seen.update((page.ids[place], page.digests[place]) for place in places)

    def _page(
        self,
        after: int | None,
        *,
        until: int | None = None,
        changed_after: str | None = None,
        limit: int = PAGE_ROWS,
    ) -> SourcePage:
        page = self._table.page(after=after, until=until, changed_after=changed_after, limit=limit)
        for mark in page.marks:
            if mark is not None and not lies_ahead(mark, self.began):
                self.found.mark = later(self.found.mark, mark)
        return page

    def _begin_marks(self) -> None:
        """Before the first row is read: what is changed from now on lies beyond this mark."""
        if self.source.changed is None or self.settling is not None:
            return
        newest = self._table.newest_mark()
        if newest is None or lies_ahead(newest, self.began):
            return
        self.settling, self.settling_at = newest, self.began
        self.settled = some_before(newest, self.source.settling_us)

    def _settles(self) -> _Settled | None:
        """Once the overlap has passed, no change before the mark seen then can still come.

        A change has its mark before it is committed. Whatever was marked before the newest mark
        was seen is committed an overlap later at the latest, and this look came after that.
        """
        waits = timedelta(microseconds=self.source.settling_us)
        if self.settling is None or self.settling_at is None:
            return None
        if self.began - self.settling_at < waits:
            return None
        mark = before_ties(self.settling)
        if self.settled is not None and is_after(self.settled, mark):
            mark = self.settled
        return _Settled(mark, self.settling_at)

    def _settle(self) -> None:
        """Let what is settled move on; where it stays and rows are shown, all are remembered."""
        settles = self._settles()
        if settles is not None:
            if settles.mark != self.settled or not self._tied:
                self.forget_until = settles.forget_until
            self.settled = settles.mark
            self.settling, self.settling_at = later(self.settling, self.found.mark), None
