"""What all verbs share: ``--home`` and ``--json``, and the parts of the home they name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

if TYPE_CHECKING:
    from iris_ct.bootstrap import Parts


@Parameter(name="*")
@dataclass(frozen=True)
class Home:
    """Options of every verb.

    Attributes
    ----------
    home
        Where everything is kept; default CT_HOME, else ./dur.
    """

    home: Annotated[Path | None, Parameter(help="Where everything is kept; default ./dur.")] = None

    def choose(self) -> None:
        """Let this process and those it starts use the home."""
        if self.home is not None:
            os.environ["CT_HOME"] = str(self.home.expanduser().absolute())

    def parts(self) -> Parts:
        """Open the home."""
        self.choose()
        from iris_ct import bootstrap

        return bootstrap.parts()


@Parameter(name="*")
@dataclass(frozen=True)
class Options(Home):
    """Options of the verbs that answer something."""

    json: Annotated[bool, Parameter(help="Answer as JSON; keys: docs/procedures.md.")] = False


HOME = Home()
OPTIONS = Options()
