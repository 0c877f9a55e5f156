"""Model services: what can be asked of them, for command line and HTTP alike.

A service is written down here; the gateway's control process reads it and runs it. Answers are the
REST interface's JSON: ``{name, type, replicas, models, autoScaling, ...}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from iris_ct.bootstrap import Parts
from iris_ct.core.audit import Severity
from iris_ct.core.errors import (
    NotInCatalogueError,
    NotReadyError,
    ServiceRuleError,
    UnknownServiceError,
)
from iris_ct.core.service import (
    CHAMPION,
    Change,
    ModelRef,
    Service,
    changed,
    service_to_json,
    service_words,
)
from iris_ct.flow.identify import audit_event
from iris_ct.ports import KeptService
from iris_ct.procedures.asker import Asker
from iris_ct.procedures.door import Answer
from iris_ct.procedures.service_logs import read_logs
from iris_ct.procedures.service_sessions import forget_service
from iris_ct.procedures.serving_state import ServingState, read_state

IMAGE = "image"
"""Runtime of a package that is a container image."""


def create_service(parts: Parts, service: Service, asker: Asker) -> Answer:
    """Create a service.

    Returns
    -------
    dict
        ``message``: what was done.

    Raises
    ------
    NameTakenError
        If there is one of that name.
    NotInCatalogueError
        If one of its models is not there, or cannot be served.
    NotReadyError
        If one of its models is not packaged.
    ServiceRuleError
        If one of two models is stateful.
    NotAllowedError
        If the domain is not the asker's.
    """
    asker.check(service.domain, "create", f"model service {service.name}")
    at = parts.clock.now()
    with parts.store.services.alone():
        _check_models(parts, service, asker)
        parts.store.services.create(service, owner=asker.name, at=at)
        words = f'Model service "{service.name}" has been created with {service_words(service)}'
        if service.domain:
            words += f" in domain {service.domain}"
        _tell(parts, service, "created", words, asker, at)
    return {"message": words}


def modify_service(parts: Parts, name: str, change: Change, asker: Asker) -> Answer:
    """Change models, weights or instances of a service, in every subset at once.

    Returns
    -------
    dict
        ``message``: what was done; ``changed``: whether anything was.

    Raises
    ------
    UnknownServiceError
        If there is none of that name.
    ServiceRuleError
        If the result would break a rule.
    NotInCatalogueError, NotReadyError, NotAllowedError
        As of `create_service`.
    """
    at = parts.clock.now()
    with parts.store.services.alone():
        before = _kept(parts, name, "modify", asker).service
        after = changed(before, change)
        if after == before:
            return {
                "message": f'Nothing to do, model service "{name}" already contains '
                f"{service_words(after, amid='and has ')}",
                "changed": False,
            }
        _check_models(parts, after, asker)
        parts.store.services.replace(after, at=at)
        words = f'Model service "{name}" has been updated to use {service_words(after)}'
        _tell(parts, after, "modified", words, asker, at, {"before": service_to_json(before)})
    return {"message": words, "changed": True}


def delete_service(parts: Parts, name: str, asker: Asker) -> Answer:
    """Delete a service.

    Raises
    ------
    UnknownServiceError
        If there is none of that name.
    NotAllowedError
        If its domain is not the asker's.
    """
    at = parts.clock.now()
    with parts.store.services.alone():
        service = _kept(parts, name, "delete", asker).service
        parts.store.services.delete(name)
        forget_service(parts.home, name)
        words = f'Model service "{name}" has been deleted on cluster'
        _tell(parts, service, "deleted", words.removesuffix(" on cluster"), asker, at)
    return {"message": words}


def services(parts: Parts, asker: Asker) -> list[Answer]:
    """List the services that the asker may see, by name.

    A champion is served under its model's name without being asked for, unless a service has that
    name; ``createdByUserName`` is empty then.
    """
    state = read_state(parts.home)
    kept = {one.service.name: _answer(one, state) for one in parts.store.services.services()}
    told = {said["name"]: said for said in _champions(parts, state)} | kept
    return [told[name] for name in sorted(told) if asker.may(told[name].get("domain", ""))]


def service(parts: Parts, name: str, asker: Asker) -> Answer:
    """Give one service.

    Raises
    ------
    UnknownServiceError
        If there is none of that name.
    NotAllowedError
        If its domain is not the asker's.
    """
    state = read_state(parts.home)
    kept = parts.store.services.get(name)
    if kept is not None:
        asker.check(kept.service.domain, "view", f"model service {name}")
        return _answer(kept, state)
    for said in _champions(parts, state):
        if said["name"] == name:
            return said
    raise _unknown(parts, name, asker)


def service_logs(
    parts: Parts,
    name: str,
    asker: Asker,
    *,
    lines: int = 100,
    seconds: int | None = None,
    limit: int = 50_000,
) -> dict[str, str]:
    """Give the newest output of each process of a service, by the process' name.

    Parameters
    ----------
    lines : int
        At most so many lines of each.
    seconds : int, optional
        Only what is not older.
    limit : int
        At most so many bytes of each.

    Raises
    ------
    UnknownServiceError, NotAllowedError
        As of `service`.
    """
    service(parts, name, asker)
    folder = parts.home / "serving" / "logs" / name
    return read_logs(folder, name, parts.clock.now(), lines=lines, seconds=seconds, limit=limit)


def _answer(kept: KeptService, state: ServingState) -> Answer:
    said = service_to_json(kept.service)
    return said | {
        "created": kept.started_at.isoformat(),
        "createdByUserName": kept.owner,
        "status": state.status(kept.service.name),
        "endpoint": state.endpoint(kept.service.name),
    }


def _champions(parts: Parts, state: ServingState) -> list[Answer]:
    """List champions as services; only names are checked that a service could have, too."""
    found = []
    for model in parts.store.specifications.models():
        champion = parts.store.models.champion(model)
        if champion is None or parts.store.services.get(model) is not None:
            continue
        said: Answer = {
            "name": model,
            "type": "model",
            "replicas": 1,
            "models": [{"id": model, "version": CHAMPION}],
            "created": champion.since.isoformat(),
            "createdByUserName": "",
            "status": state.status(model),
            "endpoint": state.endpoint(model),
        }
        running = state.services.get(model, {}).get("instances")
        found.append(
            said | ({"replicas": running} if isinstance(running, int) and running else {})
        )
    return found


def _kept(parts: Parts, name: str, action: str, asker: Asker) -> KeptService:
    kept = parts.store.services.get(name)
    if kept is None:
        raise _unknown(parts, name, asker)
    asker.check(kept.service.domain, action, f"model service {name}")
    return kept


def _unknown(parts: Parts, name: str, asker: Asker) -> UnknownServiceError:
    names = [said["name"] for said in services(parts, asker) if said["createdByUserName"]]
    if any(said["name"] == name for said in services(parts, asker)):
        return UnknownServiceError(
            f'Model service "{name[:80]}" does not exist: the champion is served under that name '
            f"without one. Create it to change it: ct service create --name {name} --models {name}"
        )
    return UnknownServiceError(
        f'Model service "{name[:80]}" does not exist. There are: {", ".join(names) or "none"}.'
    )


def _check_models(parts: Parts, service: Service, asker: Asker) -> None:
    for model in dict.fromkeys(service.models):
        begin = f"Could not perform operation for model service {service.name}, "
        package = parts.store.packages.get(model)
        if package is None:
            _check_own(parts, model, begin)
            continue
        asker.check(package.domain, "use", f'model "{model}"')
        if package.runtime == IMAGE:
            raise NotInCatalogueError(
                f'{begin}model "{model}" is a container image ({package.image}), and no container '
                "engine is driven here. Onboard its source: ct model onboard --source DIRECTORY"
            )
        if package.status != "available":
            raise NotReadyError(f"{begin}invalid model state ([{model}:{package.status}]).")
        if package.is_stateful and len(service.models) > 1:
            raise ServiceRuleError(
                f'{begin}model "{model}" is stateful: it keeps the state of sessions, so a service '
                "has it alone. Expected one model, found two."
            )


def _check_own(parts: Parts, model: ModelRef, begin: str) -> None:
    store = parts.store.models
    if not store.versions(model.id):
        raise NotInCatalogueError(
            f'{begin}model "{model}" is not onboarded. See: ct model list; ct status'
        )
    if model.is_champion:
        if store.champion(model.id) is None:
            raise NotInCatalogueError(f'{begin}model "{model.id}" has no champion yet.')
        return
    numbers = [version.version for version in store.versions(model.id)]
    if model.own_version not in numbers:
        raise NotInCatalogueError(
            f'{begin}model "{model}" is not there. Versions of {model.id}: '
            f"{', '.join(map(str, numbers))}."
        )


def _tell(
    parts: Parts,
    service: Service,
    what: str,
    words: str,
    asker: Asker,
    at: datetime,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Record what was done to a service, under its first model."""
    parts.store.audit.record(
        audit_event(
            service.models[0].id,
            "Service",
            f"{service.name}/{what}/{at.isoformat()}",
            words,
            at=at,
            severity=Severity.INFO,
            facts={"actor": asker.name, "service": service_to_json(service), **(facts or {})},
        )
    )
