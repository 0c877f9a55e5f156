"""The model catalogue: models from elsewhere, as source, signed package or container image.

What is onboarded is unpacked and built by a process of its own (`iris_ct.procedures.packaging`), so
that the asker gets an answer at once; how it went is in the catalogue. Answers are the REST
interface's JSON.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from iris_ct.adapters.signing import read_public_key, read_signed_package
from iris_ct.bootstrap import Parts
from iris_ct.core.errors import (
    NameTakenError,
    NotReadyError,
    PackageRefusedError,
    ServiceRuleError,
    UnknownServiceError,
)
from iris_ct.core.service import (
    UNKNOWN,
    Author,
    ModelRef,
    Package,
    check_description,
    check_domain,
    check_package_id,
    check_version,
)
from iris_ct.flow.identify import audit_event
from iris_ct.procedures.asker import Asker
from iris_ct.procedures.door import Answer
from iris_ct.procedures.services import IMAGE

FOLDER = Path("serving") / "packages"
ARCHIVE = "source.zip"
LOG = "packaging.log"
STARTED = "Packaging has been started"

Launch = Callable[[Parts, Package], None]


def onboard_image(
    parts: Parts,
    asker: Asker,
    *,
    image: str,
    id: str,
    version: str,
    title: str,
    author: str = "",
    description: str = "",
    secret: str = "",
    domain: str = "",
) -> Answer:
    """Enter a container image into the catalogue; nothing here can run it.

    Raises
    ------
    ServiceRuleError
        If a name breaks a rule.
    NameTakenError
        If the id and version, or the image, are there already.
    """
    if not image or not title:
        raise ServiceRuleError(f"The {'title' if image else 'image'} of the model is missing.")
    asker.check(check_domain(domain), "onboard", f"model {id}")
    package = Package(
        id=check_package_id(id),
        version=check_version(version),
        image=image,
        title=title,
        author=author,
        description=check_description(description),
        status="available",
        owner=asker.name,
        domain=domain,
        place="",
        runtime=IMAGE,
        signed_by="",
        failure="",
        onboarded_at=parts.clock.now(),
    )
    words = (
        f'Model "{image}" has been onboarded to cluster with ID "{id}" and version "{version}".'
    )
    with parts.store.services.alone():
        refuse_own(parts, package.id)
        parts.store.packages.add(package)
        _tell(parts, package.id, "onboarded", words, asker, package.onboarded_at, secret=secret)
    return {"message": words}


def onboard_source(
    parts: Parts,
    asker: Asker,
    name: str,
    content: bytes,
    *,
    domain: str = "",
    launch: Launch | None = None,
) -> Answer:
    """Take the zipped source of a model, and begin to package it.

    Parameters
    ----------
    name : str
        File name of the archive; what it is called until its INFO is read.
    launch : callable, optional
        Begins the packaging; by default in a process of its own.
    """
    return _begin(parts, asker, name, content, signed_by="", domain=domain, launch=launch)


def onboard_archive(
    parts: Parts,
    asker: Asker,
    name: str,
    content: bytes,
    *,
    domain: str = "",
    launch: Launch | None = None,
) -> Answer:
    """Take a signed package if its author is registered, and begin to package what is in it.

    Raises
    ------
    PackageRefusedError
        If its key is not registered, or its signature does not fit. Nothing is unpacked then.
    """
    signed = read_signed_package(content)
    author = parts.store.authors.of_key(signed.public_key)
    if author is None:
        raise PackageRefusedError(
            "The package is signed with a key that belongs to no registered author. Register the "
            "author first, if you trust them: ct model trust --name NAME --publickey FILE"
        )
    signed.verify()
    return _begin(
        parts, asker, name, signed.archive, signed_by=author.name, domain=domain, launch=launch
    )


def packages(parts: Parts, asker: Asker, *, id: str | None = None) -> list[Answer]:
    """List the packages that the asker may see, newest first; ``id`` picks those of one model."""
    return [
        _answer(parts, package)
        for package in parts.store.packages.packages()
        if asker.may(package.domain) and id in {None, package.id}
    ]


def delete_package(parts: Parts, asker: Asker, reference: ModelRef) -> Answer:
    """Delete a package and its files.

    Raises
    ------
    UnknownServiceError
        If there is none.
    NotReadyError
        If it is being packaged, or a service uses it.
    NotAllowedError
        If its domain is not the asker's.
    """
    name = f'Model "{reference.id[:80]}" version "{reference.version[:40]}"'
    with parts.store.services.alone():
        package = parts.store.packages.get(reference)
        if package is None:
            raise UnknownServiceError(f"{name} not found! See: ct model list")
        asker.check(package.domain, "delete", f"model {reference.id}")
        if package.status == "packaging" and not _was_interrupted(parts, package):
            raise NotReadyError(
                f"{name} is being onboarded, it can not be deleted at the moment. Please try it "
                "later!"
            )
        users = [
            kept.service.name
            for kept in parts.store.services.services()
            if reference in kept.service.models
        ]
        if users:
            raise NotReadyError(
                f"{name} is used by {', '.join(users)}. Please delete all the associated model "
                "services with the command mxe-service delete, and delete the model afterwards!"
            )
        parts.store.packages.delete(reference)
        words = f"{name} has been deleted from cluster."
        _tell(parts, reference.id, "deleted", words, asker, parts.clock.now())
    if package.place:
        shutil.rmtree(parts.home / package.place, ignore_errors=True)
    return {"message": words}


def register_author(parts: Parts, asker: Asker, name: str, public_key: str) -> Answer:
    """Take packages that are signed with this key from now on.

    Raises
    ------
    NameTakenError
        If the name or the key is registered.
    PackageRefusedError
        If the key is no RSA key.
    """
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise ServiceRuleError("The author's name must have 1 to 200 printable characters.")
    read_public_key(public_key)
    at = parts.clock.now()
    words = f'Author "{name}" has been registered.'
    with parts.store.services.alone():
        parts.store.authors.register(Author(name, public_key, asker.name, at))
        _tell(parts, "authors", "registered", words, asker, at)
    return {"message": words}


def authors(parts: Parts) -> list[Answer]:
    """List the registered authors, by name."""
    return [
        {"name": author.name, "publicKey": author.public_key}
        for author in parts.store.authors.authors()
    ]


def verify_author(parts: Parts, public_key: str) -> Answer:
    """Say whose key it is, if it is registered."""
    author = parts.store.authors.of_key(public_key)
    return {"result": author is not None, "name": author.name if author else None}


def delete_author(parts: Parts, asker: Asker, name: str) -> Answer:
    """Take no packages of an author any more; those that are there stay.

    Raises
    ------
    UnknownServiceError
        If there is none of that name.
    """
    at = parts.clock.now()
    words = f'Author "{name[:200]}" has been removed.'
    with parts.store.services.alone():
        if not parts.store.authors.delete(name):
            raise UnknownServiceError(f'Author "{name[:80]}" is not registered.')
        _tell(parts, "authors", "removed", words, asker, at)
    return {"message": words}


def _begin(
    parts: Parts,
    asker: Asker,
    name: str,
    content: bytes,
    *,
    signed_by: str,
    domain: str,
    launch: Launch | None,
) -> Answer:
    asker.check(check_domain(domain), "onboard", "a model")
    number = str(uuid.uuid4())
    folder = FOLDER / number
    # A name of people; the number makes it unique.
    label = f"{Path(name).name[:100] or 'model.zip'}-{number}"
    (parts.home / folder).mkdir(parents=True)
    (parts.home / folder / ARCHIVE).write_bytes(content)
    package = Package(
        id=label,
        version=UNKNOWN,
        image=label,
        title="",
        author="",
        description="",
        status="packaging",
        owner=asker.name,
        domain=domain,
        place=str(folder),
        runtime="",
        signed_by=signed_by,
        failure="",
        onboarded_at=parts.clock.now(),
    )
    parts.store.packages.add(package)
    (launch or launch_packaging)(parts, package)
    return {"message": STARTED, "id": label, "version": UNKNOWN}


def launch_packaging(parts: Parts, package: Package) -> None:
    """Package in a process of its own, which outlives this one."""
    log = parts.home / package.place / LOG
    with log.open("ab") as file:
        process = subprocess.Popen(  # noqa: S603 - our own module, and names we made
            [
                parts.settings.training_python,
                "-m",
                "iris_ct.procedures.packaging",
                str(parts.home),
                package.id,
            ],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "CT_HOME": str(parts.home)},
            start_new_session=True,
        )
    (parts.home / package.place / "pid").write_text(str(process.pid))
    # So that it does not stay a zombie of a process that lives long.
    threading.Thread(target=process.wait, daemon=True).start()


def finish(parts: Parts, package: Package) -> Package:
    """Note that a package is made; gives it back."""
    parts.store.packages.replace(package.reference, package)
    words = f'Model "{package.id}" version "{package.version}" has been packaged.'
    _tell(parts, package.id, "packaged", words, Asker(package.owner), parts.clock.now())
    return package


def note_failure(parts: Parts, package: Package, reason: str) -> Package:
    """Note why a package could not be made; gives it as it is kept."""
    failed = replace(package, status="error", failure=reason)
    parts.store.packages.replace(package.reference, failed)
    words = f'Model "{package.id}" version "{package.version}" could not be packaged.'
    _tell(parts, package.id, "failed", words, Asker(package.owner), parts.clock.now())
    return failed


def refuse_own(parts: Parts, identifier: str) -> None:
    """Refuse the id of a model that is trained here.

    Raises
    ------
    NameTakenError
        If it is one.
    """
    if identifier in parts.store.specifications.models():
        raise NameTakenError(
            f'"{identifier}" is a model that is trained here. Choose another id for the package.'
        )


def _answer(parts: Parts, package: Package) -> Answer:
    status, message = package.status, package.failure
    if status == "packaging" and _was_interrupted(parts, package):
        status = "error"
        message = "Packaging was interrupted. Delete the model and onboard it again."
    return {
        "id": package.id,
        "version": package.version,
        "title": package.title,
        "author": package.author,
        "signedByName": package.signed_by,
        "description": package.description,
        "image": package.image,
        "created": package.onboarded_at.isoformat(),
        "createdByUserName": package.owner,
        "status": status,
        "message": message,
        "errorLog": _log(parts, package) if status == "error" else "",
        **({"type": "StatefulModel"} if package.is_stateful else {}),
        **({"domain": package.domain} if package.domain else {}),
    }


def _log(parts: Parts, package: Package) -> str:
    path = parts.home / package.place / LOG
    if not package.place or not path.is_file():
        return ""
    return path.read_bytes()[-20_000:].decode("utf-8", "replace")


def _was_interrupted(parts: Parts, package: Package) -> bool:
    """Tell whether nobody makes a package that is not made."""
    try:
        pid = int((parts.home / package.place / "pid").read_text())
    except (FileNotFoundError, ValueError):
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        # It may have ended well since the catalogue was read.
        now = parts.store.packages.get(package.reference)
        return now is not None and now.status == "packaging"
    except PermissionError:
        return False
    return False


def _tell(
    parts: Parts,
    subject: str,
    what: str,
    words: str,
    asker: Asker,
    at: datetime,
    **facts: str,
) -> None:
    parts.store.audit.record(
        audit_event(
            subject[:64],
            "Catalogue",
            f"{subject}/{what}/{at.isoformat()}",
            words,
            at=at,
            facts={"actor": asker.name, **{name: said for name, said in facts.items() if said}},
        )
    )
