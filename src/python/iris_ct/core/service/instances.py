"""How many processes each model of a service has: a number, or by what they use."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from iris_ct.core.errors import ServiceRuleError

Metric = Literal["cpu", "memory"]

AUTO = "auto"
UNITS: dict[Metric, str] = {"cpu": "m", "memory": "Mi"}
"""Millicores and mebibytes."""
_OPTIONS = ("minReplicas", "maxReplicas", "metric", "targetAverageValue")
# What a 32-bit reader of the JSON form holds.
_MOST = 2**31 - 1


@dataclass(frozen=True)
class Autoscaling:
    """Between how many instances a model has, by what they use on average.

    Attributes
    ----------
    minimum, maximum : int
        Instances of each model, 1 or more.
    metric : {"cpu", "memory"}
        What is measured.
    target : int
        What an instance should use on average: millicores or MiB.
    """

    minimum: int
    maximum: int
    metric: Metric
    target: int

    def __post_init__(self) -> None:
        """Refuse what breaks a rule."""
        for name, number in (
            ("minReplicas", self.minimum),
            ("maxReplicas", self.maximum),
            ("targetAverageValue", self.target),
        ):
            _positive(name, number)
        if self.metric not in UNITS:
            raise ServiceRuleError(
                f'Metric "{str(self.metric)[:40]}" is unknown. Expected {" or ".join(UNITS)}.'
            )
        if self.minimum > self.maximum:
            raise ServiceRuleError(
                f"minReplicas ({self.minimum}) must not be larger than maxReplicas "
                f"({self.maximum})."
            )

    def __str__(self) -> str:
        """Say metric and target: ``cpu:100m``."""
        return f"{self.metric}:{self.target}{UNITS[self.metric]}"


Instances = int | Autoscaling


def instances_of(
    instances: str | None,
    *,
    minimum: str | None = None,
    maximum: str | None = None,
    metric: str | None = None,
    target: str | None = None,
) -> Instances | None:
    """Read how many instances, as options say it.

    Parameters
    ----------
    instances : str or None
        A positive whole number, ``auto``, or None.
    minimum, maximum, metric, target : str or None
        All four with ``auto``, none otherwise; the unit (``m``, ``Mi``) may stand behind the
        target.

    Returns
    -------
    int, Autoscaling or None
        None if nothing was said.

    Raises
    ------
    ServiceRuleError
        If a rule is broken.

    Examples
    --------
    >>> instances_of("3"), str(instances_of("auto", minimum="1", maximum="3", metric="cpu", target="100"))
    (3, 'cpu:100m')
    """
    options = (minimum, maximum, metric, target)
    given = [name for name, said in zip(_OPTIONS, options, strict=True) if said is not None]
    if instances == AUTO:
        missing = [name for name in _OPTIONS if name not in given]
        if missing:
            raise ServiceRuleError(
                f"instances auto needs all of {', '.join(_OPTIONS)}; missing: {', '.join(missing)}."
            )
        kind = _metric(str(metric))
        return Autoscaling(
            whole("minReplicas", minimum),
            whole("maxReplicas", maximum),
            kind,
            whole("targetAverageValue", str(target).removesuffix(UNITS[kind])),
        )
    if given:
        raise ServiceRuleError(
            f"{', '.join(given)} can only be given together with instances auto, found "
            f"{'none' if instances is None else f'instances {instances[:40]}'}."
        )
    return None if instances is None else whole("instances", instances, or_else=f" or {AUTO}")


def say_instances(instances: Instances) -> str:
    """Say how many: ``3`` or ``1-3``."""
    if isinstance(instances, Autoscaling):
        return f"{instances.minimum}-{instances.maximum}"
    return str(instances)


def check_instances(instances: Instances) -> Instances:
    """Give a number of instances back if there can be so many."""
    return instances if isinstance(instances, Autoscaling) else _positive("instances", instances)


def whole(name: str, said: str | int | None, *, or_else: str = "") -> int:
    """Read a positive whole number."""
    text = str(said)
    if not re.fullmatch(r"[0-9]{1,10}", text) or not 1 <= int(text) <= _MOST:
        raise ServiceRuleError(
            f'{name} must be a positive whole number{or_else}, found "{text[:40]}".'
        )
    return int(text)


def _positive(name: str, number: object) -> int:
    if not isinstance(number, int) or isinstance(number, bool):
        raise ServiceRuleError(f"{name} must be a positive whole number, found {number!r:.40}.")
    return whole(name, number)


def _metric(said: str) -> Metric:
    for metric in UNITS:
        if said == metric:
            return metric
    raise ServiceRuleError(f'Metric "{said[:40]}" is unknown. Expected {" or ".join(UNITS)}.')
