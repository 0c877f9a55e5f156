"""``ct``: finds the verb, runs it, and turns what happens into an exit code."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NoReturn

from iris_ct.cli.verbs import VERBS, overview, verb_named

if TYPE_CHECKING:
    from cyclopts import App

DONE = 0
FAILED = 1
MISUSED = 2
# As shells count a process that a signal ended: 128 and the signal's number.
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM

# By name, so that nothing is imported before it is needed; of an error's classes the nearest counts.
EXIT_CODES = {
    "iris_ct.core.errors.UnknownModelError": FAILED,
    "iris_ct.core.errors.ConfigError": MISUSED,
    "iris_ct.core.errors.CTError": FAILED,
    "iris_ct.host.errors.HostError": FAILED,
    # A file or directory that the system refuses.
    "builtins.OSError": FAILED,
}


class TerminatedError(KeyboardInterrupt):
    """SIGTERM arrived; ends a command as Ctrl-C does."""


def run() -> NoReturn:
    """Run ``ct`` with the arguments of this process and end it."""
    signal.signal(signal.SIGTERM, terminate)
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has seen enough; nothing may be written at exit any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def main(arguments: Sequence[str]) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str
        As the shell gives them, without the program's name.

    Returns
    -------
    int
        0 done; 1 the request failed or the answer is no; 2 wrong usage or settings; 130 and 143
        after Ctrl-C and SIGTERM.
    """
    tokens = verb_first(arguments)
    if not tokens or tokens[0] in {"--help", "-h"}:
        print(overview())
        return DONE
    if tokens[0] == "--version":
        from importlib.metadata import version

        print(version("iris-ct"))
        return DONE
    if tokens[0] not in {verb.name for verb in VERBS}:
        print(_unknown_verb(tokens[0]), file=sys.stderr)
        return MISUSED
    try:
        return _run(tokens)
    except KeyboardInterrupt as interrupt:
        print("Ended. What was handed over is kept, and goes on with 'ct up'.", file=sys.stderr)
        return TERMINATED if isinstance(interrupt, TerminatedError) else INTERRUPTED
    except BrokenPipeError:
        return DONE


def verb_first(arguments: Sequence[str]) -> list[str]:
    """Put options that stand before the verb behind it.

    Examples
    --------
    >>> verb_first(["--home", "x", "--json", "status", "bikes"])
    ['status', '--home', 'x', '--json', 'bikes']
    >>> verb_first(["--home", "x", "service", "list"])
    ['service', 'list', '--home', 'x']
    """
    before: list[str] = []
    rest = list(arguments)
    while rest and (rest[0] in {"--home", "--json"} or rest[0].startswith("--home=")):
        before.append(rest.pop(0))
        if before[-1] == "--home" and rest:
            before.append(rest.pop(0))
    groups = {verb.name for verb in VERBS if verb.is_group}
    has_own = rest[:1] and rest[0] in groups and not "".join(rest[1:2]).startswith("-")
    depth = 2 if has_own else 1
    return [*rest[:depth], *before, *rest[depth:]]


def make_app() -> App:
    """Make the parser; a verb's module is imported when the verb is used."""
    from cyclopts import App, Parameter

    app = App(
        name="ct",
        help="Continuous training of models: rows in, better model out.",
        help_format="plaintext",
        default_parameter=Parameter(negative=()),
        version_flags=(),
        suppress_keyboard_interrupt=False,
    )
    for verb in VERBS:
        if verb.is_group:
            app.command(verb.where, name=verb.name)
        else:
            app.command(verb.where, name=verb.name, help_epilogue=verb.epilogue)
    return app


def _run(tokens: list[str]) -> int:
    from cyclopts import CycloptsError

    # Who calls these by their other names, mxe-service and mxe-model, looks for this word.
    begin = "Error: " if verb_named(tokens[0]).is_group else ""
    try:
        code = make_app()(
            tokens, exit_on_error=False, print_error=False, result_action="return_value"
        )
    except CycloptsError as error:
        print(f"{begin}{error}\nSee 'ct {tokens[0]} --help'.", file=sys.stderr)
        return MISUSED
    except Exception as error:
        failure = exit_code(error)
        if failure is None:
            raise
        print(f"{begin}{error}", file=sys.stderr)
        return failure
    return code if isinstance(code, int) else DONE


def _unknown_verb(said: str) -> str:
    from difflib import get_close_matches

    names = [verb.name for verb in VERBS]
    near = get_close_matches(said, names, n=1)
    meant = f" Perhaps you meant '{near[0]}'." if near else ""
    return f"ct has no verb '{said}'.{meant} It has: {', '.join(names)}."


def exit_code(error: Exception) -> int | None:
    """Give the exit code of an error; None for one that nobody foresaw.

    What a setting, a model file or an option must mend is wrong usage; an unknown model, though
    also named by an argument, is an answer.
    """
    names = [f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__]
    return next((EXIT_CODES[name] for name in names if name in EXIT_CODES), None)


def terminate(_number: int, _frame: object) -> NoReturn:
    """End a command as Ctrl-C does; for `signal.signal`."""
    raise TerminatedError
