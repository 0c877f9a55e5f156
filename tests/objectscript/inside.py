"""A process of a pretended instance: runs Python bodies of the classes, one a line of JSON.

A program of its own, because inside IRIS the module ``iris`` is another one than outside; here it
is `iris_stub`. The home is that of ``CT_HOME``, and a host of another process runs it.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from typing import Any

from tests.objectscript import iris_stub
from tests.objectscript.python_bodies import function
from tests.objectscript.syntax import read_classes

from iris_ct import bootstrap
from iris_ct.embedded import HostDoor, host_client


def main() -> None:
    """Answer until the input ends."""
    # What a body prints must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    with ExitStack() as stack:
        client = stack.enter_context(host_client(bootstrap.parts()))
        sys.modules["iris"] = iris_stub.IrisModule(lambda: HostDoor(client))
        bodies = {
            f"{each.name}.{member.name}": function(member)
            for each in read_classes()
            for member in each.methods().values()
            if member.is_python
        }
        for asked in sys.stdin:
            print(json.dumps(answer(bodies, json.loads(asked))), file=answers, flush=True)


def answer(bodies: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Run one body; an exception goes out as its class and words, as IRIS would show it."""
    if asked["method"] == "used":
        return {"result": sorted(iris_stub.Known.used)}
    if asked["method"] == "bodies":
        return {"result": sorted(bodies)}
    try:
        return {"result": bodies[asked["method"]](*asked["arguments"])}
    except Exception as error:  # noqa: BLE001 - whatever leaves a body is an answer here
        return {"error": str(error), "kind": type(error).__name__}


if __name__ == "__main__":
    main()
