"""Looks at what ``docker compose up`` needs, and says for each finding what to do.

Nothing is started and nothing repaired. Owners and secrets are made by ``deploy/prepare.sh``, which
runs before every start; here it is only seen whether that went well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from iris_ct.doctor import compose_file
from iris_ct.doctor.finding import Finding, examine
from iris_ct.doctor.machine import Machine, Owned

# User of the processes in each container that keeps something: deploy/prepare.sh.
IRIS_UID, POSTGRES_UID, STORAGE_UID, MLFLOW_UID = 51773, 999, 10001, 10002
SECRETS = {
    "iris": (IRIS_UID, ("iris_password", "gateway_password")),
    "postgres": (POSTGRES_UID, ("postgres_password",)),
    "storage": (STORAGE_UID, ("s3_access_key", "s3_secret_key")),
    "mlflow": (MLFLOW_UID, ("postgres_password", "s3_access_key", "s3_secret_key")),
    "serving": (IRIS_UID, ("gateway_password",)),
}
OWNED = {
    **dict.fromkeys(
        ("iconfig", "archive", "quarantine", "store", "artifacts", "serving", "tmp", "log"),
        IRIS_UID,
    ),
    "sandbox/mlflow/postgres": POSTGRES_UID,
    "sandbox/mlflow/s3": STORAGE_UID,
    "sandbox/mlflow/rustfs": STORAGE_UID,
}
# `env_file` with `required` came with this version.
_COMPOSE = (2, 24)
# Community Edition does not start where it sees more.
_MOST_PROCESSORS = 20
# IRIS' databases need locks and ordered writes that these do not give.
_UNFIT = re.compile(r"nfs|cifs|smb|fuse|9p|vboxsf|virtiofs")
# Durable %SYS of a new instance, a first model, and what each of them grows by.
_LITTLE_BYTES = 5 * 2**30
_PREPARE = "docker compose run --rm prepare"


def diagnose_compose(
    folder: Path, *, environment: Mapping[str, str], machine: Machine | None = None
) -> dict[str, Any]:
    """Examine a project's directory and the machine for ``docker compose up``.

    Parameters
    ----------
    folder : Path
        The directory with docker-compose.yml.
    environment : mapping of str to str
        What wins over ``.env``, as for docker compose itself.
    machine : Machine, optional
        Default this one.

    Returns
    -------
    dict
        In the form of `iris_ct.doctor.diagnose`.

    Raises
    ------
    ConfigError
        If there is no docker-compose.yml.
    """
    text = compose_file.read(folder / "docker-compose.yml")
    project = _Project(folder, text, environment, machine or Machine())
    checks: tuple[tuple[str, Callable[[], Finding]], ...] = (
        ("engine", project.engine),
        ("compose", project.compose),
        ("env", project.env),
        ("variables", project.known),
        ("dur", project.dur),
        ("disk", project.disk),
        ("secrets", project.secrets),
        ("ports", project.ports),
        ("memory", project.memory),
        ("processors", project.processors),
    )
    advice = "Look at .env and docker-compose.yml; .env.example explains each variable"
    findings = [examine(name, check, advice=advice) for name, check in checks]
    return {
        "ok": all(finding.state != "failed" for finding in findings),
        "checks": [finding.content() for finding in findings],
    }


@dataclass(frozen=True)
class _Project:
    folder: Path
    text: str
    environment: Mapping[str, str]
    machine: Machine

    @cached_property
    def said(self) -> dict[str, str]:
        """What ``.env`` says."""
        from dotenv import dotenv_values

        path = self.folder / ".env"
        found = dotenv_values(path, interpolate=False) if path.is_file() else {}
        return {name: word or "" for name, word in found.items()}

    @cached_property
    def values(self) -> dict[str, str]:
        return {**self.said, **self.environment}

    @cached_property
    def taken(self) -> list[compose_file.Service]:
        return compose_file.services(self.text, self.values)

    @cached_property
    def engine_version(self) -> str | None:
        return self.machine.answer("docker", "version", "--format", "{{.Server.Version}}")

    def engine(self) -> Finding:
        if self.engine_version:
            return Finding("engine", "ok", f"docker {self.engine_version}")
        return Finding(
            "engine",
            "failed",
            "no docker engine answers",
            "Install Docker Engine, start it (systemctl start docker), and let this user use it "
            "(usermod -aG docker USER, then log in again)",
        )

    def compose(self) -> Finding:
        wanted = ".".join(map(str, _COMPOSE))
        advice = f"Install the compose plugin, {wanted} or newer: docs.docker.com/compose/install"
        version = self.machine.answer("docker", "compose", "version", "--short")
        if not version:
            return Finding("compose", "failed", "'docker compose' is not there", advice)
        if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _COMPOSE:
            return Finding("compose", "failed", f"{version}: expected {wanted} or newer", advice)
        return Finding("compose", "ok", version)

    def env(self) -> Finding:
        variables = compose_file.variables(self.text).values()
        missing = [v.name for v in variables if v.required and not self.values.get(v.name)]
        if not (self.folder / ".env").is_file():
            return Finding("env", "failed", "no .env", "cp .env.example .env")
        if missing:
            text = f".env lacks {', '.join(missing)}"
            return Finding("env", "failed", text, "Set them in .env; .env.example explains them")
        return Finding("env", "ok", f".env sets {len(self.said)} variables")

    def known(self) -> Finding:
        """Look for names that nobody reads: most often a slip of the pen."""
        example = self.folder / ".env.example"
        lines = example.read_text(encoding="utf-8") if example.is_file() else ""
        known = {*re.findall(r"^(?:# )?([A-Z][A-Z0-9_]*)=", lines, re.MULTILINE)}
        known |= {*compose_file.variables(self.text)}
        unknown = [n for n in self.said if n not in known and not n.startswith("COMPOSE_")]
        if unknown:
            text = f"nobody reads {', '.join(unknown)}"
            return Finding(
                "variables", "warning", text, "Look for a slip of the pen in .env; .env.example"
            )
        return Finding("variables", "ok", "every name in .env is known")

    def dur(self) -> Finding:
        home = self.folder / "dur"
        if not home.is_dir():
            return Finding("dur", "failed", f"{home} is missing", "mkdir dur")
        kind = self.machine.file_system(home)
        if _UNFIT.search(kind):
            return Finding(
                "dur",
                "failed",
                f"{home} is on a file system of type {kind}, which IRIS' databases do not bear",
                "Move the project to a local disk, or see docs/deployment.md for a named volume",
            )
        wrong = [
            f"dur/{name} belongs to user {owned.uid}, expected {uid}"
            for name, uid in OWNED.items()
            if (owned := self._seen(home / name)) is not None and owned.uid != uid
        ]
        if wrong:
            return Finding(
                "dur",
                "warning",
                "; ".join(wrong),
                f"The next start gives them away, and so does: {_PREPARE}. First stop a production "
                "that uses them outside containers (ct down)",
            )
        return self._iconfig(home / "iconfig")

    def _seen(self, path: Path) -> Owned | None:
        """Look at a path; None also where this user may not, as in what is the containers' own."""
        try:
            return self.machine.owned(path)
        except PermissionError:
            return None

    def disk(self) -> Finding:
        home = self.folder / "dur"
        free = self.machine.free_bytes(home if home.is_dir() else self.folder)
        text = f"{free / 2**30:.1f} GiB free"
        if free < _LITTLE_BYTES:
            advice = (
                f"Make room: IRIS, MLflow and models need {_LITTLE_BYTES // 2**30} GiB to begin"
            )
            return Finding("disk", "warning", text, advice)
        return Finding("disk", "ok", text)

    def _iconfig(self, path: Path) -> Finding:
        """IRIS copies itself into an empty directory, and refuses one with something else."""
        try:
            names = {found.name for found in path.iterdir()}
        except FileNotFoundError:
            return Finding("dur", "ok", "the first start makes what is needed")
        except PermissionError:
            return Finding("dur", "ok", f"belongs to the containers' users; {path} is IRIS' own")
        if names and "mgr" not in names:
            return Finding(
                "dur",
                "failed",
                f"{path} is not empty and holds no mgr/: IRIS would not start",
                f"Move away what is in {path}",
            )
        return Finding("dur", "ok", "belongs to the containers' users")

    def secrets(self) -> Finding:
        home = self.folder / "dur" / "secrets"
        try:
            there = self.machine.owned(home)
        except PermissionError:
            return Finding("secrets", "ok", f"{home}: this user may not look; root sees all")
        if there is None:
            return Finding("secrets", "ok", "the first start makes them in dur/secrets")
        wrong, unseen = [], False
        for service, (uid, names) in SECRETS.items():
            try:
                wrong += [*self._wrong(home / service, uid, names)]
            except PermissionError:
                unseen = True
        if wrong:
            return Finding("secrets", "failed", "; ".join(wrong), _PREPARE)
        seen = "as far as this user may look; root sees all" if unseen else "each its owner's only"
        return Finding("secrets", "ok", f"dur/secrets: {seen}")

    def _wrong(self, folder: Path, uid: int, names: tuple[str, ...]) -> list[str]:
        shown = f"dur/secrets/{folder.name}"
        there = self.machine.owned(folder)
        if there is None:
            return [f"{shown} is missing"]
        if there.uid != uid or there.mode & 0o077:
            return [f"{shown}: user {there.uid}, mode {there.mode:o}; expected {uid}, 500"]
        wrong = []
        for name in names:
            file = self.machine.owned(folder / name)
            if file is None:
                wrong.append(f"{shown}/{name} is missing")
            elif file.uid != uid or file.mode & 0o077:
                wrong.append(
                    f"{shown}/{name}: user {file.uid}, mode {file.mode:o}; expected {uid}, 400"
                )
        return wrong

    def ports(self) -> Finding:
        wanted = [place for service in self.taken for place in service.ports]
        if self.machine.answer("docker", "compose", "ps", "--quiet", folder=self.folder):
            return Finding("ports", "ok", "held by the stack, which runs")
        refused = [
            f"{address}:{port}: {reason}"
            for address, port in wanted
            if (reason := self.machine.taken(address, port)) is not None
        ]
        if refused:
            names = "IRIS_PORT, IRIS_WEB_PORT, MLFLOW_PORT, SERVING_PORT"
            return Finding(
                "ports", "failed", "; ".join(refused), f"Choose others in .env: {names}"
            )
        return Finding("ports", "ok", ", ".join(f"{address}:{port}" for address, port in wanted))

    def memory(self) -> Finding:
        there = self._of_engine("MemTotal") or self.machine.memory_bytes()
        wanted = sum(service.memory_bytes for service in self.taken if service.name != "prepare")
        text = f"limits of {wanted / 2**30:.1f} GiB, {there / 2**30:.1f} GiB there"
        if not there:
            return Finding("memory", "warning", "not told how much there is", "See for yourself")
        most = max(self.taken, key=lambda service: service.memory_bytes)
        if most.memory_bytes > there:
            advice = f"Set {most.name.upper()}_MEMORY below that, or give the machine more"
            return Finding("memory", "failed", f"{text}; {most.name} alone may take more", advice)
        if wanted > there:
            return Finding("memory", "warning", text, "Lower *_MEMORY in .env, or add memory")
        return Finding("memory", "ok", text)

    def processors(self) -> Finding:
        there = self._of_engine("NCPU") or self.machine.processors()
        greedy = [s for s in self.taken if s.cpus > there]
        if greedy:
            names = ", ".join(f"{s.name.upper()}_CPUS" for s in greedy)
            text = f"{there} there; the engine refuses a limit above that"
            return Finding("processors", "failed", text, f"Lower {names} in .env")
        iris = next((s for s in self.taken if s.name == "iris"), None)
        if there > _MOST_PROCESSORS and iris is not None and not iris.cpuset:
            return Finding(
                "processors",
                "warning",
                f"{there} there; Community Edition does not start with more than {_MOST_PROCESSORS}",
                "Set IRIS_CPUSET=0-19 in .env, unless IRIS is licensed",
            )
        return Finding("processors", "ok", f"{there} there")

    def _of_engine(self, field: str) -> int:
        """Ask the engine, which may run in a smaller virtual machine."""
        said = self.machine.answer("docker", "info", "--format", f"{{{{.{field}}}}}")
        return int(said) if self.engine_version and said and said.isdecimal() else 0
