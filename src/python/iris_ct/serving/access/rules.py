"""What a request needs. What is not named here and changes something needs an operator."""

from __future__ import annotations

from iris_ct.serving.access.principal import ADMIN, OPERATOR, READER

OPEN = 0
"""Anybody may, without a token."""

OVERVIEW = 4
"""A reader of every domain may, since all domains are shown at once."""

# Both also with a slash at the end.
METRICS = frozenset({"/metrics", "/metrics/", "/prometheus", "/prometheus/"})
# Asked by machines that start and stop the gateway; they tell nothing but whether it runs.
HEALTH = frozenset(
    {
        *("/healthz", "/readyz", "/ping", "/health", "/health/ping", "/health/status"),
        *("/v2/health/live", "/v2/health/ready"),
    }
)
LOOKING = frozenset({"GET", "HEAD", "OPTIONS"})
# What is POSTed below these asks a model and changes no service.
_CALLS = ("/model-endpoints/", "/v2/", "/invocations", "/api/v0.1/", "/api/v1.0/", "/feedback")
# Who may sign packages, and who may ask.
_KEYS = ("/v1/authors", "/v1/tokens")
_VERIFY = "/v1/authors/verify"


def role_needed(method: str, path: str) -> int:
    """Give the rank of the role that a request needs, or `OPEN`, or `OVERVIEW`.

    Parameters
    ----------
    path
        As it is answered: decoded. Paths that differ in spelling only are refused by the gateway;
        here they need what an unknown path needs.

    Examples
    --------
    >>> role_needed("POST", "/invocations"), role_needed("GET", "/v1/model-services")
    (1, 1)
    >>> role_needed("DELETE", "/v1/model-services/bikes"), role_needed("POST", "/v1/authors")
    (2, 3)
    """
    if method == "POST" and path.startswith(_CALLS):
        return READER
    if method in LOOKING:
        if path in HEALTH:
            return OPEN
        return OVERVIEW if path in METRICS else READER
    if path == _VERIFY:
        return READER
    return ADMIN if path.startswith(_KEYS) else OPERATOR
