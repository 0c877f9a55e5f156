"""Asking a pretended instance from a test, as SQL and the terminal would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iris_ct.procedures import catalogue

COMMAND = (sys.executable, "-m", "tests.objectscript.inside")
ROOT = Path(__file__).parents[2]


class RaisedError(Exception):
    """A body has raised; the words are those that SQL shows."""


class Instance:
    """One process of a pretended instance."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, method: str, *arguments: object) -> Any:
        """Run the Python body of a class method."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"method": method, "arguments": arguments}), file=self._process.stdin)
        self._process.stdin.flush()
        said = self._process.stdout.readline()
        assert said, f"the process ended with {self._process.wait()}"
        told = json.loads(said)
        if "error" in told:
            raise RaisedError(told["error"])
        return told["result"]

    def function(self, name: str, *arguments: object) -> Any:
        """Call a function as ``SELECT CT.<name>(...)`` does, all arguments given."""
        return self.run(f"CT.Procedures.{name}", *arguments)

    def answer(self, name: str, *arguments: object) -> Any:
        """Call a function whose value is a JSON text."""
        return json.loads(self.function(name, *arguments))

    def rows(self, name: str, *arguments: object) -> list[dict[str, Any]]:
        """Ask for rows as ``SELECT * FROM CT.<name>(...)`` does: by column.

        The ObjectScript between, CT.Rows, only packs the arguments and unpacks the rows.
        """
        found = json.loads(self.run("CT.Rows.Ask", name, json.dumps(arguments)))
        columns = [column.name for column in catalogue.find(name).columns]
        return [dict(zip(columns, row, strict=True)) for row in found]

    def screen(self, name: str, *arguments: object) -> str:
        """Ask for what ``do ##class(CT.Terminal).<name>(...)`` writes."""
        text: str = self.run("CT.Terminal.Text", name, json.dumps(arguments))
        return text


@contextmanager
def instance(home: Path) -> Iterator[Instance]:
    """Run a process of a pretended instance over a home."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "src" / "python")])
    environment = {**os.environ, "CT_HOME": str(home), "PYTHONPATH": paths}
    with subprocess.Popen(
        COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        try:
            yield Instance(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait(60)
