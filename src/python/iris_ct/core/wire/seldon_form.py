"""The forms in which old Seldon clients send a message: a field ``json``, or a part for each field."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from urllib.parse import parse_qs

import msgspec

from iris_ct.core.wire.json_text import decode_json
from iris_ct.core.wire.refusal import WireError

_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
# Those of a message, and those of feedback.
_FIELDS = frozenset(
    {"json", "meta", "data", "jsonData", "strData", "binData"}
    | {"request", "response", "reward", "truth"}
)
_MAX_FIELDS = 32
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)
_NAME = re.compile(rb'[;\s]name=(?:"([^"]*)"|([^\s;"]+))', re.IGNORECASE)
_RAW: msgspec.json.Decoder[msgspec.Raw] = msgspec.json.Decoder(msgspec.Raw)


def message_of(body: bytes, content_type: str) -> bytes:
    """Give the JSON message that a body holds.

    Parameters
    ----------
    body : bytes
        As it came.
    content_type : str
        Header of the request. JSON, or none at all: the body is the message. A body that begins
        with a brace is taken for JSON under a form's content type too, since curl sends it so.

    Raises
    ------
    WireError
        415 for a content type that no message travels under; 400 for a damaged form.
    """
    if content_type == "application/json":
        return body
    kind = content_type.partition(";")[0].strip().lower()
    if kind in ("", "application/json") or kind.endswith("+json"):
        return body
    if kind == _FORM:
        return body if body.lstrip().startswith(b"{") else _from_form(body)
    if kind == _MULTIPART:
        return _from_multipart(body, content_type)
    raise WireError(
        415,
        "A Seldon message is sent as application/json, as the field json of a form, or as "
        "multipart/form-data; found another Content-Type.",
    )


def _from_form(body: bytes) -> bytes:
    try:
        fields = parse_qs(
            body.decode("utf-8"), strict_parsing=True, errors="strict", max_num_fields=_MAX_FIELDS
        )
    except ValueError:
        raise WireError(400, "The form is damaged: expected json=<message>.") from None
    messages = fields.get("json", [])
    if len(messages) != 1:
        raise WireError(
            400, f"The form has {len(messages)} fields json, expected 1, the message as JSON."
        )
    return messages[0].encode("utf-8")


def _from_multipart(body: bytes, content_type: str) -> bytes:
    found = _BOUNDARY.search(content_type)
    if found is None:
        raise WireError(400, "The Content-Type of the multipart form names no boundary.")
    boundary = (found[1] or found[2]).encode("utf-8", "surrogateescape")
    message: dict[str, msgspec.Raw] = {}
    for name, content, is_file in _parts(body, boundary):
        if name not in _FIELDS:
            raise WireError(
                400, f"Part {len(message) + 1} of the form has a name that no message has."
            )
        if name in message:
            raise WireError(400, f"The form has two parts {name}, expected one.")
        message[name] = _as_json(name, content, is_file=is_file)
    if "json" in message:
        return bytes(message["json"])
    return msgspec.json.encode(message)


def _as_json(name: str, content: bytes, *, is_file: bool) -> msgspec.Raw:
    if name == "binData" and is_file:
        return msgspec.Raw(b'"' + base64.b64encode(content) + b'"')
    if name == "strData":
        try:
            return msgspec.Raw(msgspec.json.encode(content.decode("utf-8")))
        except UnicodeDecodeError:
            raise WireError(400, "The part strData is not UTF-8.") from None
    return decode_json(_RAW, content, f"The part {name}")


def _parts(body: bytes, boundary: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """Give name, content and whether it is a file of each part."""
    _, *sections = (b"\r\n" + body).split(b"\r\n--" + boundary, _MAX_FIELDS)
    if not sections or not sections[-1].startswith(b"--"):
        raise WireError(
            400, f"The multipart form does not end with its boundary within {_MAX_FIELDS} parts."
        )
    for number, section in enumerate(sections[:-1], 1):
        head, blank, content = section.partition(b"\r\n\r\n")
        found = _NAME.search(head)
        if not blank or found is None:
            raise WireError(400, f"Part {number} of the multipart form has no name.")
        name = (found[1] or found[2] or b"").decode("utf-8", "replace")
        yield name, content, b"filename=" in head.lower()
