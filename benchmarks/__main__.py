"""``python -m benchmarks``: run them and print what they measured as Markdown."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks import cycle, drift, ingest, machine, messages, serving
from benchmarks.table import Table

FULL_SIZES = (100_000, 1_000_000, 10_000_000)


NAMES = ("drift", "ingest", "cycle", "messages", "serving")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the chosen benchmarks."""
    chosen = _chosen(arguments)
    jobs: dict[str, Callable[[], list[Table]]] = {
        "drift": lambda: drift.run(sizes=FULL_SIZES) if chosen.full else drift.run(),
        "ingest": ingest.run,
        "cycle": cycle.run,
        "messages": messages.run,
        "serving": serving.run,
    }
    pieces = [machine.describe()]
    print(pieces[0], flush=True)
    for name in chosen.only or NAMES:
        started = time.perf_counter()
        for table in jobs[name]():
            pieces.append(table.text())
            print(f"\n{pieces[-1]}", flush=True)
        pieces.append(f"({name}: {time.perf_counter() - started:.0f} s, {machine.load()})")
        print(f"\n{pieces[-1]}", flush=True)
    if chosen.out:
        chosen.out.write_text("\n\n".join(pieces) + "\n")


def _chosen(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("only", nargs="*", help=f"some of {', '.join(NAMES)}; default: all")
    parser.add_argument("--full", action="store_true", help="drift on 10 million rows too")
    parser.add_argument("--out", type=Path, help="also write the tables to this file")
    chosen = parser.parse_args(arguments)
    if unknown := set(chosen.only) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return chosen


if __name__ == "__main__":
    main()
