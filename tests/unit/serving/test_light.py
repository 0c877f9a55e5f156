"""The gateway stays light: it must be there at once, and small."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    *("sqlalchemy", "polars", "pandas", "pydantic", "mlflow", "lightgbm", "scipy", "pyarrow"),
    *("numpy", "starlette", "prometheus_client", "cryptography", "rich"),
)


def test_the_gateway_imports_nothing_heavy() -> None:
    """Metrics, OpenAPI and an issuer's tokens load what they need when they are asked for."""
    code = (
        "import sys, iris_ct.serving.run, iris_ct.serving.server, iris_ct.serving.pages\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
