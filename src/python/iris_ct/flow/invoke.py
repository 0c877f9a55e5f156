"""serving: score the content of a message in one of the six formats of a Seldon message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from iris_ct.core.errors import ConfigError, DataError
from iris_ct.core.scoring.record import record_of
from iris_ct.core.wire import seldon
from iris_ct.core.wire.exchange import Served
from iris_ct.flow.predict_row import checked_id, made_up_id
from iris_ct.flow.serve import LoadedModel
from iris_ct.ports import Clock, Store

_OF_DATA = ("ndarray", "tensor", "tftensor")
FORMATS = ("binData", "strData", "jsonData", *_OF_DATA)
"""What a content may be, and its answer is then."""


@dataclass(frozen=True)
class Invoked:
    """What a model answered.

    Attributes
    ----------
    version : int
        The version that answered.
    content : str
        The predictions, in the format of the request.
    names : tuple of str
        For ndarray, tensor and tftensor what the columns of the content are: the target, or the
        classes with their probabilities. Empty for the other formats, which say it themselves.
    message : str
        The whole Seldon message as JSON, with labels and the name of the request in ``meta``.
    request_id : str
        Name of the request in the prediction log.
    """

    version: int
    content: str
    names: tuple[str, ...]
    message: str
    request_id: str


def invoke(
    champion: LoadedModel,
    content: str,
    *,
    input_format: str,
    feature_names: tuple[str, ...] = (),
    request_id: str = "",
    store: Store,
    clock: Clock,
) -> Invoked:
    """Score rows, all or none, and queue the predictions for the log.

    Parameters
    ----------
    content : str
        JSON for jsonData, ndarray (a list of rows), tensor (``shape`` and ``values``) and
        tftensor; base64 for binData; text for strData. See `core.wire.seldon`.
    input_format : str
        One of `FORMATS`.
    feature_names : tuple of str
        Names of the cells of a row where the content does not name them itself; empty: the
        features in their declared order.
    request_id : str
        Names the request for ever, so that it is logged once; empty: one is made up.

    Raises
    ------
    ConfigError
        If there is no such format.
    DataError
        If the content is not of that format, or not what the model takes.
    """
    model, version = champion.specification.name, champion.version.version
    puid = f"invoke:{checked_id(request_id) if request_id else made_up_id()}"
    asked = seldon.decode(_message(content, input_format, feature_names))
    inputs = asked.inputs
    if feature_names and inputs.names is None and inputs.columns is None:
        asked.inputs = inputs = msgspec.structs.replace(inputs, names=feature_names)
    outputs = champion.scorer.score(inputs)
    served = Served(model, str(version), f"{model}:{version}", champion.specification.target)
    message = seldon.encode(asked, outputs, served, puid=puid).body
    made = record_of(
        outputs,
        puid=puid,
        model=model,
        version=version,
        at_us=int(clock.now().timestamp() * 1e6),
        once=bool(request_id),
    )
    store.journal_writer.append([made])
    said, names = _content(msgspec.json.decode(message), input_format)
    return Invoked(version, said, names, message.decode(), puid)


def _message(content: str, input_format: str, feature_names: tuple[str, ...]) -> bytes:
    """Put the content into a message."""
    if input_format not in FORMATS:
        raise ConfigError(
            f"There is no input format '{input_format}'. Expected one of: {', '.join(FORMATS)}."
        )
    if input_format in ("strData", "binData"):
        return _json({input_format: content})
    try:
        parsed = msgspec.json.decode(content)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise DataError(
            f"The content is no JSON, as the input format {input_format} wants it. Mend what "
            "sends it, or choose another input format."
        ) from error
    if input_format == "jsonData":
        return _json({input_format: parsed})
    names = {"names": feature_names} if feature_names else {}
    return _json({"data": {**names, input_format: parsed}})


def _json(said: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(said)
    except UnicodeEncodeError as error:
        raise DataError(
            "The content is no Unicode text: it has half of a surrogate pair. Mend what sends it."
        ) from error


def _content(message: dict[str, Any], input_format: str) -> tuple[str, tuple[str, ...]]:
    """Take the predictions out of an answer; labels alone are an ndarray, as Seldon has it."""
    if input_format not in _OF_DATA:
        said = message[input_format]
        return (said if isinstance(said, str) else msgspec.json.encode(said).decode()), ()
    data = message["data"]
    [said] = [data[name] for name in _OF_DATA if name in data]
    return msgspec.json.encode(said).decode(), tuple(data["names"])
