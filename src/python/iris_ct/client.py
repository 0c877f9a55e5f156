"""A client of model services: logs in by password, keeps its token fresh, asks for predictions.

For programs that were configured for services of this kind before: settings are named as theirs,
in a properties file, a JSON file or the environment. Standard library alone.

Examples
--------
>>> settings = read_settings(text="model-service-uri=http://localhost:8080/model-endpoints/bikes")
>>> settings.model_service_uri
'http://localhost:8080/model-endpoints/bikes'
"""

from __future__ import annotations

import json
import logging
import os
import re
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from iris_ct.core.errors import ConfigError, CTError

_log = logging.getLogger(__name__)

PREFIX = "CT_CLIENT_"
# Seconds for one answer; a model has three by default.
_TIMEOUT_S = 30.0
# A token is renewed when a tenth of its life is left, or this many seconds.
_EARLY_S = 30.0
# What a token lives whose issuer does not say.
_UNSAID_S = 60.0
_SCOPE = "offline_access"
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


class ServiceCallError(CTError):
    """A service or the issuer of tokens did not give what was asked.

    Attributes
    ----------
    status
        HTTP status; 0 if there was no answer.
    answer
        What a service answered, at most 2,000 characters; empty for the issuer.
    """

    def __init__(self, text: str, *, status: int = 0, answer: str = "") -> None:
        super().__init__(text)
        self.status, self.answer = status, answer


@dataclass(frozen=True)
class ClientSettings:
    """What a client is told.

    Attributes
    ----------
    model_service_uri
        Where predictions are asked: ``https://HOST/model-endpoints/SERVICE``.
    access_token_uri
        The issuer's token endpoint; empty: ``access_token`` counts, or none is needed.
    client_id
        The client that the issuer knows.
    username, password
        Of the password grant.
    access_token
        A token that does not need to be asked for, such as one of 'ct token create'.
    disable_ssl_cert_verification
        Take any certificate: for tests only.
    logging_level
        DEBUG, INFO, WARNING or ERROR.
    """

    model_service_uri: str
    access_token_uri: str = ""
    client_id: str = "mxe-rest-client"
    username: str = ""
    password: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    disable_ssl_cert_verification: bool = False
    logging_level: str = "WARNING"

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises
        ------
        ConfigError
        """
        if not self.model_service_uri:
            raise ConfigError(
                "model-service-uri is missing. Expected https://HOST/model-endpoints/SERVICE in "
                f"the settings or in {PREFIX}MODEL_SERVICE_URI."
            )
        _check_uri("model-service-uri", self.model_service_uri)
        if self.logging_level not in _LEVELS:
            raise ConfigError(
                f"logging-level = {self.logging_level!r}: expected one of {', '.join(_LEVELS)}."
            )
        if self.access_token_uri:
            _check_uri("access-token-uri", self.access_token_uri)
            if not (self.client_id and self.username and self.password):
                raise ConfigError(
                    "access-token-uri needs client-id, username and password; one is missing."
                )


def read_settings(
    path: Path | None = None,
    *,
    text: str | None = None,
    environ: Mapping[str, str] = os.environ,
) -> ClientSettings:
    """Read settings.

    Names are taken however they are written: ``model-service-uri``, ``modelServiceUri``,
    ``MODEL_SERVICE_URI``.

    Parameters
    ----------
    path
        A JSON object, or lines ``name=value`` or ``name: value``; ``#`` begins a comment.
    text
        The same as text.
    environ
        Wins over the file: ``CT_CLIENT_MODEL_SERVICE_URI`` and so on.

    Raises
    ------
    ConfigError
        If the file cannot be read, a name is not known, or a value is wrong.
    """
    if path is not None:
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{path} cannot be read: {error}.") from error
    said = _read(text or "", str(path or "The settings"))
    said |= {
        _plain(name.removeprefix(PREFIX)): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and value
    }
    known = {_plain(one.name): one.name for one in fields(ClientSettings)}
    for name in said:
        if name not in known:
            expected = ", ".join(one.name.replace("_", "-") for one in fields(ClientSettings))
            raise ConfigError(f"There is no setting {name!r}. Expected: {expected}.")
    values: dict[str, Any] = {known[name]: value for name, value in said.items()}
    values.setdefault("model_service_uri", "")
    if "disable_ssl_cert_verification" in values:
        values["disable_ssl_cert_verification"] = _switch(values["disable_ssl_cert_verification"])
    if "logging_level" in values:
        level = values["logging_level"].upper()
        values["logging_level"] = {"WARN": "WARNING", "TRACE": "DEBUG"}.get(level, level)
    return ClientSettings(**values)


class ModelClient:
    """Asks one model service; may be used by several threads.

    Parameters
    ----------
    settings
        As `read_settings` gives them.
    clock
        Seconds that never go back.
    """

    def __init__(
        self, settings: ClientSettings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._lock = threading.Lock()
        self._token = settings.access_token
        self._refresh_token = ""
        self._renew_at = 0.0
        _log.setLevel(settings.logging_level)
        trusted = ssl.create_default_context()
        if settings.disable_ssl_cert_verification:
            _log.warning("Certificates are not verified: anybody may answer, and read the token.")
            trusted.check_hostname = False
            trusted.verify_mode = ssl.CERT_NONE
        self._opener = urllib.request.build_opener(
            _NoRedirect, urllib.request.HTTPSHandler(context=trusted)
        )

    def predict(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Ask for predictions.

        Parameters
        ----------
        message
            As the service's protocol has it, such as
            ``{"data": {"names": ["hour"], "ndarray": [[7]]}}``.

        Returns
        -------
        dict
            What it answers.

        Raises
        ------
        ServiceCallError
            If it answers no prediction, or the issuer no token.
        """
        body = json.dumps(message).encode()
        token = self._fresh_token()
        status, answer = self._post_message(body, token)
        if status == 401 and self.settings.access_token_uri:
            # Withdrawn, or the clocks differ: a new token is tried once.
            _log.info("The token was refused; a new one is asked for.")
            status, answer = self._post_message(body, self._fresh_token(refused=token))
        if status != 200:
            raise ServiceCallError(
                _failed(self.settings.model_service_uri, status),
                status=status,
                answer=answer[:2000].decode("utf-8", "replace"),
            )
        return _object(answer, self.settings.model_service_uri)

    def _post_message(self, body: bytes, token: str) -> tuple[int, bytes]:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return self._post(self.settings.model_service_uri, body, headers)

    def _fresh_token(self, *, refused: str = "") -> str:
        """Give a token that still counts for a while; ``refused`` counts no more."""
        if not self.settings.access_token_uri:
            return self._token
        with self._lock:
            if refused and refused == self._token:
                self._token = ""
            if not self._token or self._clock() >= self._renew_at:
                self._renew()
            return self._token

    def _renew(self) -> None:
        if self._refresh_token:
            status, told = self._ask_issuer(
                {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
            )
            if status == 200:
                _log.debug("The token was renewed.")
                self._keep(told)
                return
            # The session at the issuer is over; the password begins a new one.
            _log.info("The issuer renews the token no more (status %d).", status)
            self._refresh_token = ""
        settings = self.settings
        status, told = self._ask_issuer(
            {
                "grant_type": "password",
                "username": settings.username,
                "password": settings.password,
                "scope": _SCOPE,
            }
        )
        if status != 200:
            raise ServiceCallError(
                f"{settings.access_token_uri} gives no token to {settings.username} (status "
                f"{status}). Check client-id, username and password, and that the issuer offers "
                f"the password grant with scope {_SCOPE} to this client.",
                status=status,
            )
        _log.debug("The issuer gave a token.")
        self._keep(told)

    def _ask_issuer(self, form: Mapping[str, str]) -> tuple[int, bytes]:
        return self._post(
            self.settings.access_token_uri,
            urlencode({"client_id": self.settings.client_id, **form}).encode(),
            {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"},
        )

    def _keep(self, told: bytes) -> None:
        where = self.settings.access_token_uri
        answer = _object(told, where)
        token, life_s = answer.get("access_token"), answer.get("expires_in", _UNSAID_S)
        if not isinstance(token, str) or not isinstance(life_s, int | float):
            raise ServiceCallError(f"{where} answered no access_token with expires_in.")
        self._token = token
        self._refresh_token = str(answer.get("refresh_token") or self._refresh_token)
        self._renew_at = self._clock() + life_s - min(_EARLY_S, life_s / 10)

    def _post(self, uri: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        request = urllib.request.Request(uri, body, dict(headers), method="POST")  # noqa: S310 - the scheme was checked
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()
        except (OSError, ValueError) as error:
            reason = getattr(error, "reason", None) or error
            raise ServiceCallError(f"{uri} does not answer: {reason}.") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect to a login page must not take the token along."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: Any,
        newurl: str,
    ) -> None:
        return None


def _failed(uri: str, status: int) -> str:
    what = {
        307: "it wants a login: set access-token-uri, username and password, or access-token",
        401: "the token does not count there, or none was sent",
        403: "the role of the token is too little",
        404: "there is no such service, or it is not in a domain of the token",
        429: "too many requests; ask more slowly",
        504: "the model did not answer in time",
    }.get(status, "its answer says why")
    return f"{uri} answered with status {status}: {what}."


def _object(text: bytes, where: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ServiceCallError(f"{where} answered what is no JSON.", status=200) from error
    if not isinstance(found, dict):
        raise ServiceCallError(f"{where} answered JSON that is no object.", status=200)
    return found


def _check_uri(name: str, uri: str) -> None:
    parts = urlsplit(uri)
    if parts.scheme not in {"http", "https"} or not parts.netloc or "@" in parts.netloc:
        raise ConfigError(
            f"{name}: expected https://HOST/PATH without user and password in it, found scheme "
            f"{parts.scheme!r}."
        )


def _read(text: str, where: str) -> dict[str, str]:
    if text.lstrip().startswith("{"):
        try:
            found = json.loads(text)
        except ValueError as error:
            raise ConfigError(f"{where}: not JSON, though it begins with a brace.") from error
        return {
            _plain(name): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in found.items()
        }
    said = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith(("#", "!")):
            continue
        match = re.fullmatch(r"\s*([^\s=:]+(?: [^\s=:]+)*)\s*[=:]\s*(.*?)\s*", line)
        if match is None:
            raise ConfigError(f"{where}: line {number} is not name=value.")
        said[_plain(match[1])] = match[2]
    return said


def _plain(name: str) -> str:
    return re.sub(r"[-_. ]", "", name).lower()


def _switch(text: str) -> bool:
    said = text.strip().lower()
    if said not in {"true", "false", "1", "0", "yes", "no"}:
        raise ConfigError(f"disableSslCertVerification = {text!r}: expected true or false.")
    return said in {"true", "1", "yes"}
