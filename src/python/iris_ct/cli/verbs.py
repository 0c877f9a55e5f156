"""The verbs of ``ct``: where each lives, its line in ``ct --help``, and its examples.

Nothing else is imported here, so that ``ct --help`` answers at once.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Verb:
    """One verb; ``where`` is imported when it is used, its docstring is the long help.

    ``is_group`` says that it has verbs of its own and ``where`` is their parser.
    """

    name: str
    where: str
    line: str
    examples: tuple[str, ...]
    is_group: bool = False

    @property
    def epilogue(self) -> str:
        """Give the end of the verb's help."""
        title = "Example:" if len(self.examples) == 1 else "Examples:"
        return "\n".join((title, *(f"  {example}" for example in self.examples)))


_HERE = "iris_ct.cli"

VERBS: tuple[Verb, ...] = (
    Verb(
        "init",
        f"{_HERE}.models:init",
        "Write a model file from a sample of rows or from an MLflow run.",
        (
            "ct init bikes --from hour.csv --target cnt --time observed_at --exclude casual",
            "ct init bikes --from-run 0f3c9a1be1f54b5a9d4a6c1f0c3d2e1b",
        ),
    ),
    Verb(
        "up",
        f"{_HERE}.production:up",
        "Run the production in the foreground until it is stopped.",
        ("ct up", "ct up --serve 8080"),
    ),
    Verb(
        "serve",
        f"{_HERE}.serve:serve",
        "Answer predictions over HTTP until it is stopped.",
        ("ct serve", "ct serve --port 0 --workers 2"),
    ),
    Verb("down", f"{_HERE}.production:down", "Stop the running production.", ("ct down",)),
    Verb(
        "ingest",
        f"{_HERE}.batches:ingest",
        "Hand over files with rows, or read the model's table; --wait: to the end.",
        ("ct ingest bikes 2012-01.csv 2012-02.csv --wait", "ct ingest bikes"),
    ),
    Verb(
        "labels",
        f"{_HERE}.batches:labels",
        "Hand over files with labels that came later, joined by key.",
        ("ct labels credit paid-2012-03.csv",),
    ),
    Verb(
        "predict",
        f"{_HERE}.predictions:predict",
        "Predict a file, one row, a stored batch or a table with the serving version.",
        (
            "ct predict bikes --in tomorrow.csv --out predicted.csv",
            "ct predict bikes --row '2012-12-31 23:00:00'",
            "ct predict bikes --batch bikes-000007",
        ),
    ),
    Verb(
        "retrain",
        f"{_HERE}.runs:retrain",
        "Ask for a retraining now, or cancel the one under way.",
        ("ct retrain bikes --wait", "ct retrain bikes --cancel"),
    ),
    Verb(
        "status",
        f"{_HERE}.models:status",
        "Say how one model stands, or all of them.",
        ("ct status", "ct status bikes --json"),
    ),
    Verb(
        "drift",
        f"{_HERE}.models:drift",
        "Show the newest drift report, feature by feature.",
        ("ct drift bikes",),
    ),
    Verb(
        "history",
        f"{_HERE}.records:history",
        "List who served when and why, or all decisions; or who served at a time.",
        (
            "ct history bikes",
            "ct history bikes --decisions",
            "ct history bikes --at '2012-06-30 12:00:00'",
        ),
    ),
    Verb(
        "explain",
        f"{_HERE}.records:explain",
        "Say a decision in words, and whether the chain of records is intact.",
        ("ct explain bikes", "ct explain gate-27bd6109d0646018"),
    ),
    Verb(
        "rollback",
        f"{_HERE}.runs:rollback",
        "Let an earlier version serve again.",
        ('ct rollback bikes --to 3 --reason "too low at night since version 4"',),
    ),
    Verb(
        "promote",
        f"{_HERE}.runs:promote",
        "Let a kept version serve, whatever the gate said.",
        ('ct promote bikes --version 5 --reason "held for a holdout of holidays only"',),
    ),
    Verb(
        "service",
        f"{_HERE}.services:service",
        "Create, modify, list, look into and delete model services.",
        (
            "ct service create --name bikes-ab --models bikes:3,bikes:4 --weights 0.2",
            "ct service modify --name bikes-ab --instances 2",
            "ct service list",
            "ct service logs --name bikes-ab --lines 20",
            "ct service delete --name bikes-ab",
        ),
        is_group=True,
    ),
    Verb(
        "model",
        f"{_HERE}.catalogue:model",
        "Onboard, list, package and delete models from elsewhere.",
        (
            "ct model onboard --source ./wine",
            "ct model list",
            "ct model package --source ./wine --privatekey key.pem --publickey key.pub",
            "ct model trust --name jane --publickey jane.pub",
            "ct model delete --id com.shop.wine --version 1.0.0",
        ),
        is_group=True,
    ),
    Verb(
        "quarantine",
        f"{_HERE}.batches:quarantine",
        "List, export or release what is held back.",
        (
            "ct quarantine bikes",
            "ct quarantine bikes --export bikes-000007 held.csv",
            "ct quarantine bikes --release bikes-000007 --file mended.csv",
        ),
    ),
    Verb(
        "trace",
        f"{_HERE}.production:trace",
        "List sessions, or show the messages of one as a tree.",
        ("ct trace", "ct trace 33", "ct trace --resend 41"),
    ),
    Verb(
        "log",
        f"{_HERE}.records:log",
        "Show what happened: audit events, or the host's own log.",
        ("ct log bikes -n 20", "ct log --follow", "ct log --host"),
    ),
    Verb(
        "purge",
        f"{_HERE}.batches:purge",
        "List what is older than its retention; with --yes, remove it.",
        ("ct purge bikes --dry-run", "ct purge bikes --yes"),
    ),
    Verb(
        "token",
        f"{_HERE}.tokens:token",
        "Create, list or delete tokens for the gateway of 'ct serve'.",
        (
            "ct token create ci --role reader --domain loans --expires 90d",
            "ct token list",
            "ct token delete ci",
        ),
    ),
    Verb(
        "doctor",
        f"{_HERE}.doctor:doctor",
        "Check the installation and the home, and say what to do.",
        ("ct doctor", "ct doctor --compose"),
    ),
    Verb(
        "demo",
        f"{_HERE}.demo:demo",
        "Hand two years of bike rentals over, month by month, and show what retraining was worth.",
        ("ct demo --keep ./demo-home",),
    ),
)


def verb_named(name: str) -> Verb:
    """Give the verb of a name."""
    return next(verb for verb in VERBS if verb.name == name)


def overview() -> str:
    """Give what ``ct --help`` prints."""
    width = max(len(verb.name) for verb in VERBS)
    return "\n".join(
        (
            "Usage: ct [--home DIR] VERB ...",
            "",
            "Continuous training of models: rows in, better model out.",
            "",
            "Verbs:",
            *(f"  {verb.name:<{width}}  {verb.line}" for verb in VERBS),
            "",
            "Options, before or after the verb:",
            f"  {'--home DIR':<{width}}  Where everything is kept; default CT_HOME, else ./dur.",
            f"  {'--json':<{width}}  Answer as JSON, for the verbs that answer something.",
            f"  {'--help':<{width}}  Show this, or the help of a verb: ct VERB --help.",
            f"  {'--version':<{width}}  Show the version.",
            "",
            "Exit codes: 0 done, 1 failed or the answer is no, 2 wrong usage or settings.",
            "A first model: ct init NAME --from FILE --target COLUMN, then ct ingest NAME FILE",
        )
    )
