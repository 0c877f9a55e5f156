"""Where services and packages are: in the home of this machine, or behind a gateway's ``/v1``."""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Protocol
from urllib.parse import quote, urlencode

from cyclopts import Parameter

from iris_ct.cli.options import Home

if TYPE_CHECKING:
    from iris_ct.bootstrap import Parts
    from iris_ct.core.service import Change, ModelRef, Service
    from iris_ct.procedures.asker import Asker

LOCAL = "local"
# An archive of a gigabyte over a usual line.
_TIMEOUT_S = 600.0

Answer = dict[str, Any]
Image = Mapping[str, str]


class Cluster(Protocol):
    """What the commands ask; every change answers with the sentence to be told."""

    name: str

    def create(self, service: Service) -> str:
        """Create a service."""
        ...

    def modify(self, name: str, change: Change) -> str:
        """Change a service."""
        ...

    def delete(self, name: str) -> str:
        """Delete a service."""
        ...

    def services(self) -> list[Answer]:
        """List the services."""
        ...

    def logs(self, name: str, *, lines: int, seconds: int | None, limit: int) -> dict[str, str]:
        """Give the output of a service."""
        ...

    def onboard_file(self, part: str, path: Path, domain: str) -> str:
        """Hand an archive over, as sourcefile or archivefile."""
        ...

    def onboard_image(self, image: Image) -> str:
        """Enter a container image."""
        ...

    def packages(self) -> list[Answer]:
        """List the packages."""
        ...

    def delete_package(self, reference: ModelRef) -> str:
        """Delete a package."""
        ...

    def trust(self, name: str, public_key: str) -> str:
        """Register an author."""
        ...

    def distrust(self, name: str) -> str:
        """Remove an author."""
        ...

    def authors(self) -> list[Answer]:
        """List the authors."""
        ...


@Parameter(name="*")
@dataclass(frozen=True)
class ClusterOptions(Home):
    """Options of every command about services and models.

    Attributes
    ----------
    cluster
        Address of a gateway; without it the home of this machine, whose name is local.
    token
        Bearer token for the gateway; better in the variable CT_TOKEN.
    verbose
        Tell on standard error what is asked.
    """

    cluster: Annotated[
        str | None,
        Parameter(help="Address of a gateway, http(s)://...; default: the home, called local."),
    ] = None
    token: Annotated[
        str | None, Parameter(help="Bearer token for the gateway; better in CT_TOKEN.")
    ] = None
    verbose: Annotated[bool, Parameter(name=("-v", "--verbose"), help="Makes output verbose.")] = (
        False
    )

    def open(self) -> Cluster:
        """Give the cluster that is meant.

        Raises
        ------
        ConfigError
            If it is neither ``local`` nor an address.
        """
        if self.cluster in {None, "", LOCAL}:
            return LocalCluster(self)
        if not re.match(r"https?://[^/]", str(self.cluster)):
            from iris_ct.core.errors import ConfigError

            raise ConfigError(
                f"Cluster does not exist: {self.cluster}. Expected {LOCAL}, or the address of a "
                "gateway: http(s)://..."
            )
        return RemoteCluster(
            str(self.cluster).rstrip("/"), self.token or os.environ.get("CT_TOKEN", ""), self.tell
        )

    def tell(self, text: str) -> None:
        """Say what happens, where that is wished."""
        if self.verbose:
            print(f"Verbose: {text}", file=sys.stderr, flush=True)


CLUSTER = ClusterOptions()


@dataclass(frozen=True)
class ListOptions(ClusterOptions):
    """Options of the commands that list."""

    json: Annotated[bool, Parameter(help="Answer as JSON.")] = False


LIST = ListOptions()


def say_success(message: str, cluster: Cluster) -> None:
    """Tell a success; where the sentence ends with the cluster, its name is said."""
    named = re.sub(r" cluster(\.?)$", rf' cluster "{cluster.name}"\1', message)
    print(f"Success: {named}", flush=True)


class LocalCluster:
    """The home of this machine."""

    name = LOCAL

    def __init__(self, options: ClusterOptions) -> None:
        self._options = options

    @cached_property
    def _parts(self) -> Parts:
        parts = self._options.parts()
        self._options.tell(f"The home is {parts.home}")
        return parts

    @property
    def _asker(self) -> Asker:
        from iris_ct.procedures.asker import Asker

        return Asker(self._parts.settings.who)

    def create(self, service: Service) -> str:
        """Create a service."""
        from iris_ct.procedures import services

        return _message(services.create_service(self._parts, service, self._asker))

    def modify(self, name: str, change: Change) -> str:
        """Change a service."""
        from iris_ct.procedures import services

        return _message(services.modify_service(self._parts, name, change, self._asker))

    def delete(self, name: str) -> str:
        """Delete a service."""
        from iris_ct.procedures import services

        return _message(services.delete_service(self._parts, name, self._asker))

    def services(self) -> list[Answer]:
        """List the services."""
        from iris_ct.procedures import services

        return services.services(self._parts, self._asker)

    def logs(self, name: str, *, lines: int, seconds: int | None, limit: int) -> dict[str, str]:
        """Give the output of a service."""
        from iris_ct.procedures import services

        return services.service_logs(
            self._parts, name, self._asker, lines=lines, seconds=seconds, limit=limit
        )

    def onboard_file(self, part: str, path: Path, domain: str) -> str:
        """Hand an archive over."""
        from iris_ct.procedures import packages

        take = packages.onboard_source if part == "sourcefile" else packages.onboard_archive
        content = path.read_bytes()
        return _message(take(self._parts, self._asker, path.name, content, domain=domain))

    def onboard_image(self, image: Image) -> str:
        """Enter an image."""
        from iris_ct.procedures import packages

        return _message(packages.onboard_image(self._parts, self._asker, **image))

    def packages(self) -> list[Answer]:
        """List the packages."""
        from iris_ct.procedures import packages

        return packages.packages(self._parts, self._asker)

    def delete_package(self, reference: ModelRef) -> str:
        """Delete a package."""
        from iris_ct.procedures import packages

        return _message(packages.delete_package(self._parts, self._asker, reference))

    def trust(self, name: str, public_key: str) -> str:
        """Register an author."""
        from iris_ct.procedures import packages

        return _message(packages.register_author(self._parts, self._asker, name, public_key))

    def distrust(self, name: str) -> str:
        """Remove an author."""
        from iris_ct.procedures import packages

        return _message(packages.delete_author(self._parts, self._asker, name))

    def authors(self) -> list[Answer]:
        """List the authors."""
        from iris_ct.procedures import packages

        return packages.authors(self._parts)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect leads to a log-in page, where no command can go; nor may a token."""

    def redirect_request(self, *_ignored: Any) -> None:
        return None


class RemoteCluster:
    """A gateway's REST interface.

    Parameters
    ----------
    name : str
        Its address.
    token : str
        Bearer token; empty for none.
    """

    def __init__(self, name: str, token: str, tell: Any) -> None:
        self.name = name
        self._token = token
        self._tell = tell
        self._opener = urllib.request.build_opener(_NoRedirect)

    def create(self, service: Service) -> str:
        """Create a service."""
        from iris_ct.core.service import service_to_json

        return _message(self._json("POST", "model-services", service_to_json(service)))

    def modify(self, name: str, change: Change) -> str:
        """Change a service."""
        from iris_ct.core.service import change_to_json

        return _message(
            self._json("PATCH", f"model-services/{quote(name, '')}", change_to_json(change))
        )

    def delete(self, name: str) -> str:
        """Delete a service."""
        return _message(self._json("DELETE", f"model-services/{quote(name, '')}"))

    def services(self) -> list[Answer]:
        """List the services."""
        return _list(self._json("GET", "model-services"))

    def logs(self, name: str, *, lines: int, seconds: int | None, limit: int) -> dict[str, str]:
        """Give the output of a service."""
        asked = {"lines": lines, "limit": limit}
        if seconds is not None:
            asked["seconds"] = seconds
        told = self._json("GET", f"model-services/{quote(name, '')}/logs?{urlencode(asked)}")
        return {str(process): str(text) for process, text in dict(told).items()}

    def onboard_file(self, part: str, path: Path, domain: str) -> str:
        """Hand an archive over."""
        fields = [(part, path.name, "application/octet-stream", path.read_bytes())]
        if domain:
            fields.append(("domain", "", "text/plain", domain.encode()))
        return self._multipart(fields)

    def onboard_image(self, image: Image) -> str:
        """Enter an image."""
        said = {("dockerRegistrySecretName" if k == "secret" else k): v for k, v in image.items()}
        return self._multipart([("modeldata", "", "application/json", json.dumps(said).encode())])

    def packages(self) -> list[Answer]:
        """List the packages."""
        return _list(self._json("GET", "models"))

    def delete_package(self, reference: ModelRef) -> str:
        """Delete a package."""
        path = f"models/{quote(reference.id, '')}/{quote(reference.version, '')}"
        return _message(self._json("DELETE", path))

    def trust(self, name: str, public_key: str) -> str:
        """Register an author."""
        return _message(self._json("POST", "authors", {"name": name, "publicKey": public_key}))

    def distrust(self, name: str) -> str:
        """Remove an author."""
        return _message(self._json("DELETE", f"authors/{quote(name, '')}"))

    def authors(self) -> list[Answer]:
        """List the authors."""
        return _list(self._json("GET", "authors"))

    def _multipart(self, fields: Iterable[tuple[str, str, str, bytes]]) -> str:
        boundary = uuid.uuid4().hex
        parts = []
        for name, file_name, kind, content in fields:
            where = f'form-data; name="{name}"'
            if file_name:
                # As browsers do: the few characters that end the text are written as bytes.
                safe = file_name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
                where += f'; filename="{safe}"'
            head = f"--{boundary}\r\nContent-Disposition: {where}\r\nContent-Type: {kind}\r\n\r\n"
            parts += [head.encode(), content, b"\r\n"]
        body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
        kind = f"multipart/form-data; boundary={boundary}"
        return _message(self._ask("POST", "models", body, kind))

    def _json(self, method: str, path: str, body: object = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        return self._ask(method, path, content, "application/json")

    def _ask(self, method: str, path: str, body: bytes | None, kind: str) -> Any:
        from iris_ct.core.errors import ServiceError, TransientError

        url = f"{self.name}/v1/{path}"
        request = urllib.request.Request(url, data=body, method=method)  # noqa: S310 - http(s) only, checked by `open`
        if body is not None:
            request.add_header("Content-Type", kind)
        if self._token:
            request.add_header("Authorization", f"Bearer {self._token}")
        self._tell(f"{method} {url}")
        try:
            with self._opener.open(request, timeout=_TIMEOUT_S) as answer:
                return _read(answer.read(), url)
        except urllib.error.HTTPError as error:
            with error:
                raise ServiceError(_refusal(error.code, error.read(), url)) from None
        except (urllib.error.URLError, HTTPException, TimeoutError) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise TransientError(
                f"No connection to cluster {self.name} ({reason}). See whether the gateway runs "
                "there: ct serve"
            ) from error


def _read(content: bytes, url: str) -> Any:
    from iris_ct.core.errors import ServiceError

    try:
        return json.loads(content) if content else {}
    except ValueError as error:
        raise ServiceError(
            f"{url} answers with something else than JSON. Is it a gateway?"
        ) from error


def _refusal(status: int, content: bytes, url: str) -> str:
    if status in {301, 302, 303, 307, 308, 401}:
        return (
            f"{url} asks for a log-in (status {status}). Give a valid token in CT_TOKEN or with "
            "--token."
        )
    try:
        said = json.loads(content)
        return str(said.get("message") or said.get("error"))
    except (ValueError, AttributeError):
        return f"{url} answered with status {status}."


def _message(answer: Any) -> str:
    return str(dict(answer).get("message", ""))


def _list(answer: Any) -> list[Answer]:
    return [dict(one) for one in answer]
