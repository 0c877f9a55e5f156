"""The one place that sets MLflow up: quiet, without telemetry, and quick to say it is away.

MLflow reads its settings from the environment of the process, many of them at import, so
`connect` sets them before it imports MLflow. What the operator has set stays.
"""

from __future__ import annotations

import logging
import math
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from iris_ct.core.errors import RegistryError, RegistryUnavailableError

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SCHEMES = ("http", "https", "sqlite")

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # One repeat: with MLflow's seven a dead server blocks a call for four minutes.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    # Through the server, never from an object store whose name only the server can resolve.
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "GIT_PYTHON_REFRESH": "quiet",
}
# Where a new store's default experiment keeps files; without it ./mlruns of whoever opens first.
_ARTIFACT_ROOT = "_MLFLOW_SERVER_ARTIFACT_ROOT"

_TRACKING_URI = "MLFLOW_TRACKING_URI"

_AWAY_STATUS = {408, 429, 500, 502, 503, 504}
_AWAY_CODES = {
    "TEMPORARILY_UNAVAILABLE",
    "DEADLINE_EXCEEDED",
    "RESOURCE_EXHAUSTED",
    "REQUEST_LIMIT_EXCEEDED",
}

_opening = threading.Lock()


def artifact_root(tracking_uri: str) -> Path | None:
    """Give the artifact directory beside an embedded SQLite store; None for a server.

    Examples
    --------
    >>> artifact_root("sqlite:////srv/dur/sandbox/mlflow/mlflow.db").as_posix()
    '/srv/dur/sandbox/mlflow/artifacts'
    """
    address = urlsplit(tracking_uri)
    if address.scheme != "sqlite":
        return None
    return Path(unquote(address.path).removeprefix("/")).resolve().parent / "artifacts"


def connect(tracking_uri: str, *, timeout_s: float) -> MlflowClient:
    """Open MLflow, creating an embedded store on its first use.

    Parameters
    ----------
    tracking_uri : str
        ``http(s)://host:port`` of a server, or an embedded store such as
        ``sqlite:////srv/dur/sandbox/mlflow/mlflow.db``.
    timeout_s : float
        Seconds one request may take; rounded up to whole seconds, as MLflow counts them.

    Raises
    ------
    RegistryError
        If the address is neither.
    RegistryUnavailableError
        If the embedded store cannot be opened. A server is first asked by the first real call.
    """
    if urlsplit(tracking_uri).scheme not in _SCHEMES:
        raise RegistryError(
            f"The MLflow address '{_without_password(tracking_uri)}' is not usable: expected "
            "http://host:port, https://host:port or sqlite:////path/mlflow.db. Set "
            "MLFLOW_TRACKING_URI to one, or leave it unset for the embedded store; another "
            "database needs an MLflow server in front of it."
        )
    with _opening, translated(tracking_uri):
        _set_environment(tracking_uri, timeout_s)
        _knock(tracking_uri, timeout_s)
        from mlflow import MlflowClient

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        return MlflowClient(tracking_uri, registry_uri=tracking_uri)


@contextmanager
def translated(tracking_uri: str) -> Iterator[None]:
    """Turn MLflow's errors into ours: away (try later) or refused (look at MLflow)."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    # What requests raises is an OSError.
    except (OSError, SQLAlchemyError) as error:
        raise _ours(tracking_uri, error) from error
    except Exception as error:
        # MLflow is only imported where it is used, so its error is known by its name.
        if not any(kind.__name__ == "MlflowException" for kind in type(error).__mro__):
            raise
        raise _ours(tracking_uri, error) from error


@contextmanager
def as_default(tracking_uri: str) -> Iterator[None]:
    """Make an embedded store the default of the process for a moment.

    MLflow's embedded registry looks up a logged model there and not where it is itself. Children
    of this process must not inherit the address, so the environment is put back as it was.
    """
    if artifact_root(tracking_uri) is None:
        yield
        return
    from mlflow import get_tracking_uri, set_tracking_uri, tracking

    is_set: Callable[[], bool] = tracking.is_tracking_uri_set
    # Takes None too, which its annotation leaves out.
    put_back: Callable[..., None] = set_tracking_uri
    with _opening:
        said = os.environ.get(_TRACKING_URI)
        before = get_tracking_uri() if is_set() else None
        set_tracking_uri(tracking_uri)
        try:
            yield
        finally:
            put_back(before)
            if said is None:
                os.environ.pop(_TRACKING_URI, None)
            else:
                os.environ[_TRACKING_URI] = said


def error_code(error: BaseException) -> str:
    """Give MLflow's own code of an error, for example ``RESOURCE_DOES_NOT_EXIST``; else empty."""
    return str(getattr(error, "error_code", ""))


def _set_environment(tracking_uri: str, timeout_s: float) -> None:
    for name, said in _ENVIRONMENT.items():
        os.environ.setdefault(name, said)
    os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] = str(max(1, math.ceil(timeout_s)))
    if (root := artifact_root(tracking_uri)) is not None:
        root.mkdir(parents=True, exist_ok=True)
        os.environ[_ARTIFACT_ROOT] = str(root)


def _knock(tracking_uri: str, timeout_s: float) -> None:
    """Open an embedded store once: at a damaged file MLflow itself would try for a minute."""
    if artifact_root(tracking_uri) is None:
        return
    from sqlalchemy import create_engine, inspect
    from sqlalchemy.pool import NullPool

    engine = create_engine(tracking_uri, poolclass=NullPool, connect_args={"timeout": timeout_s})
    inspect(engine).get_table_names()


def _ours(tracking_uri: str, error: BaseException) -> RegistryError | RegistryUnavailableError:
    where = f"MLflow at {_without_password(tracking_uri)}"
    if _says_away(error):
        return RegistryUnavailableError(
            f"{where} does not answer: {_first_line(error)}. "
            "Predictions go on; registration is finished when it is back."
        )
    return RegistryError(f"{where} refused: {_first_line(error)}.")


def _says_away(error: BaseException) -> bool:
    """Look for a cause that may pass; MLflow wraps what its database or its network says."""
    from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError

    status = getattr(error, "get_http_status_code", lambda: 0)()
    if error_code(error) in _AWAY_CODES or (
        status in _AWAY_STATUS and type(error).__name__ == "RestException"
    ):
        return True
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, IntegrityError | ProgrammingError | DataError):
            return False
        if isinstance(seen, OSError | SQLAlchemyError):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:300].rstrip(".")


def _without_password(tracking_uri: str) -> str:
    address = urlsplit(tracking_uri)
    if address.password is None:
        return tracking_uri
    return tracking_uri.replace(f":{address.password}@", ":***@")
