"""What the codecs of all protocols share: what was asked, who answers, and the answer."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from iris_ct.core.scoring.inputs import Inputs

JSON = "application/json"
BINARY = "application/octet-stream"
# How long a request may be named: it is echoed, logged and kept with its predictions.
MAX_ID_LENGTH = 256


class Asked(msgspec.Struct, kw_only=True):
    """A request, read; its protocol's own parts are in the subclasses.

    Attributes
    ----------
    inputs : Inputs
        The rows, at least one.
    n_rows : int
        How many rows there are.
    request_id : str
        What the request calls itself (Seldon: ``meta.puid``, V2: ``id``); empty if it does not.
    explain : bool
        Whether the request asks for contributions in its own words.
    """

    inputs: Inputs
    n_rows: int
    request_id: str = ""
    explain: bool = False


class Served(NamedTuple):
    """Who answers: one version of a model, the same for all answers of a worker.

    Attributes
    ----------
    model : str
        Name of the model.
    version : str
        Its version.
    image : str
        What ``requestPath`` says of it, such as ``bikes:3``.
    target : str
        Name of what is predicted: the one column of a regression's answer.
    """

    model: str
    version: str
    image: str
    target: str


class Contributions(NamedTuple):
    """How much every feature added to each prediction, in the model's raw unit.

    Attributes
    ----------
    names : tuple of k str
        The features, and last the base value.
    values : ndarray of shape (n, k)
        Each row sums to the raw prediction.
    """

    names: tuple[str, ...]
    values: NDArray[np.float64]


class Reply(NamedTuple):
    """An answer: status 200, this body under this content type, and these headers more."""

    body: bytes
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()
