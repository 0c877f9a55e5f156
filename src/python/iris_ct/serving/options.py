"""What the gateway is told at its start: ``CT_SERVE_*`` and ``CT_HOME``, read without pydantic.

`config.Settings` declares the same variables for those who look them up; a test holds the two
together. Here they are read by the standard library alone, because each tenth of a second counts
until the first answer.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from iris_ct.core.errors import ConfigError

PREFIX = "CT_SERVE_"


@dataclass(frozen=True)
class GatewayOptions:
    """How the gateway serves.

    Attributes
    ----------
    home
        The durable directory.
    host, port
        Where it listens; port 0 takes a free one.
    workers
        Worker processes a model has at least; 0 scores in the gateway's own process; None: as
        many as the service says.
    threads
        Threads with which one worker scores many rows; 0: as many as there are processors.
    timeout_s
        Seconds a model has to answer where its service does not say.
    start_timeout_s
        Seconds a worker has until it can answer.
    drain_s
        Seconds that requests under way have when the gateway or a worker is to end.
    read_timeout_s
        Seconds a request has to arrive, and one more for each 64 KiB of it.
    max_body_mb, max_waiting_mb
        Megabytes of one request's body, also decompressed, and of all bodies that wait.
    max_connections
        Connections that are open at the same time.
    max_queue
        Requests that wait for one model; more are refused with 503.
    log_max_mb
        Megabytes of a worker's output that are kept, and as much of what was before.
    session_kb, sessions, session_idle_s
        Of a stateful model: KiB of a session's state, sessions that are kept, and seconds without
        use after which one is forgotten.
    tls_cert, tls_key
        PEM files; both or none.
    """

    home: Path = Path("dur")
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int | None = None
    threads: int = 0
    timeout_s: float = 3.0
    start_timeout_s: float = 60.0
    drain_s: float = 10.0
    read_timeout_s: float = 10.0
    max_body_mb: int = 64
    max_waiting_mb: int = 512
    max_connections: int = 1024
    max_queue: int = 1024
    log_max_mb: int = 10
    session_kb: int = 64
    sessions: int = 10_000
    session_idle_s: float = 86_400.0
    tls_cert: Path | None = None
    tls_key: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ConfigError
            Naming the variable, what it holds and what it may hold.
        """
        for name, lowest in _LOWEST.items():
            value = getattr(self, name)
            if value is not None and not value >= lowest:
                raise ConfigError(f"{PREFIX}{name.upper()} = {value}: expected {lowest} or more.")
        if self.port > _HIGHEST_PORT:
            raise ConfigError(f"{PREFIX}PORT = {self.port}: expected at most {_HIGHEST_PORT}.")
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ConfigError(
                "TLS needs a certificate and its key: set CT_SERVE_TLS_CERT (--tls-cert) and "
                "CT_SERVE_TLS_KEY (--tls-key), or neither."
            )

    @property
    def serving_dir(self) -> Path:
        """Where routes, bundles and logs of serving are."""
        return self.home / "serving"

    @property
    def n_threads(self) -> int:
        """Threads with which one worker scores many rows."""
        return self.threads or os.cpu_count() or 1

    @property
    def max_body(self) -> int:
        """Bytes a body may have."""
        return self.max_body_mb << 20

    @property
    def max_waiting(self) -> int:
        """Bytes that all waiting bodies may have."""
        return self.max_waiting_mb << 20


_HIGHEST_PORT = 65535
_LOWEST: Mapping[str, float] = {
    "port": 0,
    "workers": 0,
    "threads": 0,
    "timeout_s": 0.001,
    "start_timeout_s": 0.1,
    "drain_s": 0,
    "read_timeout_s": 0.1,
    "max_body_mb": 1,
    "max_waiting_mb": 1,
    "max_connections": 1,
    "max_queue": 1,
    "log_max_mb": 1,
    "session_kb": 1,
    "sessions": 1,
    "session_idle_s": 1,
}


Options = TypeVar("Options")


def read_options(
    kind: type[Options],
    said: Mapping[str, object] | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    env_file: Path = Path(".env"),
) -> Options:
    """Read options.

    Parameters
    ----------
    kind
        A dataclass; its fields are variables ``CT_SERVE_*``, ``home`` is ``CT_HOME``.
    said : mapping, optional
        By field name, what the command line said; None values were not said.
    environ, env_file
        The environment wins over the file.

    Raises
    ------
    ConfigError
        If a variable cannot be read as what it must be.
    """
    variables = {**_read_env_file(env_file), **environ}
    options: dict[str, object] = {"home": variables.get("CT_HOME") or "dur"}
    for name in kind.__dataclass_fields__:  # type: ignore[attr-defined]  # a dataclass has them
        text = variables.get(f"{PREFIX}{name.upper()}")
        # A variable without a value, as compose files leave them, means the default.
        if name != "home" and text:
            options[name] = text
    options |= {name: value for name, value in (said or {}).items() if value is not None}
    options["home"] = str(Path(str(options["home"])).expanduser().resolve())
    try:
        return msgspec.convert(options, kind, strict=False, dec_hook=_from_text)
    except msgspec.ValidationError as error:
        name = (re.findall(r"\$\.(\w+)", str(error)) or ["?"])[0]
        raise ConfigError(
            f"{PREFIX}{name.upper()} = {options.get(name)!r}: {str(error).split(' - at')[0]}."
        ) from error


def _from_text(kind: type[Any], value: object) -> Any:
    return kind(str(value))


def _read_env_file(path: Path) -> dict[str, str]:
    """Read ``NAME=value`` lines; quotes around a value and comments go."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.absolute()} cannot be read: {error}.") from error
    found = {}
    for line in lines:
        match = _ENV_LINE.match(line)
        if match:
            quoted, bare = match["quoted"], (match["bare"] or "")
            found[match["name"]] = bare.strip() if quoted is None else quoted[1:-1]
    return found


_ENV_LINE = re.compile(
    r"""\s*(?:export\s+)?(?P<name>\w+)\s*=\s*
    (?:(?P<quoted>"[^"]*"|'[^']*')|(?P<bare>(?:(?!\s\#).)*))\s*(?:\#.*)?$""",
    re.VERBOSE,
)
