"""What must hold for Dockerfile and merge.cpf; findings are sentences."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator
from pathlib import Path

# Actions and their keys, as the reference has them (its sections 2.2 and 2.3).
ACTIONS = {
    "CreateResource": {"Name", "Description"},
    "CreateDatabase": {"Name", "Directory", "Resource"},
    "CreateNamespace": {"Name", "Globals", "Routines", "Interop"},
    "CreateRole": {"Name", "Resources"},
    "ModifyService": {"Name", "Enabled", "AutheEnabled"},
    "ModifyUser": {"Name", "ChangePassword", "PasswordNeverExpires"},
}
# Sections and their keys (2.4).
KEYS = {
    "config": {
        "globals", "gmheap", "bbsiz", "routines",
        "PythonRuntimeLibrary", "PythonRuntimeLibraryVersion", "PythonPath",
    },
    "Startup": {"EnsembleAutoStart", "MaxConsoleLogSize", "WebServer"},
}  # fmt: skip
_FIELD = re.compile(r'(\w+)=("[^"]*"|[^",]*)(?:,|$)')


def cpf_findings(text: str, *, durable: str) -> list[str]:
    """Give what is wrong with a merge file; databases must lie below ``durable``."""
    section, found, actions = "", [], []
    for number, line in enumerate(text.splitlines(), 1):
        if not line:
            continue
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
            if section != "Actions" and section not in KEYS:
                found.append(f"line {number}: section [{section}] is not known")
        elif section == "Actions":
            action, said = _action(line)
            actions.append((action, said))
            found += [f"line {number}: {sentence}" for sentence in _known(action, said, line)]
        else:
            found += [f"line {number}: {sentence}" for sentence in _setting(section, line)]
    return [*found, *_references(actions, durable)]


def _action(line: str) -> tuple[str, dict[str, str]]:
    name, _, rest = line.partition(":")
    return name, {key: word.strip('"') for key, word in _FIELD.findall(rest)}


def _known(action: str, said: dict[str, str], line: str) -> Iterator[str]:
    if action not in ACTIONS:
        yield f"action {action!r} is not known"
        return
    yield from (f"{action} knows no {key}" for key in said.keys() - ACTIONS[action])
    if "Name" not in said:
        yield f"{action} lacks its Name"
    if _FIELD.sub("", line.partition(":")[2]):
        yield "a value with commas needs quotes"


def _setting(section: str, line: str) -> Iterator[str]:
    key, sign, _ = line.partition("=")
    if line.startswith(("#", ";", "//")):
        yield "a merge file knows no comments"
    elif not sign or key not in KEYS.get(section, set()):
        yield f"[{section}] knows no {key!r}"


def _references(actions: list[tuple[str, dict[str, str]]], durable: str) -> Iterator[str]:
    made: dict[str, set[str]] = {name: set() for name in ACTIONS}
    for action, said in actions:
        made.setdefault(action, set()).add(said.get("Name", ""))
    for action, said in actions:
        if action == "CreateDatabase":
            if not said.get("Directory", "").startswith(f"{durable}/"):
                yield f"database {said.get('Name')} lies outside {durable} and ends with the container"
            if said.get("Resource") not in made["CreateResource"]:
                yield f"resource {said.get('Resource')} is made nowhere"
        if action == "CreateNamespace":
            databases = {said.get("Globals"), said.get("Routines")}
            yield from (
                f"database {d} is made nowhere" for d in databases - made["CreateDatabase"]
            )


def dockerfile_findings(text: str, ignored: str, root: Path) -> list[str]:
    """Give what is wrong with a Dockerfile beyond what hadolint sees."""
    lines = _instructions(text)
    found = [f"{source} is copied, but not there" for source in _sources(lines, root)]
    found += [
        f"{source} is copied, but .dockerignore hides it"
        for source in _copied(lines)
        if not _sent(source, ignored)
    ]
    images = dict(re.findall(r"^ARG (\w+_IMAGE)=(\S+)$", text, re.MULTILINE))
    found += [
        f"{image} has no fixed tag"
        for image in images.values()
        if "latest" in image or ":" not in image
    ]
    users = [words.split()[0] for name, words in lines if name == "USER"]
    if not users or users[-1] in {"0", "root"}:
        found.append("it runs as root")
    names = {name for name, _ in lines}
    found += [f"no {name}" for name in ("HEALTHCHECK", "ENTRYPOINT") if name not in names]
    return found


def _instructions(text: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    pairs = [line.strip().partition(" ") for line in joined.splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in pairs]


def _copied(lines: list[tuple[str, str]]) -> list[str]:
    """Sources in the project; what comes from another stage is none."""
    sources = []
    for name, rest in lines:
        words = rest.split()
        if name in {"COPY", "ADD"} and not any(word.startswith("--from=") for word in words):
            sources += [word for word in words[:-1] if not word.startswith("--")]
    return sources


def _sources(lines: list[tuple[str, str]], root: Path) -> list[str]:
    return [source for source in _copied(lines) if not (root / source).exists()]


def _sent(source: str, ignored: str) -> bool:
    """Tell whether a path reaches the builder: the last rule that fits decides."""
    sent = True
    for rule in ignored.splitlines():
        pattern = rule.removeprefix("!").strip("/")
        if rule and not rule.startswith("#"):
            path = source.strip("/")
            if fnmatch.fnmatch(path, pattern) or path.startswith(f"{pattern}/"):
                sent = rule.startswith("!")
    return sent
