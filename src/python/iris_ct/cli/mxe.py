"""``mxe-service`` and ``mxe-model``: ``ct service`` and ``ct model`` by the names others know.

Same options, same texts; besides them ``version``, ``help`` and ``completion bash``.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from iris_ct.cli.main import DONE, MISUSED, main, terminate
from iris_ct.cli.verbs import verb_named

# Options that may stand before the command, and whether a value follows.
_GLOBAL = {"--cluster": True, "--token": True, "--home": True, "--json": False}
_FLAGS = {"-v", "--verbose"}
_COMMANDS = {
    "service": ("create", "modify", "list", "logs", "delete"),
    "model": ("onboard", "list", "package", "delete", "trust", "distrust", "authors"),
}
_ABOUT = {
    "service": "MXE service life-cycle management commands.",
    "model": "MXE model life-cycle management commands.",
}


def run_service() -> NoReturn:
    """Run ``mxe-service`` with the arguments of this process and end it."""
    _run("service")


def run_model() -> NoReturn:
    """Run ``mxe-model`` with the arguments of this process and end it."""
    _run("model")


def mxe(group: str, arguments: Sequence[str]) -> int:
    """Run one command of ``mxe-service`` or ``mxe-model``; gives its exit code.

    Parameters
    ----------
    group : str
        ``service`` or ``model``.
    """
    program = f"mxe-{group}"
    before, rest = _parted(arguments)
    command = rest[0] if rest else "--help"
    if command in {"--help", "-h"} or rest == ["help"]:
        print(_overview(group))
        return DONE
    if command == "help":
        return main([group, *rest[1:2], "--help"])
    if command == "version":
        from importlib.metadata import version

        print(f"{program} version: {version('iris-ct')}")
        return DONE
    if command == "completion":
        return _complete(program, group, rest[1:])
    if command not in _COMMANDS[group]:
        known = ", ".join((*_COMMANDS[group], "version", "help", "completion"))
        print(
            f'Error: unknown command "{command}" for "{program}". Expected one of: {known}.',
            file=sys.stderr,
        )
        return MISUSED
    return main([group, command, *before, *rest[1:]])


def _run(group: str) -> NoReturn:
    signal.signal(signal.SIGTERM, terminate)
    code = mxe(group, sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _parted(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the options that stand before the command from the rest."""
    before: list[str] = []
    rest = list(arguments)
    while rest:
        name, equals, _ = rest[0].partition("=")
        if rest[0] in _FLAGS:
            before.append(rest.pop(0))
        elif name in _GLOBAL:
            before.append(rest.pop(0))
            if _GLOBAL[name] and not equals and rest:
                before.append(rest.pop(0))
        else:
            break
    return before, rest


def _overview(group: str) -> str:
    program = f"mxe-{group}"
    examples = [line.replace(f"ct {group}", program, 1) for line in verb_named(group).examples]
    return "\n".join(
        (
            _ABOUT[group],
            "",
            f"Usage: {program} [--cluster URL] COMMAND ...",
            "",
            "Commands:",
            *(f"  {name}" for name in _COMMANDS[group]),
            "  version",
            "  help [COMMAND]",
            "  completion bash",
            "",
            "Options:",
            "  --cluster URL  Address of a gateway; default the home of this machine: local.",
            "  --token TOKEN  Bearer token for the gateway; better in CT_TOKEN.",
            "  --home DIR     Where everything is kept; default CT_HOME, else ./dur.",
            "  -v, --verbose  Makes output verbose.",
            "  -h, --help     Prints out this help.",
            "",
            "Examples:",
            *(f"  {line}" for line in examples),
        )
    )


def _complete(program: str, group: str, rest: list[str]) -> int:
    if rest != ["bash"]:
        print(f"Error: expected {program} completion bash.", file=sys.stderr)
        return MISUSED
    from importlib import import_module

    module, _, name = verb_named(group).where.partition(":")
    app = getattr(import_module(module), name)
    cases = []
    for command in _COMMANDS[group]:
        words = {
            option
            for argument in app[command].assemble_argument_collection()
            for option in argument.names
            if option.startswith("--") and not option.startswith("--no-")
        }
        cases.append(f'    {command}) words="{" ".join(sorted(words))}" ;;')
    commands = " ".join((*_COMMANDS[group], "version", "help", "completion"))
    function = f"_{program.replace('-', '_')}"
    print(
        "\n".join(
            (
                f"{function}() {{",
                '  local word="${COMP_WORDS[COMP_CWORD]}" words',
                '  case "${COMP_WORDS[1]}" in',
                *cases,
                '    completion) words="bash" ;;',
                "    *) words='' ;;",
                "  esac",
                f'  if [ "$COMP_CWORD" -eq 1 ]; then words="{commands} --cluster --help"; fi',
                '  COMPREPLY=($(compgen -W "$words" -- "$word"))',
                "}",
                f"complete -o default -F {function} {program}",
            )
        )
    )
    return DONE
