"""Seldon v1 feedback: what was asked, what was answered, how good it was, what was true."""

from __future__ import annotations

from math import isfinite
from typing import Any

import msgspec
import numpy as np

from iris_ct.core.wire import seldon
from iris_ct.core.wire.exchange import MAX_ID_LENGTH
from iris_ct.core.wire.json_text import Cell, decode_json
from iris_ct.core.wire.refusal import WireError
from iris_ct.core.wire.seldon_form import message_of
from iris_ct.core.wire.seldon_payload import SeldonAsked, whole_routing

_ABSENT = msgspec.Raw(b"null")
_LIMIT = 2**63


class Feedback(msgspec.Struct, kw_only=True):
    """Feedback, read; everything but one of reward and truth may be left out.

    Attributes
    ----------
    puid : str
        Of the answer that it is about, from ``response`` or else ``request``; empty if neither
        says it.
    routing : dict
        Of the answer: which branch gave it.
    request : SeldonAsked or None
        The rows that were asked about.
    reward : float or None
        How good the answer was.
    truth : SeldonAsked or None
        What was true; `truth_values` gives it row by row.
    """

    puid: str = ""
    routing: dict[str, int] = {}
    request: SeldonAsked | None = None
    reward: float | None = None
    truth: SeldonAsked | None = None


class _Parts(msgspec.Struct):
    request: msgspec.Raw = _ABSENT
    response: msgspec.Raw = _ABSENT
    reward: float | None = None
    truth: msgspec.Raw = _ABSENT


class _Meta(msgspec.Struct):
    puid: str | None = None
    routing: dict[str, float] | None = None


class _Response(msgspec.Struct):
    meta: _Meta | None = None


class _Message(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    status: Any = None
    meta: seldon.Meta | None = None
    data: Any = msgspec.UNSET
    json_data: Any = msgspec.UNSET
    str_data: Any = msgspec.UNSET
    bin_data: Any = msgspec.UNSET

    @property
    def is_bare(self) -> bool:
        """Whether there is no payload at all."""
        payloads = (self.data, self.json_data, self.str_data, self.bin_data)
        return all(payload is msgspec.UNSET for payload in payloads)


_PARTS = msgspec.json.Decoder(_Parts)
_RESPONSE: msgspec.json.Decoder[_Response | None] = msgspec.json.Decoder(_Response | None)
_MESSAGE: msgspec.json.Decoder[_Message | None] = msgspec.json.Decoder(_Message | None)


def decode(body: bytes, content_type: str = "application/json") -> Feedback:
    """Read feedback.

    Parameters
    ----------
    body : bytes
        JSON ``{request, response, reward, truth}``, or a form as `seldon.decode` takes it.
    content_type : str
        Header of the request.

    Raises
    ------
    WireError
        400 or 415, also if there is neither reward nor truth.
    """
    parts = decode_json(_PARTS, message_of(body, content_type), "The feedback")
    response = decode_json(_RESPONSE, parts.response, "The response of the feedback")
    request = _head(parts.request, "request")
    truth = _head(parts.truth, "truth")
    if parts.reward is None and truth.is_bare:
        raise WireError(400, "The feedback has neither reward nor truth. Send one of them.")
    told = [meta for meta in (response.meta if response else None, request.meta) if meta]
    puids = [meta.puid for meta in (*told, truth.meta) if meta and meta.puid]
    for puid in puids:
        if len(puid) > MAX_ID_LENGTH:
            raise WireError(
                400, f"meta.puid has {len(puid)} letters, expected at most {MAX_ID_LENGTH}."
            )
    routings = [whole_routing(meta.routing) for meta in told]
    return Feedback(
        puid=next((meta.puid for meta in told if meta.puid), ""),
        routing=routings[0] if routings else {},
        request=None if request.is_bare else seldon.decode(bytes(parts.request)),
        reward=parts.reward,
        truth=None if truth.is_bare else seldon.decode(bytes(parts.truth)),
    )


def _head(part: msgspec.Raw, name: str) -> _Message:
    return decode_json(_MESSAGE, part, f"The {name} of the feedback") or _Message()


def truth_values(truth: SeldonAsked, target: str, *, are_numbers: bool = False) -> list[Cell]:
    """Give the true value of each row.

    Parameters
    ----------
    truth : SeldonAsked
        Of `Feedback`: one column, or several with one that has the target's name.
    target : str
        Name of what the model predicts.
    are_numbers : bool
        Whether it is a number, as of a regression; texts of numbers are taken too.

    Raises
    ------
    WireError
        400 if the column cannot be told, or a value is none where numbers are needed.
    """
    inputs = truth.inputs
    rows = inputs.rows if inputs.matrix is None else _cells(inputs.matrix)
    if rows is None:
        raise WireError(400, "The truth holds no rows. Send one value a row.")
    width = len(rows[0])
    if width == 1:
        place = 0
    elif inputs.names and target in inputs.names:
        place = inputs.names.index(target)
    else:
        raise WireError(
            400, f"The truth has {width} values a row, expected 1, or one under the target's name."
        )
    values = [row[place] for row in rows]
    if are_numbers:
        for number, value in enumerate(values, 1):
            if not _is_number(value):
                raise WireError(400, f"The truth of row {number} is not a number.")
    return [_kept(value) for value in values]


def _kept(value: Cell) -> Cell:
    """Give a value as what keeps it can hold it: whole numbers of more than 64 bits as text."""
    return str(value) if type(value) is int and not -_LIMIT <= value < _LIMIT else value


def _is_number(value: Cell) -> bool:
    try:
        return not isinstance(value, bool) and value is not None and isfinite(float(value))
    except (ValueError, OverflowError):
        return False


def _cells(matrix: np.ndarray[Any, np.dtype[np.float64]]) -> list[list[Cell]]:
    return [[None if np.isnan(v) else v for v in row] for row in matrix.tolist()]


def answer(puid: str) -> bytes:
    """Say that feedback was taken.

    Parameters
    ----------
    puid : str
        Of the answer that it was about; may be empty.
    """
    return msgspec.json.encode(
        {
            "status": {"code": 200, "info": "", "reason": "", "status": "SUCCESS"},
            "meta": {"puid": puid, "tags": {}, "routing": {}, "requestPath": {}, "metrics": []},
        }
    )
