"""What can be wrong with rows: stable reason codes, their counts, and the report over a file.

A report names row numbers, columns and reasons, and never a value of a row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

Code = Literal[
    "missing_key",
    "duplicate_key_in_batch",
    "known_key",
    "missing_time",
    "not_a_time",
    "time_in_future",
    "missing_group",
    "missing_value",
    "nul_character",
    "not_a_number",
    "not_finite",
    "below_minimum",
    "above_maximum",
    "not_allowed",
    "not_boolean",
    "bad_target",
    "missing_target",
    "ragged_row",
    "empty_column",
    "extra_column",
    "target_absent",
]
Severity = Literal["error", "warning", "info"]
Verdict = Literal["accepted", "quarantined"]

MISSING_KEY: Code = "missing_key"
DUPLICATE_KEY: Code = "duplicate_key_in_batch"
KNOWN_KEY: Code = "known_key"
MISSING_TIME: Code = "missing_time"
NOT_A_TIME: Code = "not_a_time"
TIME_IN_FUTURE: Code = "time_in_future"
MISSING_GROUP: Code = "missing_group"
MISSING_VALUE: Code = "missing_value"
NUL_CHARACTER: Code = "nul_character"
NOT_A_NUMBER: Code = "not_a_number"
NOT_FINITE: Code = "not_finite"
BELOW_MINIMUM: Code = "below_minimum"
ABOVE_MAXIMUM: Code = "above_maximum"
NOT_ALLOWED: Code = "not_allowed"
NOT_BOOLEAN: Code = "not_boolean"
BAD_TARGET: Code = "bad_target"
MISSING_TARGET: Code = "missing_target"
RAGGED_ROW: Code = "ragged_row"
EMPTY_COLUMN: Code = "empty_column"
EXTRA_COLUMN: Code = "extra_column"
TARGET_ABSENT: Code = "target_absent"

MEANINGS: dict[Code, tuple[Severity, str]] = {
    "missing_key": ("error", "a key column is empty, so the row cannot be found again"),
    "duplicate_key_in_batch": ("error", "an earlier row of the batch has the same key"),
    "known_key": ("error", "a stored row has the same key, and on_duplicate is reject"),
    "missing_time": ("error", "the event time is empty"),
    "not_a_time": ("error", "no date or time as ISO 8601 writes it"),
    "time_in_future": ("error", "the event time lies further ahead than data.max_ahead allows"),
    "missing_group": ("error", "the group column is empty, so the row cannot be kept together"),
    "missing_value": ("error", "empty, and the feature is not nullable"),
    "nul_character": ("error", "the text holds the character NUL, which SQL databases refuse"),
    "not_a_number": ("error", "no number"),
    "not_finite": ("error", "an infinite number"),
    "below_minimum": ("error", "less than the feature's min"),
    "above_maximum": ("error", "more than the feature's max"),
    "not_allowed": ("error", "none of the feature's allowed values"),
    "not_boolean": ("error", "neither true, t, yes, y, 1 nor false, f, no, n, 0"),
    "bad_target": ("error", "the target is there but is no finite number, or a third class"),
    "missing_target": ("error", "a row of a labels file without a label"),
    "ragged_row": ("error", "more or fewer fields than the header has columns"),
    "empty_column": ("warning", "the feature is missing in every row"),
    "extra_column": ("info", "a column of the file that the model does not use"),
    "target_absent": ("info", "the file has no target column; its rows wait for labels"),
}
"""Each code's severity and what it says; an error makes the row bad."""

# Enough rows to find the fault in the file, few enough for a log line.
FIRST_PLACES = 5


@dataclass(frozen=True)
class Issue:
    """One reason in one column, over a whole file.

    Attributes
    ----------
    column : str
        Name of the column; empty if the row as a whole is meant.
    n_rows : int
        Rows with this issue; 0 if it concerns the column itself.
    first_places : tuple of int
        Row numbers of the first few of them, from 1, the header not counted.
    """

    code: Code
    column: str
    severity: Severity
    n_rows: int
    first_places: tuple[int, ...]


@dataclass(frozen=True)
class ValidationReport:
    """What was found in the rows of one file.

    Attributes
    ----------
    n_rows, n_bad, n_labelled : int
        All rows; rows with at least one error; good rows that have a target.
    issues : tuple of Issue
        Errors first, then by number of rows.
    max_bad_share : float
        Share of bad rows above which the whole batch is held back.
    """

    n_rows: int
    n_bad: int
    n_labelled: int
    issues: tuple[Issue, ...]
    max_bad_share: float

    @property
    def n_good(self) -> int:
        """Rows without an error."""
        return self.n_rows - self.n_bad

    @property
    def bad_share(self) -> float:
        """Share of bad rows; 0 for a file without rows."""
        return self.n_bad / self.n_rows if self.n_rows else 0.0

    @property
    def verdict(self) -> Verdict:
        """Quarantined if too large a share is bad, or if no row is good."""
        if self.n_bad and (self.bad_share > self.max_bad_share or not self.n_good):
            return "quarantined"
        return "accepted"

    @property
    def reasons(self) -> dict[str, int]:
        """Rows by reason, as the quarantine writes them: ``code:column``."""
        return {
            reason(issue.code, issue.column): issue.n_rows
            for issue in self.issues
            if issue.severity == "error"
        }

    def content(self) -> dict[str, Any]:
        """Give the report as plain JSON values."""
        return {
            "n_rows": self.n_rows,
            "n_bad": self.n_bad,
            "n_labelled": self.n_labelled,
            "bad_share": self.bad_share,
            "max_bad_share": self.max_bad_share,
            "verdict": self.verdict,
            "issues": [
                {
                    "code": issue.code,
                    "column": issue.column or None,
                    "severity": issue.severity,
                    "n_rows": issue.n_rows,
                    "first_rows": list(issue.first_places),
                    "meaning": MEANINGS[issue.code][1],
                }
                for issue in self.issues
            ],
        }

    def text(self) -> str:
        """Say the report in lines for a person."""
        verdict = (
            f"{self.n_bad} of {self.n_rows} rows are bad ({self.bad_share:.1%}; "
            f"allowed {self.max_bad_share:.1%}): {self.verdict}."
        )
        return "\n".join([verdict, *self.findings()])

    def findings(self) -> list[str]:
        """Say each issue in a line, without the verdict on the file."""
        lines = [_line(issue) for issue in self.issues if issue.code != EXTRA_COLUMN]
        extra = [issue.column for issue in self.issues if issue.code == EXTRA_COLUMN]
        if extra:
            lines.append(f"  {EXTRA_COLUMN}, not used by the model: {', '.join(extra)}")
        return lines


def reason(code: str, column: str) -> str:
    """Name one reason as the quarantine writes it."""
    return f"{code}:{column}" if column else code


def _line(issue: Issue) -> str:
    where = f" in column {issue.column!r}" if issue.column else ""
    rows = f", {issue.n_rows} rows" if issue.n_rows else ""
    first = ", ".join(str(place) for place in issue.first_places)
    if first and issue.n_rows > len(issue.first_places):
        first += ", ..."
    at = f" (row {first})" if first else ""
    return f"  {issue.code}{where}{rows}{at}: {MEANINGS[issue.code][1]}"


@dataclass
class IssueTally:
    """Issues counted chunk by chunk; owned by one validator, used by one thread."""

    n_rows: int = 0
    n_bad: int = 0
    n_labelled: int = 0
    _counts: dict[tuple[Code, str], int] = field(default_factory=dict)
    _first: dict[tuple[Code, str], list[int]] = field(default_factory=dict)

    def note(self, code: Code, column: str) -> None:
        """Count an issue of a column as such."""
        self._counts.setdefault((code, column), 0)

    def count(self, code: Code, column: str, rows: pl.Series, *, first_place: int) -> None:
        """Count the marked rows of a chunk."""
        spot = (code, column)
        self._counts[spot] = self._counts.get(spot, 0) + int(rows.sum())
        first = self._first.setdefault(spot, [])
        if len(first) < FIRST_PLACES:
            found = rows.arg_true().head(FIRST_PLACES - len(first))
            first.extend(first_place + index for index in found)

    def report(self, *, max_bad_share: float) -> ValidationReport:
        """Give what was counted so far."""
        order: dict[Severity, int] = {"error": 0, "warning": 1, "info": 2}
        issues = [
            Issue(code, column, MEANINGS[code][0], n, tuple(self._first.get((code, column), ())))
            for (code, column), n in self._counts.items()
        ]
        issues.sort(key=lambda i: (order[i.severity], -i.n_rows, i.code, i.column))
        return ValidationReport(
            self.n_rows, self.n_bad, self.n_labelled, tuple(issues), max_bad_share
        )
