"""Writes the golden file of the production anew: ``python -m tests.production.golden``.

Look at the difference before it is committed: it is what the Management Portal will show.
"""

from __future__ import annotations

from pathlib import Path

from iris_ct.production import production

PATH = Path(__file__).with_name("production.xml")

if __name__ == "__main__":
    PATH.write_text(production.to_xml(), encoding="utf-8")
