"""The procedures as SQL, HTTP and the terminal offer them: names, arguments, results, roles.

One definition for all surfaces. The classes in ``src/cls/CT`` and the chapters of
docs/procedures.md are compared with it by a test; the command line calls the same functions and
names its verb here. What a procedure does is in the function that it names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from iris_ct import procedures
from iris_ct.bootstrap import Parts
from iris_ct.core.errors import ConfigError
from iris_ct.procedures import table
from iris_ct.procedures.door import Door

SCHEMA = "CT"
CLASS = "CT.Procedures"

Role = Literal["reader", "operator"]
Result = Literal["value", "json", "rows"]
SqlType = Literal["%String", "%Integer", "%Double", "%Boolean", "%TimeStamp"]

Scalar = str | int | float | None
Rows = Iterable[Sequence[Any]]

# Characters that a text may have where nothing says otherwise: names, identifiers, one sentence.
NAME = 128
SENTENCE = 1024
# Longest text that IRIS keeps in a plain string of SQL.
TEXT = 32000


@dataclass(frozen=True)
class Argument:
    """One argument; ``default`` None says that it must be given."""

    name: str
    sql_type: SqlType
    default: str | int | None = None
    max_length: int = NAME


@dataclass(frozen=True)
class Column:
    """One column of a result; ``max_length`` counts for texts only."""

    name: str
    sql_type: SqlType
    max_length: int = NAME


@dataclass(frozen=True)
class Procedure:
    """One procedure.

    Attributes
    ----------
    name : str
        Name of the class method or query in ``CT.Procedures``.
    function : str
        The function of `iris_ct.procedures` that it is, and the chapter of docs/procedures.md.
    verb : str
        The command line that asks the same.
    role : str
        Who may ask: readers, or only operators (who may also all that readers may).
    result : str
        ``value``: one value of the answer; ``json``: the whole answer; ``rows``: ``columns``.
    ask : callable
        Takes parts, door and the arguments in their order; gives the value, the answer or rows.
    sql_name : str
        Name in SQL behind ``CT.``; ``name`` unless that is a reserved word of IRIS' SQL.
    """

    name: str
    function: str
    verb: str
    role: Role
    result: Result
    arguments: tuple[Argument, ...]
    ask: Callable[..., Any]
    says: str
    columns: tuple[Column, ...] = ()
    sql_name: str = ""
    max_length: int = TEXT

    def __post_init__(self) -> None:
        """Let the name in SQL be the name, where nothing else is said."""
        if not self.sql_name:
            object.__setattr__(self, "sql_name", self.name)

    def bind(self, given: Sequence[Scalar]) -> list[str | int]:
        """Give every argument its value in its type: what is missing or empty has its default.

        IRIS hands over numbers as texts where SQL had texts, and a missing value as "" or None.

        Raises
        ------
        ConfigError
            If there are too many, one that is needed is missing, or a number is none.
        """
        if len(given) > len(self.arguments):
            raise ConfigError(
                f"{self.name} takes {len(self.arguments)} arguments "
                f"({', '.join(a.name for a in self.arguments)}), but {len(given)} were given."
            )
        padded = [*given, *[None] * (len(self.arguments) - len(given))]
        return [
            self._typed(argument, value)
            for argument, value in zip(self.arguments, padded, strict=True)
        ]

    def _typed(self, argument: Argument, value: Scalar) -> str | int:
        if value is None or value == "":
            if argument.default is None:
                raise ConfigError(
                    f"{self.name} needs '{argument.name}', which was not given. "
                    f"Arguments: {', '.join(a.name for a in self.arguments)}."
                )
            return argument.default
        if argument.sql_type == "%String":
            return str(value)
        try:
            number = int(value)
        except ValueError:
            number = None
        if number is None or (isinstance(value, float) and number != value):
            raise ConfigError(
                f"{self.name}: '{argument.name}' must be a whole number; found {value!r}."
            )
        return number


_MODEL = Argument("model", "%String")
_ONE_OR_ALL = Argument("model", "%String", "")
_ROW = Argument("keyOrJson", "%String", max_length=TEXT)
_REASON = Argument("reason", "%String", max_length=SENTENCE)


def _text(name: str, max_length: int = NAME) -> Column:
    return Column(name, "%String", max_length)


def _whole(name: str) -> Column:
    return Column(name, "%Integer")


def _number(name: str) -> Column:
    return Column(name, "%Double")


def _truth(name: str) -> Column:
    return Column(name, "%Boolean")


def _instant(name: str) -> Column:
    return Column(name, "%TimeStamp")


PROCEDURES: tuple[Procedure, ...] = (
    Procedure(
        "Predict",
        "predict_row",
        "ct predict NAME --row KEY_OR_JSON",
        "reader",
        "value",
        (_MODEL, _ROW),
        lambda parts, _door, model, row: procedures.predict_row(parts, model, row)["prediction"],
        "Predict one row, named by its key or given as JSON; log the prediction.",
        max_length=SENTENCE,
    ),
    Procedure(
        "PredictDetail",
        "predict_row",
        "ct predict NAME --row KEY_OR_JSON --json",
        "reader",
        "json",
        (_MODEL, _ROW),
        lambda parts, _door, model, row: procedures.predict_row(parts, model, row),
        "Predict one row; say probabilities, version and request as well.",
    ),
    Procedure(
        "PredictBatch",
        "predict_batch",
        "ct predict NAME --batch SOURCE",
        "operator",
        "json",
        (_MODEL, Argument("source", "%String", max_length=SENTENCE)),
        lambda parts, _door, model, source: procedures.predict_batch(parts, model, source),
        "Predict a stored batch, or a table that the model file lists, into the prediction log.",
    ),
    Procedure(
        "Retrain",
        "retrain",
        "ct retrain NAME",
        "operator",
        "json",
        (_MODEL, Argument("acceptReused", "%Boolean", 0)),
        lambda parts, door, model, reused: procedures.retrain(
            parts, door, model, wait=False, accept_reused=bool(reused)
        ),
        "Ask for a retraining now; its cycle goes on after the answer.",
    ),
    Procedure(
        "Cancel",
        "cancel",
        "ct retrain NAME --cancel",
        "operator",
        "json",
        (_MODEL,),
        lambda parts, _door, model: procedures.cancel(parts, model),
        "Ask the training under way to stop.",
    ),
    Procedure(
        "Promote",
        "promote",
        "ct promote NAME --version N --reason TEXT",
        "operator",
        "json",
        (_MODEL, Argument("version", "%Integer"), _REASON),
        lambda parts, door, model, version, reason: procedures.promote(
            parts, door, model, version=version, reason=reason, wait=False
        ),
        "Let a kept version serve, for a reason that stands in the record.",
    ),
    Procedure(
        "Rollback",
        "roll_back",
        "ct rollback NAME --to N --reason TEXT",
        "operator",
        "json",
        (
            _MODEL,
            Argument("version", "%Integer", 0),
            Argument("reason", "%String", "", max_length=SENTENCE),
        ),
        lambda parts, door, model, version, reason: procedures.roll_back(
            parts, door, model, version=version or None, reason=reason, wait=False
        ),
        "Let an earlier version serve again; 0 is the one before the champion.",
        # ROLLBACK is a reserved word of IRIS' SQL, also behind a schema name.
        sql_name="RollbackTo",
    ),
    Procedure(
        "Ingest",
        "ingest_source",
        "ct ingest NAME",
        "operator",
        "json",
        (_MODEL,),
        lambda parts, door, model: procedures.ingest_source(parts, door, model),
        "Read what is new in the table that the model file names as its source.",
    ),
    Procedure(
        "ReleaseQuarantine",
        "release",
        "ct quarantine NAME --release BATCH",
        "operator",
        "json",
        (_MODEL, Argument("batchId", "%String")),
        lambda parts, door, model, batch: procedures.release(
            parts, door, model, batch, wait=False
        ),
        "Validate held-back rows again and store those that are good now.",
    ),
    Procedure(
        "ServedAt",
        "served_at",
        "ct history NAME --at TIME",
        "reader",
        "value",
        (_MODEL, Argument("moment", "%String")),
        lambda parts, _door, model, moment: procedures.served_at(parts, model, moment)["version"],
        "Say which version served at a time; nothing before the first.",
        max_length=0,
    ),
    Procedure(
        "Status",
        "status",
        "ct status NAME",
        "reader",
        "rows",
        (_ONE_OR_ALL,),
        lambda parts, door, model: table.status_rows(parts, door, model),
        "Say how one model stands, or all of them.",
        (
            _text("model"),
            _text("task"),
            _whole("champion_version"),
            _instant("trained_at"),
            _whole("n_rows"),
            _whole("n_batches"),
            _whole("label_files"),
            _whole("quarantined_rows"),
            _whole("quarantined_batches"),
            _text("newest_event"),
            _whole("n_trainings"),
            _whole("n_promotions"),
            _whole("n_holds"),
            _whole("n_rejections"),
            _whole("n_failures"),
            _text("open_cycle"),
            _text("drift_status"),
            _truth("drifted"),
            _text("drifted_features", SENTENCE),
            _truth("error_drifted"),
            _instant("drift_measured_at"),
            _whole("unregistered_versions"),
            _whole("pending_messages"),
            _text("source_standstill", SENTENCE),
        ),
    ),
    Procedure(
        "Drift",
        "drift",
        "ct drift NAME",
        "reader",
        "rows",
        (_MODEL,),
        lambda parts, _door, model: table.drift_rows(parts, model),
        "Show the newest drift report: a row for each column, and one for the served error.",
        (
            _text("report_id"),
            _instant("measured_at"),
            _whole("version"),
            _text("column_name"),
            _text("column_role"),
            _text("column_kind"),
            _text("status"),
            _truth("drifted"),
            _number("psi"),
            _number("psi_threshold"),
            _text("statistic"),
            _number("observed"),
            _number("p_value"),
            _number("adjusted_p_value"),
            _number("mean_shift"),
            _number("missing_before"),
            _number("missing_now"),
            _number("unseen_before"),
            _number("unseen_now"),
            _text("reason", SENTENCE),
        ),
    ),
    Procedure(
        "History",
        "history",
        "ct history NAME",
        "reader",
        "rows",
        (_MODEL,),
        lambda parts, _door, model: table.history_rows(parts, model),
        "List who served when and why, oldest first.",
        (
            _whole("version"),
            _instant("served_from"),
            _text("since_event"),
            _text("actor"),
            _text("train_window"),
            _whole("n_rows"),
            _number("holdout_loss"),
            _text("metric"),
            _text("cycle_id"),
            _text("trigger_reason", SENTENCE),
            _text("verdict", SENTENCE),
            _text("decision_id"),
            _text("reason", SENTENCE),
            _text("mlflow_run"),
            _text("mlflow_version"),
        ),
    ),
    Procedure(
        "Decisions",
        "decisions",
        "ct history NAME --decisions",
        "reader",
        "rows",
        (_MODEL, Argument("newest", "%Integer", 20)),
        lambda parts, _door, model, newest: table.decision_rows(parts, model, newest),
        "List the newest decisions, oldest of them first.",
        (
            _text("decision_id"),
            _text("model"),
            _text("kind"),
            _text("outcome"),
            _text("reason", TEXT),
            _text("cycle_id"),
            _text("actor"),
            _text("rule", SENTENCE),
            _whole("event_now"),
            _instant("decided_at"),
            _text("record", TEXT),
        ),
    ),
    Procedure(
        "Explain",
        "explain",
        "ct explain SUBJECT",
        "reader",
        "rows",
        (Argument("subject", "%String"),),
        lambda parts, _door, subject: table.explain_rows(parts, subject),
        "Say a decision in words, line by line, and whether the chain of records is intact.",
        (_whole("line_number"), _text("words", TEXT)),
    ),
    Procedure(
        "Quarantine",
        "quarantine",
        "ct quarantine NAME",
        "reader",
        "rows",
        (_MODEL,),
        lambda parts, _door, model: table.quarantine_rows(parts, model),
        "List what is held back, and why.",
        (
            _text("batch_id"),
            _whole("n_rows"),
            _truth("whole_batch"),
            _text("reasons", TEXT),
            _instant("arrived_at"),
            _text("file_path", SENTENCE),
        ),
    ),
    Procedure(
        "Log",
        "log",
        "ct log NAME",
        "reader",
        "rows",
        (_ONE_OR_ALL, Argument("newest", "%Integer", 50)),
        lambda parts, _door, model, newest: table.log_rows(parts, model, newest),
        "List the newest audit events of one model or of all, oldest of them first.",
        (
            _text("event_id"),
            _instant("happened_at"),
            _text("model"),
            _text("step"),
            _text("severity"),
            _text("event_text", TEXT),
            _text("facts", TEXT),
        ),
    ),
)


def find(name: str) -> Procedure:
    """Give a procedure by its name, or by its name in SQL; upper and lower case are one.

    Raises
    ------
    ConfigError
        If there is none.
    """
    wanted = name.casefold()
    for procedure in PROCEDURES:
        if wanted in {procedure.name.casefold(), procedure.sql_name.casefold()}:
            return procedure
    raise ConfigError(
        f"There is no procedure '{name}'. There are: {', '.join(p.name for p in PROCEDURES)}."
    )


def perform(procedure: Procedure, parts: Parts, door: Door, given: Sequence[Scalar]) -> Any:
    """Ask a procedure: its value, its whole answer, or its rows in the order of ``columns``."""
    return procedure.ask(parts, door, *procedure.bind(given))
