"""Looks at installation and home, and says for each finding what to do.

Nothing is repaired here; every check runs whatever the others find.
"""

from __future__ import annotations

from typing import Any

from iris_ct.config import load_settings
from iris_ct.core.errors import CTError
from iris_ct.doctor.finding import Finding
from iris_ct.doctor.installation import installation


def diagnose() -> dict[str, Any]:
    """Examine this machine's installation and the home of the settings.

    Returns
    -------
    dict
        ``ok``: nothing failed; ``checks``: for each its ``name``, ``state`` (ok, warning or
        failed), ``text`` and ``advice``.

    Raises
    ------
    ConfigError
        If the settings are wrong.
    """
    findings = [*installation(), *_home()]
    return {
        "ok": all(finding.state != "failed" for finding in findings),
        "checks": [finding.content() for finding in findings],
    }


def _home() -> list[Finding]:
    from iris_ct import bootstrap
    from iris_ct.doctor.home import contents, directory, store

    settings = load_settings()
    found = directory(settings)
    if found.state == "failed" or not settings.root.exists():
        return [found]
    try:
        parts = bootstrap.parts(settings)
    except (CTError, ImportError, OSError) as error:
        advice = "Look at CT_STORE_URL and at the files below store/; nothing was changed"
        return [found, Finding("store", "failed", str(error), advice)]
    return [found, store(parts), *contents(parts)]


__all__ = ["Finding", "diagnose"]
