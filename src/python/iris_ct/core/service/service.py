"""A service: one address, one model or two of them, and how many instances each has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from iris_ct.core.errors import ServiceRuleError
from iris_ct.core.service.instances import (
    Autoscaling,
    Instances,
    check_instances,
    say_instances,
)
from iris_ct.core.service.names import ModelRef, check_count, check_domain, check_service_name
from iris_ct.core.service.weights import say_weights, weights_for

ServiceType = Literal["model", "static"]


@dataclass(frozen=True)
class Branch:
    """One model of a service and its share of the requests, in [0, 1]."""

    model: ModelRef
    weight: float


@dataclass(frozen=True)
class Service:
    """What was wished of a service; its rules hold for every value of this class.

    Attributes
    ----------
    name : str
        Lower-case letters, digits and single dashes; unique in a home.
    branches : tuple of Branch
        One, or two whose weights have the sum 1.
    instances : int or Autoscaling
        Of each model on its own.
    domain : str
        Who may see it; empty for everybody.
    """

    name: str
    branches: tuple[Branch, ...]
    instances: Instances = 1
    domain: str = ""

    def __post_init__(self) -> None:
        """Refuse what breaks a rule."""
        check_service_name(self.name)
        check_count(len(self.branches))
        weights = [branch.weight for branch in self.branches]
        if len(weights) == 1 and weights != [1.0]:
            raise ServiceRuleError(f"The only model has weight 1, found {say_weights(weights)}.")
        if len(weights) > 1:
            weights_for(len(weights), weights)
        check_instances(self.instances)
        check_domain(self.domain)

    @property
    def kind(self) -> ServiceType:
        """``model`` with one model, ``static`` with two and fixed weights."""
        return "model" if len(self.branches) == 1 else "static"

    @property
    def models(self) -> tuple[ModelRef, ...]:
        """Its models."""
        return tuple(branch.model for branch in self.branches)

    @property
    def weights(self) -> tuple[float, ...]:
        """Their weights."""
        return tuple(branch.weight for branch in self.branches)

    @property
    def autoscaling(self) -> Autoscaling | None:
        """How it scales by itself, None if it does not."""
        return self.instances if isinstance(self.instances, Autoscaling) else None


def make_service(
    name: str,
    models: Sequence[ModelRef],
    *,
    weights: Sequence[float] | None = None,
    instances: Instances | None = None,
    domain: str = "",
) -> Service:
    """Make a service of what was said; what was not said has its default.

    Raises
    ------
    ServiceRuleError
        If a rule is broken.
    """
    check_service_name(name)
    check_count(len(models))
    shares = weights_for(len(models), weights)
    branches = tuple(Branch(*pair) for pair in zip(models, shares, strict=True))
    return Service(name, branches, 1 if instances is None else instances, domain)


def service_words(service: Service, *, amid: str = "") -> str:
    """Say models, weights and instances in the words of the commands.

    Parameters
    ----------
    amid : str
        Stands before ``with`` and the instances.

    Examples
    --------
    >>> print(service_words(make_service("s", [ModelRef("a", "1.0.0"), ModelRef("b", "2.0.0")])))
    models "a:1.0.0,b:2.0.0" with weights 0.5,0.5, with 1 instance
    """
    several = len(service.branches) > 1
    names = ",".join(map(str, service.models))
    weights = f" with weights {say_weights(service.weights)}" if several else ""
    scaling = service.autoscaling
    count = say_instances(service.instances)
    return (
        f'model{"s" if several else ""} "{names}"{weights}, {amid or "with "}{count} '
        f"instance{'' if count == '1' else 's'}"
        + (f", with autoscaling metrics {scaling}" if scaling else "")
    )
