"""What must hold for the compose file beyond its schema; findings are sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from iris_ct.doctor.compose_file import filled, variables

Said = Mapping[str, Any]
LOOPBACK = {"127.0.0.1", "[::1]"}
_SECRET = re.compile(r"PASSWORD|SECRET|ACCESS_KEY|TOKEN|CREDENTIAL", re.IGNORECASE)
_URI_WITH_PASSWORD = re.compile(r"://[^/\s:@]+:[^/\s@]+@")
_TAG = re.compile(r"[^/]+:(?P<tag>[\w.-]+)(@sha256:[0-9a-f]{64})?$")


def findings(text: str, example: str) -> list[str]:
    """Give what is wrong with a compose file and its part of .env.example."""
    document = yaml.safe_load(filled(text, {}))
    found = [*_variables(text, example), *_networks(document)]
    for name, service in document["services"].items():
        for rule in (_image, _lasting, _limits, _health, _ports, _environment, _volumes):
            found += [f"{name}: {sentence}" for sentence in rule(service)]
        found += [f"{name}: {s}" for s in _dependencies(service, document["services"])]
    for name in ("iris", "serving"):
        waited = _waits_for(name, document["services"])
        found += [f"{name} waits for {other}" for other in waited]
    if any(str(line).startswith("./dur:") for line in document["services"]["serving"]["volumes"]):
        found.append("serving: sees all of ./dur")
    return found


def examples(text: str) -> dict[str, tuple[str, str]]:
    """Read the variables of .env.example's part for compose: sentence and default."""
    part = text.partition("# ---- docker compose ----\n")[2]
    said = {}
    for block in part.split("\n\n"):
        *sentence, last = [line.removeprefix("# ") for line in block.strip().splitlines()] or [""]
        if match := re.fullmatch(r"([A-Z][A-Z0-9_]*)=(.*)", last):
            said[match[1]] = (" ".join(sentence), match[2])
    return said


def _variables(text: str, example: str) -> Iterator[str]:
    explained, used = examples(example), variables(text)
    yield from (f"{name} is not explained in .env.example" for name in used.keys() - explained)
    yield from (f"{name} of .env.example is read by nobody" for name in explained.keys() - used)
    for name in used.keys() & explained.keys():
        sentence, default = explained[name]
        if not sentence:
            yield f"{name} has no sentence"
        if (used[name].default or "") != default:
            yield f"{name} is {used[name].default!r} in one file and {default!r} in the other"
        if used[name].required:
            yield f"{name} must be set, so a copied .env does not do"


def _networks(document: Said) -> Iterator[str]:
    if not document["networks"]["state"].get("internal"):
        yield "network state can be left and entered"
    for name in ("postgres", "storage"):
        if document["services"][name].get("networks") != ["state"]:
            yield f"{name} is reached from elsewhere than network state"


def _image(service: Said) -> Iterator[str]:
    match = _TAG.search(str(service.get("image", "")))
    if match is None or "latest" in match["tag"]:
        yield f"image {service.get('image')!r} has no fixed tag"


def _lasting(service: Said) -> Iterator[str]:
    if service.get("restart") not in {"unless-stopped", "no"}:
        yield "no restart policy"
    options = service.get("logging", {}).get("options", {})
    if not {"max-size", "max-file"} <= options.keys():
        yield "its log grows without bound"


def _limits(service: Said) -> Iterator[str]:
    yield from (f"no {limit}" for limit in ("cpus", "mem_limit") if not service.get(limit))
    if service.get("restart") != "no" and not service.get("stop_grace_period"):
        yield "no stop_grace_period"


def _health(service: Said) -> Iterator[str]:
    """What runs once has no health: others wait for its end."""
    if service.get("restart") != "no" and not service.get("healthcheck", {}).get("test"):
        yield "no health check"


def _ports(service: Said) -> Iterator[str]:
    for line in service.get("ports", []):
        if str(line).rsplit(":", 2)[0] not in LOOPBACK:
            yield f"port {line} is open beyond this machine"


def _environment(service: Said) -> Iterator[str]:
    if not isinstance(service.get("environment", {}), dict):
        yield "write the environment as a mapping"
        return
    for name, value in service.get("environment", {}).items():
        if _SECRET.search(name) and not str(value).startswith("/run/secrets"):
            yield f"{name} holds a secret"
        if _URI_WITH_PASSWORD.search(str(value)):
            yield f"{name} holds a password"
    for word in [*service.get("command", []), *service.get("entrypoint", [])]:
        if _SECRET.search(str(word)) and "/" not in str(word):
            yield f"its command holds a secret: {word}"


def _volumes(service: Said) -> Iterator[str]:
    for line in service.get("volumes", []):
        source, _, *mode = str(line).split(":")
        if not source.startswith(("./dur", "./deploy")):
            yield f"{source} is kept elsewhere than in dur/"
        if source.startswith(("./deploy", "./dur/secrets")) and mode != ["ro"]:
            yield f"{source} can be written"


def _dependencies(service: Said, services: Said) -> Iterator[str]:
    for name, how in service.get("depends_on", {}).items():
        other = services.get(name)
        match how.get("condition"), other:
            case _, None:
                yield f"depends on {name}, which is not there"
            case "service_healthy", {"healthcheck": _}:
                pass
            case "service_completed_successfully", {"restart": "no"}:
                pass
            case condition, _:
                yield f"depends on {name} by {condition}, which {name} does not give"


def _waits_for(name: str, services: Said) -> list[str]:
    """Everything but what makes directories and secrets is too much."""
    return [other for other in services[name].get("depends_on", {}) if other != "prepare"]
