"""What can be changed of a service, in every subset at once."""

from __future__ import annotations

from dataclasses import dataclass

from iris_ct.core.errors import ServiceRuleError
from iris_ct.core.service.instances import Instances
from iris_ct.core.service.names import ModelRef
from iris_ct.core.service.service import Service, make_service


@dataclass(frozen=True)
class Change:
    """What a service shall be from now on; None leaves it as it is.

    Raises
    ------
    ServiceRuleError
        If nothing at all is to be changed.
    """

    models: tuple[ModelRef, ...] | None = None
    weights: tuple[float, ...] | None = None
    instances: Instances | None = None

    def __post_init__(self) -> None:
        """Refuse a change of nothing."""
        if self.models is None and self.weights is None and self.instances is None:
            raise ServiceRuleError(
                "Nothing to change was said. Expected at least one of models, weights, instances."
            )


def changed(service: Service, change: Change) -> Service:
    """Give the service as it shall be; equal to what it was if there is nothing to do.

    Two models keep the weights if only the models change; a second model gets half of the
    requests if no weights are said.

    Raises
    ------
    ServiceRuleError
        If the result would break a rule.
    """
    models = service.models if change.models is None else change.models
    weights = change.weights
    if weights is None and len(models) == len(service.branches) > 1:
        weights = service.weights
    instances = service.instances if change.instances is None else change.instances
    return make_service(
        service.name, models, weights=weights, instances=instances, domain=service.domain
    )
