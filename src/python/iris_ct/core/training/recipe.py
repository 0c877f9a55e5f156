"""The recipe digest: two models of one recipe differ only by their rows, window and rounds."""

from __future__ import annotations

from iris_ct.core.canonical import digest
from iris_ct.core.specification import Specification
from iris_ct.core.training.parameters import boosting_parameters


def recipe_digest(specification: Specification) -> str:
    """Digest what a specification says about learning.

    Covers task, target, positive class, features, time zone, metric, all parameters with the
    product's defaults, seed, threads and the limit of rounds; not the windows.
    """
    content = specification.content()
    return digest(
        {
            "task": specification.task,
            "target": specification.target,
            "positive": specification.positive,
            "time_zone": specification.time_zone,
            "features": [_learned(feature) for feature in content["features"]],
            "parameters": boosting_parameters(specification),
            "rounds": specification.training.rounds,
        }
    )


def forces_retraining(before: Specification, after: Specification) -> bool:
    """Tell whether a change of the specification makes a champion's recipe outdated."""
    return recipe_digest(before) != recipe_digest(after)


def _learned(feature: dict[str, object]) -> dict[str, object]:
    """Keep what the model sees of a feature; bounds and allowed values only guard the door."""
    return {name: feature[name] for name in ("name", "kind", "parts")}
