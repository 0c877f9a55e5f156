"""Services as the JSON of the REST interface: ``{name, type, replicas, models, autoScaling}``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iris_ct.core.errors import ServiceRuleError
from iris_ct.core.service.change import Change
from iris_ct.core.service.instances import Autoscaling, Instances, Metric, whole
from iris_ct.core.service.names import ModelRef
from iris_ct.core.service.service import Service, make_service

_METRICS: dict[str, Metric] = {"cpuMilliCores": "cpu", "memoryMegaBytes": "memory"}
_NAMES = {metric: name for name, metric in _METRICS.items()}
_KEYS = ("name", "type", "replicas", "models", "autoScaling", "domain", "weights")
# What an answer says beside the wish, so that an answer can be sent back.
_TOLD = ("created", "createdByUserName", "status", "endpoint")


def service_to_json(service: Service) -> dict[str, Any]:
    """Give a service as plain JSON values."""
    several = len(service.branches) > 1
    said: dict[str, Any] = {"name": service.name, "type": service.kind}
    if isinstance(service.instances, int):
        said["replicas"] = service.instances
    said["models"] = [
        {"id": branch.model.id, "version": branch.model.version}
        | ({"weight": branch.weight} if several else {})
        for branch in service.branches
    ]
    if service.autoscaling is not None:
        said["autoScaling"] = _scaling_to_json(service.autoscaling)
    if service.domain:
        said["domain"] = service.domain
    return said


def service_from_json(said: Any) -> Service:
    """Read a service; the inverse of `service_to_json`.

    Raises
    ------
    ServiceRuleError
        If the form or a rule is broken; names the key.
    """
    body = _mapping(said, "The body")
    _known_keys(body)
    models = _models(body)
    if models is None:
        raise ServiceRuleError('"models" is missing: expected a list of one or two models.')
    service = make_service(
        _text(body, "name"),
        models,
        weights=_weights(body),
        instances=_instances(body),
        domain=_text(body, "domain") if body.get("domain") else "",
    )
    _check_type(body, service)
    return service


def change_from_json(said: Any) -> Change:
    """Read a change: any of ``models``, ``replicas``, ``autoScaling``, ``weights``.

    Models without weights keep those of before; ``weights`` alone is a word of this product.

    Raises
    ------
    ServiceRuleError
        If the form or a rule is broken; names the key.
    """
    body = _mapping(said, "The body")
    _known_keys(body)
    models, weights = _models(body), _weights(body)
    change = Change(models, weights, _instances(body))
    kind = body.get("type")
    if kind is not None and kind not in {"model", "static"}:
        raise ServiceRuleError(f'"type" is {kind!r:.40}, expected "model" or "static".')
    if models is not None and kind is not None and kind != ("model", "static")[len(models) - 1]:
        raise ServiceRuleError(f'"type" is "{kind}", which does not fit {len(models)} model(s).')
    return change


def change_to_json(change: Change) -> dict[str, Any]:
    """Give a change as plain JSON values; the inverse of `change_from_json`."""
    said: dict[str, Any] = {}
    if change.models is not None:
        said["models"] = [{"id": ref.id, "version": ref.version} for ref in change.models]
    if change.weights is not None:
        said["weights"] = list(change.weights)
    if isinstance(change.instances, Autoscaling):
        said["autoScaling"] = _scaling_to_json(change.instances)
    elif change.instances is not None:
        said["replicas"] = change.instances
    return said


def _scaling_to_json(scaling: Autoscaling) -> dict[str, Any]:
    return {
        "minReplicas": scaling.minimum,
        "maxReplicas": scaling.maximum,
        "metrics": [{"name": _NAMES[scaling.metric], "targetAverageValue": scaling.target}],
    }


def _instances(body: Mapping[str, Any]) -> Instances | None:
    scaling = body.get("autoScaling")
    if scaling is None:
        replicas = body.get("replicas")
        return None if replicas is None else _whole(body, "replicas")
    said = _mapping(scaling, '"autoScaling"')
    metrics = said.get("metrics")
    if not isinstance(metrics, list) or len(metrics) != 1:
        raise ServiceRuleError('"autoScaling.metrics" must be a list of one metric.')
    metric = _mapping(metrics[0], '"autoScaling.metrics"')
    name = metric.get("name")
    if not isinstance(name, str) or name not in _METRICS:
        raise ServiceRuleError(
            f'"autoScaling.metrics.name" is {name!r:.40}, expected {" or ".join(_METRICS)}.'
        )
    return Autoscaling(
        _whole(said, "minReplicas"),
        _whole(said, "maxReplicas"),
        _METRICS[name],
        _whole(metric, "targetAverageValue"),
    )


def _models(body: Mapping[str, Any]) -> tuple[ModelRef, ...] | None:
    if body.get("models") is None:
        return None
    models = body["models"]
    if not isinstance(models, list) or len(models) not in {1, 2}:
        raise ServiceRuleError('"models" must be a list of one or two models.')
    said = [_mapping(model, "Each of models") for model in models]
    return tuple(
        ModelRef.parse(f"{_text(model, 'id')}:{_text(model, 'version')}") for model in said
    )


def _weights(body: Mapping[str, Any]) -> tuple[float, ...] | None:
    said = body.get("weights")
    if said is None:
        models = body.get("models") or []
        said = [m["weight"] for m in models if m.get("weight") is not None]
        if not said or (len(models) == 1 and said == [1]):
            return None
        if models[0].get("weight") is None:
            raise ServiceRuleError('"weight" is missing for the first of the models.')
    if not isinstance(said, list) or not said:
        raise ServiceRuleError('"weights" must be a list of one or two numbers.')
    for weight in said:
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise ServiceRuleError(f'"weight" must be a number between 0 and 1: {weight!r:.40}.')
    return tuple(float(weight) for weight in said)


def _check_type(body: Mapping[str, Any], service: Service) -> None:
    kind = body.get("type")
    if kind is not None and kind != service.kind:
        raise ServiceRuleError(
            f'"type" is {kind!r:.40}, expected "{service.kind}" for {len(service.branches)} '
            "model(s)."
        )


def _known_keys(body: Mapping[str, Any]) -> None:
    unknown = [key for key in body if key not in {*_KEYS, *_TOLD}]
    if unknown:
        raise ServiceRuleError(
            f"Unknown key {unknown[0]!r:.40}. Expected some of: {', '.join(_KEYS)}."
        )


def _mapping(said: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(said, Mapping):
        raise ServiceRuleError(f"{what} must be a JSON object.")
    return said


def _text(body: Mapping[str, Any], key: str) -> str:
    said = body.get(key)
    if not isinstance(said, str):
        raise ServiceRuleError(f'"{key}" is missing or no text.')
    return said


def _whole(body: Mapping[str, Any], key: str) -> int:
    said = body.get(key)
    if not isinstance(said, int) or isinstance(said, bool):
        raise ServiceRuleError(f'"{key}" must be a positive whole number.')
    return whole(key, said)
