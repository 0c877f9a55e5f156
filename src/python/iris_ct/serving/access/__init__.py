"""Who may ask what: static tokens, an issuer's tokens, roles, domains and rates. Kept light."""

from __future__ import annotations

from iris_ct.serving.access.access import Access, check_exposure
from iris_ct.serving.access.options import AccessOptions
from iris_ct.serving.access.principal import LOCAL, NOBODY, Principal, Refusal

__all__ = [
    "LOCAL",
    "NOBODY",
    "Access",
    "AccessOptions",
    "Principal",
    "Refusal",
    "check_exposure",
]
