"""``ct model``: onboard, list, package and delete models from elsewhere, and trust their authors."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from iris_ct.cli.clusters import (
    CLUSTER,
    LIST,
    Cluster,
    ClusterOptions,
    ListOptions,
    say_success,
)
from iris_ct.cli.rendering import show_json, show_lines, show_plain_table, warn
from iris_ct.cli.verbs import verb_named
from iris_ct.cli.when import local_now, say_when

_VERB = verb_named("model")

model = App(
    name=_VERB.name,
    help=_VERB.line,
    help_format="plaintext",
    help_epilogue=_VERB.epilogue,
    default_parameter=Parameter(negative=()),
    version_flags=(),
)


@model.command
def onboard(
    *,
    source: Path | None = None,
    archive: Path | None = None,
    docker: str | None = None,
    id: Annotated[str | None, Parameter(name="--id")] = None,
    title: str | None = None,
    version: str | None = None,
    author: str | None = None,
    description: str | None = None,
    docker_registry_secret_name: str | None = None,
    domain: str = "",
    options: ClusterOptions = CLUSTER,
) -> int:
    """Onboard a model: its source, a signed package of it, or a container image.

    Parameters
    ----------
    source
        Directory with the model's source and MXE-META-INF/INFO.
    archive
        Package that ct model package made.
    docker
        Name of a container image; it is listed, but nothing here runs it.
    id
        Id of the image's model: lower-case letters, digits and dots, at most 32.
    title
        Title of the image's model.
    version
        Version of the image's model: a.b.c.
    author
        Author of the image's model.
    description
        What the image's model is for, at most 120 characters.
    docker_registry_secret_name
        Name of the secret for the image's registry.
    domain
        Who may see and use it; everybody without one.
    """
    said = {"archive": archive, "docker": docker, "source": source}
    given = [name for name, value in said.items() if value]
    about = {
        "id": id,
        "title": title,
        "version": version,
        "author": author,
        "description": description,
    }
    _check(given, about, docker_registry_secret_name)
    cluster = options.open()
    if source is not None:
        _onboard_source(source, domain, cluster)
    elif archive is not None:
        if not archive.is_file():
            raise FileNotFoundError(f"No such file: {archive}. Nothing was onboarded.")
        show_lines(["Sending the model archive to the server -"])
        say_success(cluster.onboard_file("archivefile", archive, domain), cluster)
    else:
        image = {name: value or "" for name, value in about.items()}
        say_success(
            cluster.onboard_image(
                image
                | {
                    "image": str(docker),
                    "secret": docker_registry_secret_name or "",
                    "domain": domain,
                }
            ),
            cluster,
        )
    return 0


@model.command(name="list")
def list_(*, options: ListOptions = LIST) -> int:
    """List the onboarded models."""
    told = options.open().packages()
    if options.json:
        show_json(told)
    else:
        show_plain_table(*package_table(told, local_now()))
    return 0


@model.command
def package(
    *,
    source: Path,
    privatekey: Path,
    publickey: Path,
    network: str | None = None,
    docker_username: str | None = None,
    docker_password: str | None = None,
    obfuscate: bool = False,
    options: ClusterOptions = CLUSTER,
) -> int:
    """Make a signed package <id>_<version>.tgz of a model's source, here.

    In a Git project only committed changes are packed.

    Parameters
    ----------
    source
        Directory with the model's source and MXE-META-INF/INFO.
    privatekey
        The author's RSA key, PEM.
    publickey
        Its public key, PEM; whoever takes the package must have registered it.
    network
        Not used: no container is built.
    docker_username
        Not used: no container is built.
    docker_password
        Not used: no container is built.
    obfuscate
        Refused: source that cannot be read cannot be audited either.
    """
    from iris_ct.core.errors import ServiceRuleError
    from iris_ct.procedures.package_model import package_model

    if obfuscate:
        raise ServiceRuleError("--obfuscate is not offered: the source is packed as it is.")
    unused = {
        "--network": network,
        "--docker-username": docker_username,
        "--docker-password": docker_password,
    }
    for name, value in unused.items():
        if value is not None:
            warn(f"Warning: {name} is not used: no container is built.")
    path = package_model(
        source,
        privatekey,
        publickey,
        Path.cwd(),
        lambda name: show_lines([f"Python model is detected. Model main class: {name}"]),
    )
    options.tell(f"{path} has {path.stat().st_size} bytes")
    show_lines(["Success: model archive created:", path.name])
    return 0


@model.command
def delete(*, id: str, version: str, options: ClusterOptions = CLUSTER) -> int:
    """Delete a version of an onboarded model.

    Parameters
    ----------
    id
        Its id.
    version
        Its version; unknown for one whose INFO was not read.
    """
    from iris_ct.core.service import UNKNOWN, ModelRef, check_version

    if version != UNKNOWN:
        check_version(version)
    cluster = options.open()
    say_success(cluster.delete_package(ModelRef(id, version)), cluster)
    return 0


@model.command
def trust(*, name: str, publickey: Path, options: ClusterOptions = CLUSTER) -> int:
    """Register an author: signed packages of theirs are taken from now on.

    Parameters
    ----------
    name
        The author.
    publickey
        The author's public RSA key, PEM.
    """
    cluster = options.open()
    text = publickey.read_text("ascii", errors="replace")
    say_success(cluster.trust(name, text), cluster)
    return 0


@model.command
def distrust(*, name: str, options: ClusterOptions = CLUSTER) -> int:
    """Remove an author; what was onboarded stays.

    Parameters
    ----------
    name
        The author.
    """
    cluster = options.open()
    say_success(cluster.distrust(name), cluster)
    return 0


@model.command
def authors(*, options: ListOptions = LIST) -> int:
    """List the registered authors."""
    told = options.open().authors()
    if options.json:
        show_json(told)
    else:
        keys = ["".join(one["publicKey"].splitlines()[1:-1])[-24:] for one in told]
        rows = [[one["name"], f"...{key}"] for one, key in zip(told, keys, strict=True)]
        show_plain_table(["NAME", "PUBLIC_KEY"], rows)
    return 0


def package_table(told: list[dict[str, Any]], now: datetime) -> tuple[list[str], list[list[str]]]:
    """Give the columns and rows of the list."""
    columns = ["ONBOARDED", "USER", "ID", "VERSION", "IMAGE_NAME", "TITLE", "AUTHOR", "STATUS"]
    rows = [
        [
            say_when(one["created"], now),
            one["createdByUserName"] or "-",
            one["id"],
            one["version"],
            one["image"],
            one["title"] or "-",
            one["author"] or "-",
            f"ERROR: {one['message']}" if one["status"] == "error" else one["status"],
        ]
        for one in told
    ]
    return columns, rows


def _onboard_source(source: Path, domain: str, cluster: Cluster) -> None:
    from iris_ct.adapters.source_archive import read_member, zip_source
    from iris_ct.core.service.info import INFO, parse_info

    if not source.is_dir():
        raise NotADirectoryError(f"Source parameter must be a directory; {source} is none.")
    show_lines(["Compressing the given model source -"])
    content = zip_source(source)
    parse_info(read_member(content, INFO))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{source.resolve().name or 'model'}.zip")
        path.write_bytes(content)
        show_lines(
            [
                f"Archive {path.name} created from model source.",
                "Sending the model source to the server -",
            ]
        )
        say_success(cluster.onboard_file("sourcefile", path, domain), cluster)


def _check(given: list[str], about: dict[str, str | None], secret: str | None) -> None:
    """Refuse options that do not go together."""
    from iris_ct.core.errors import ServiceRuleError

    if not given:
        raise ServiceRuleError(
            "At least one of the following flags should be set: archive, docker, source."
        )
    if len(given) > 1:
        names = ", ".join(given[:-1]) + f" and {given[-1]}"
        raise ServiceRuleError(
            f"{names} flags are set, only one of them can be used.".capitalize()
        )
    if given == ["docker"]:
        missing = [name for name in ("id", "title", "version") if not about[name]]
        if missing:
            raise ServiceRuleError(f"Required flag(s) {', '.join(missing)} not set.")
        return
    if secret is not None:
        raise ServiceRuleError(
            "Secret name for docker registry can only be given together with docker flag."
        )
    if extra := [name for name, value in about.items() if value is not None]:
        raise ServiceRuleError(
            f"{', '.join(extra)} can only be given together with docker flag; a source says them "
            "in MXE-META-INF/INFO."
        )
