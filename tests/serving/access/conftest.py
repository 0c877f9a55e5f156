"""Issuers that tests of access share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.serving.access.issuer import Issuer, running_issuer
from tests.serving.access.real_issuer import RealIssuer, running_real_issuer


@pytest.fixture
def issuer(shared_issuer: Issuer) -> Iterator[Issuer]:
    """An issuer of our own as it was at its start."""
    keys, algorithms = dict(shared_issuer.keys), dict(shared_issuer.algorithms)
    yield shared_issuer
    fresh = Issuer(shared_issuer.url, keys, algorithms)
    vars(shared_issuer).update(vars(fresh))


@pytest.fixture(scope="session")
def shared_issuer() -> Iterator[Issuer]:
    """Its server and its keys, which take a while to make."""
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="session")
def real_issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealIssuer]:
    """npm's oidc-provider."""
    with running_real_issuer(tmp_path_factory.mktemp("oidc-provider")) as running:
        yield running
