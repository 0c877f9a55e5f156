"""How the requests of a service are shared between two models."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation

from iris_ct.core.errors import ServiceRuleError

HALVES = (0.5, 0.5)
# What a sum of two float64 can be off, and more than anyone writes out: 1 - 0.9 is
# 0.09999999999999998.
_TOLERANCE = Decimal("1e-9")


def parse_weights(text: str) -> tuple[float, ...]:
    """Read weights with commas between them; says nothing about their sum.

    Raises
    ------
    ServiceRuleError
        If one is no number.
    """
    return tuple(float(_number(part.strip())) for part in text.split(","))


def weights_for(n_models: int, said: Sequence[float] | None) -> tuple[float, ...]:
    """Give each model its weight.

    Parameters
    ----------
    said : sequence of float or None
        In [0, 1]. Two with the sum 1; one is the first model's and the second gets the rest;
        None shares evenly.

    Raises
    ------
    ServiceRuleError
        If there is one model, or the weights break a rule.

    Examples
    --------
    >>> weights_for(2, [0.2]), weights_for(2, None), weights_for(1, None)
    ((0.2, 0.8), (0.5, 0.5), (1.0,))
    """
    if n_models == 1:
        if said:
            raise ServiceRuleError(
                f"Weights ({say_weights(said)}) are for two models, found one. Leave them out."
            )
        return (1.0,)
    if not said:
        return HALVES
    if len(said) > n_models:
        raise ServiceRuleError(
            f"Expected one or two weights for two models, found {len(said)}: {say_weights(said)}."
        )
    exact = [_number(repr(weight)) for weight in said]
    if wrong := [weight for weight in exact if not 0 <= weight <= 1]:
        raise ServiceRuleError(f"Each weight must be between 0 and 1, found {_say(wrong[0])}.")
    if len(exact) == 1:
        exact.append(1 - exact[0])
    if abs(sum(exact, Decimal(0)) - 1) > _TOLERANCE:
        raise ServiceRuleError(
            f"The weights must have the sum 1, found {say_weights(said)} with the sum "
            f"{_say(sum(exact, Decimal(0)))}."
        )
    return tuple(float(weight) for weight in exact)


def say_weights(weights: Sequence[float]) -> str:
    """Say weights shortly.

    Examples
    --------
    >>> say_weights([0.2, 0.8]), say_weights([1.0, 0.0]), say_weights([1 - 0.9])
    ('0.2,0.8', '1,0', '0.1')
    """
    return ",".join(_say(Decimal(repr(weight))) for weight in weights)


def _number(text: str) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise ServiceRuleError(f'Each weight must be a number between 0 and 1, found "{text}".')
    return number


def _say(weight: Decimal) -> str:
    return f"{float(weight):.10g}"
