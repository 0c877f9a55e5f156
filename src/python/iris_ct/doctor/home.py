"""Is the home well: its directory, store, host, models, MLflow, and what is unfinished."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import unquote, urlsplit

from iris_ct.bootstrap import Parts
from iris_ct.config import Settings
from iris_ct.core.errors import SpecificationError
from iris_ct.doctor.finding import Finding, examine
from iris_ct.flow.standstill import standstill

# A training writes a snapshot and a model, MLflow a copy: rarely more than this.
_LITTLE_BYTES, _NO_BYTES = 2 * 2**30, 100 * 2**20
# The longest that an answer of a healthy MLflow server takes; the doctor does not wait longer.
_MLFLOW_S = 3.0
# The inbox takes a file for complete by its age, so clocks must not differ more.
_CLOCK_S = 30.0
_MANY = 1000
# After the end of a command without a running production, its last line waits for the next one.
_ON_ITS_WAY = timedelta(minutes=10)


def directory(settings: Settings) -> Finding:
    """Tell whether the home can be written, and how much room it has."""
    return examine(
        "home",
        lambda: _directory(settings.root),
        advice=f"Give {settings.root} to this user, or choose another home: --home DIR",
    )


def contents(parts: Parts) -> list[Finding]:
    """Look at everything that is kept in a home."""
    checks: tuple[tuple[str, Callable[[Parts], Finding], str], ...] = (
        ("host", _host, "See the check 'iris'"),
        ("models", _models, "Mend the file; docs/models.md lists all keys"),
        ("sources", _sources, "Mend the model file: docs/models.md"),
        ("mlflow", _mlflow, "Look at MLFLOW_TRACKING_URI; predictions go on without MLflow"),
        ("registrations", _registrations, ""),
        ("records", _records, "Compare the store with a backup"),
        ("audit", _audit, ""),
        ("orphans", _orphans, ""),
        ("clock", _clock, "Set the clock"),
    )
    return [examine(name, partial(check, parts), advice=advice) for name, check, advice in checks]


def store(parts: Parts) -> Finding:
    """Name the store that was opened, and its version: opening has brought it up to date."""
    from iris_ct.adapters.store.migrations import MIGRATIONS

    version = MIGRATIONS[-1].number
    return Finding("store", "ok", f"{_address(parts.settings)}, schema version {version}")


def _directory(root: Path) -> Finding:
    there = next(path for path in (root, *root.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Finding(
            "home",
            "failed",
            f"{root}: {there} cannot be written",
            f"Give {there} to this user, or choose another home: --home DIR",
        )
    free = shutil.disk_usage(there).free
    text = f"{root}, {free / 2**30:.1f} GiB free"
    if free < _NO_BYTES:
        return Finding("home", "failed", text, "Make room: ct purge MODEL --yes removes old facts")
    if free < _LITTLE_BYTES:
        return Finding("home", "warning", text, "Make room soon: ct purge MODEL lists old facts")
    return Finding("home", "ok", text if root.exists() else f"{text}; it is made when needed")


def _host(parts: Parts) -> Finding:
    from iris_ct.embedded import host_client

    with host_client(parts) as client:
        holder, idle, pending = client.holder(), client.keepers(), client.pending()
        suspended = len(client.messages("suspended"))
    if holder is not None:
        who = f"process {holder.pid} on {holder.machine} since {holder.since}"
        text = f"{who}; {pending} messages under way, {suspended} suspended"
        return Finding("host", "ok", text)
    text = f"none runs; {pending} messages under way, {suspended} suspended"
    if idle:
        kept = ", ".join(f"{keeper.pid} on {keeper.machine}" for keeper in idle)
        text = f"stopped, kept by process {kept}; {text}"
        return Finding("host", "warning", text, "Start it: iop --start -D; or end it: ct down")
    if pending:
        return Finding("host", "warning", text, "Start one, which goes on with them: ct up")
    if suspended:
        return Finding("host", "warning", text, "Send them again: ct trace --resend MESSAGE")
    return Finding("host", "ok", text)


def _models(parts: Parts) -> Finding:
    names, wrong = parts.files.names(), []
    for name in names:
        try:
            parts.files.read(name)
        except SpecificationError as error:
            wrong.append(str(error))
    if wrong:
        return Finding("models", "failed", "\n".join(wrong), "Mend the file: docs/models.md")
    folder = parts.settings.models_dir
    if not names:
        advice = "Make one: ct init NAME --from FILE --target COLUMN"
        return Finding("models", "warning", f"no model file in {folder}", advice)
    return Finding("models", "ok", f"{len(names)} valid in {folder}: {', '.join(names)}")


def _sources(parts: Parts) -> Finding:
    """Say how the tables of the models were found when they were looked at last."""
    failures, well = [], []
    for name in parts.files.names():
        state = parts.store.sources.state(name)
        still = standstill(
            name, files=parts.source_files, store=parts.store, now=parts.clock.now()
        )
        if still is not None:
            failures.append(f"{name}: {still.words()}")
        if state is not None and state.failure is not None:
            failures.append(f"{name}: {state.failure}")
        elif state is not None and still is None:
            well.append(name)
    if failures:
        advice = "Mend it; the running production tries again, at once: ct ingest MODEL"
        return Finding("sources", "warning", "\n".join(failures), advice)
    read = f"the tables of {', '.join(well)} are read" if well else "no model reads a table"
    return Finding("sources", "ok", read)


def _mlflow(parts: Parts) -> Finding:
    uri = parts.settings.tracking_uri
    address = urlsplit(uri)
    if address.scheme in {"http", "https"}:
        return _mlflow_server(uri)
    if address.scheme != "sqlite":
        return Finding(
            "mlflow",
            "failed",
            f"an address that starts with '{address.scheme}' is not usable",
            "Set MLFLOW_TRACKING_URI to http(s)://host:port, or unset it for the embedded store",
        )
    path = Path(unquote(address.path).removeprefix("/"))
    if not path.exists():
        return Finding("mlflow", "ok", f"{path}; it is made at the first registration")
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            count = database.execute("SELECT COUNT(*) FROM experiments").fetchone()[0]
    except sqlite3.Error as error:
        return Finding(
            "mlflow",
            "failed",
            f"{path} is no MLflow store: {error}",
            "Restore it from a backup, or move it away: a new one gets what is pending",
        )
    return Finding("mlflow", "ok", f"{path}, {count} experiments")


def _mlflow_server(uri: str) -> Finding:
    address = urlsplit(uri)
    shown = f"{address.scheme}://{address.hostname}" + (f":{address.port}" if address.port else "")
    try:
        with _web().open(f"{uri.rstrip('/')}/health", timeout=_MLFLOW_S) as reply:
            return Finding("mlflow", "ok", f"{shown} answers {reply.status}")
    except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        return Finding(
            "mlflow",
            "warning",
            f"{shown} does not answer: {reason}",
            "Predictions go on; registrations are finished when it is back. Otherwise look at "
            "MLFLOW_TRACKING_URI",
        )


def _web() -> urllib.request.OpenerDirector:
    """Make an opener that knows http and https only: no address makes it read a file."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPHandler(),
        urllib.request.HTTPSHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPRedirectHandler(),
        urllib.request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _registrations(parts: Parts) -> Finding:
    versions = len(parts.store.models.unregistered())
    aliases = parts.store.models.alias_pending()
    if not versions and not aliases:
        return Finding("registrations", "ok", "MLflow knows all versions and champions")
    return Finding(
        "registrations",
        "warning",
        f"{versions} versions and {len(aliases)} champions are not in MLflow yet",
        "The running production registers them as soon as MLflow answers: ct up",
    )


def _records(parts: Parts) -> Finding:
    models = parts.store.specifications.models()
    broken = {model: parts.store.decisions.verify(model) for model in models}
    changed = [f"{model} at {record}" for model, record in broken.items() if record]
    if changed:
        return Finding(
            "records",
            "failed",
            f"decisions were changed after they were taken: {', '.join(changed)}",
            "Compare the store with a backup; 'ct explain RECORD' shows what stands there now",
        )
    return Finding("records", "ok", f"the chains of decisions of {len(models)} models are intact")


def _audit(parts: Parts) -> Finding:
    """Look for events without a line; those of the last minutes may be on their way."""
    late = parts.clock.now() - _ON_ITS_WAY
    unwritten = [e for e in parts.store.audit.unwritten(limit=_MANY) if e.happened_at < late]
    if not unwritten:
        return Finding("audit", "ok", "the audit events have their lines in the console log")
    return Finding(
        "audit",
        "warning",
        f"{len(unwritten)} audit events have had no line for {_ON_ITS_WAY.seconds // 60} minutes",
        "The running production writes them: ct up",
    )


def _orphans(parts: Parts) -> Finding:
    orphans = parts.store.batches.orphans()
    if not orphans:
        return Finding("orphans", "ok", "every file of the store is in its catalogue")
    return Finding(
        "orphans",
        "warning",
        f"{len(orphans)} files of interrupted writes, such as {orphans[0].name}",
        "They are removed at the next start of the production: ct up",
    )


def _clock(parts: Parts) -> Finding:
    """Compare this machine's clock with the home's file system and with what is recorded."""
    now = parts.clock.now()
    with tempfile.NamedTemporaryFile(dir=parts.home, prefix=".clock-") as file:
        apart = os.fstat(file.fileno()).st_mtime - time.time()
    if abs(apart) > _CLOCK_S:
        return Finding(
            "clock",
            "warning",
            f"the home's file system is {apart:+.0f} s away from this machine's clock",
            "Synchronise both clocks: by a file's age the inbox tells whether it is complete",
        )
    newest = parts.store.audit.events(newest=1)
    if newest and newest[-1].happened_at > now + timedelta(seconds=_CLOCK_S):
        return Finding(
            "clock",
            "warning",
            f"it is {now:%Y-%m-%d %H:%M:%S} UTC here, but an event of "
            f"{newest[-1].happened_at:%Y-%m-%d %H:%M:%S} UTC is recorded",
            "Set the clock; cron schedules and retention follow it",
        )
    return Finding("clock", "ok", f"{now:%Y-%m-%d %H:%M:%S} UTC")


def _address(settings: Settings) -> str:
    from sqlalchemy import make_url

    return make_url(settings.database_url).render_as_string(hide_password=True)
