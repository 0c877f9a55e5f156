"""The verb ``doctor``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from iris_ct.cli.options import OPTIONS, Options
from iris_ct.cli.progress import working
from iris_ct.cli.rendering import show_json, show_lines, show_table


def doctor(
    *,
    compose: Annotated[
        bool,
        Parameter(
            negative="", help="Check what 'docker compose up' needs, in the current directory."
        ),
    ] = False,
    options: Options = OPTIONS,
) -> int:
    """Check the installation and the home, and say what to do.

    Exit code 1 if a check failed; warnings are no failure.
    """
    options.choose()
    with working("examining"):
        answer = _diagnose_compose() if compose else _diagnose()
    if options.json:
        show_json(answer)
        return 0 if answer["ok"] else 1
    show_table(
        ("check", "state", "found"),
        [(found["name"], found["state"], found["text"]) for found in answer["checks"]],
    )
    advised = [found for found in answer["checks"] if found["advice"]]
    if advised:
        show_lines(["", "What to do:"])
        show_lines(f"  {found['name']}: {found['advice']}" for found in advised)
    return 0 if answer["ok"] else 1


def _diagnose() -> dict[str, Any]:
    from iris_ct.doctor import diagnose

    return diagnose()


def _diagnose_compose() -> dict[str, Any]:
    from iris_ct.doctor.compose import diagnose_compose

    return diagnose_compose(Path.cwd(), environment=os.environ)
