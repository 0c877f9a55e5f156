"""``ct service``: create, modify, list, look into and delete model services."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated, Any

from cyclopts import App, Parameter

from iris_ct.cli.clusters import CLUSTER, LIST, ClusterOptions, ListOptions, say_success
from iris_ct.cli.rendering import show_json, show_lines, show_plain_table
from iris_ct.cli.verbs import verb_named
from iris_ct.cli.when import local_now, say_when

_VERB = verb_named("service")
_UNITS = {"cpuMilliCores": ("cpu", "m"), "memoryMegaBytes": ("memory", "Mi")}

service = App(
    name=_VERB.name,
    help=_VERB.line,
    help_format="plaintext",
    help_epilogue=_VERB.epilogue,
    default_parameter=Parameter(negative=()),
    version_flags=(),
)

# A wrong value may look like an option: -0.1.
Text = Annotated[str | None, Parameter(allow_leading_hyphen=True)]


@service.command
def create(
    *,
    name: str,
    models: str,
    weights: Text = None,
    instances: Text = None,
    min_replicas: Annotated[
        str | None, Parameter(name="--minReplicas", allow_leading_hyphen=True)
    ] = None,
    max_replicas: Annotated[
        str | None, Parameter(name="--maxReplicas", allow_leading_hyphen=True)
    ] = None,
    metric: Text = None,
    target: Annotated[
        str | None, Parameter(name="--targetAverageValue", allow_leading_hyphen=True)
    ] = None,
    domain: str = "",
    options: ClusterOptions = CLUSTER,
) -> int:
    """Create a model service.

    Parameters
    ----------
    name
        Lower-case letters, digits and single dashes, not at the ends.
    models
        One model, or two with a comma: <id>:<version>; a model trained here as its name, which
        follows the champion, or <name>:<version number>.
    weights
        Share of each of two models, or of the first; 0.5,0.5 by default.
    instances
        Processes of each model, 1 by default, or auto with the four options below.
    min_replicas
        Fewest instances, with auto.
    max_replicas
        Most instances, with auto.
    metric
        cpu or memory, with auto.
    target
        What an instance should use on average, in millicores or MiB, with auto.
    domain
        Who may see and change it; everybody without one.
    """
    from iris_ct.core.service import (
        check_service_name,
        instances_of,
        make_service,
        parse_references,
        parse_weights,
    )

    check_service_name(name)
    wished = make_service(
        name,
        parse_references(models),
        weights=None if weights is None else parse_weights(weights),
        instances=instances_of(
            instances, minimum=min_replicas, maximum=max_replicas, metric=metric, target=target
        ),
        domain=domain,
    )
    cluster = options.open()
    say_success(cluster.create(wished), cluster)
    return 0


@service.command
def modify(
    *,
    name: str,
    models: str | None = None,
    weights: Text = None,
    instances: Text = None,
    min_replicas: Annotated[
        str | None, Parameter(name="--minReplicas", allow_leading_hyphen=True)
    ] = None,
    max_replicas: Annotated[
        str | None, Parameter(name="--maxReplicas", allow_leading_hyphen=True)
    ] = None,
    metric: Text = None,
    target: Annotated[
        str | None, Parameter(name="--targetAverageValue", allow_leading_hyphen=True)
    ] = None,
    options: ClusterOptions = CLUSTER,
) -> int:
    """Modify models, weights or instances of a model service, or several of them at once.

    Two models keep their weights if only the models change.

    Parameters
    ----------
    name
        The service.
    models
        One model, or two with a comma; see ct service create --help.
    weights
        Share of each of two models, or of the first.
    instances
        Processes of each model, or auto with the four options below.
    min_replicas
        Fewest instances, with auto.
    max_replicas
        Most instances, with auto.
    metric
        cpu or memory, with auto.
    target
        What an instance should use on average, in millicores or MiB, with auto.
    """
    from iris_ct.core.service import (
        Change,
        check_service_name,
        instances_of,
        parse_references,
        parse_weights,
    )

    check_service_name(name)
    change = Change(
        None if models is None else parse_references(models),
        None if weights is None else parse_weights(weights),
        instances_of(
            instances, minimum=min_replicas, maximum=max_replicas, metric=metric, target=target
        ),
    )
    cluster = options.open()
    say_success(cluster.modify(name, change), cluster)
    return 0


@service.command(name="list")
def list_(*, options: ListOptions = LIST) -> int:
    """List the model services."""
    told = options.open().services()
    if options.json:
        show_json(told)
    else:
        show_plain_table(*service_table(told, local_now()))
    return 0


@service.command
def delete(*, name: str, options: ClusterOptions = CLUSTER) -> int:
    """Delete a model service.

    Parameters
    ----------
    name
        The service.
    """
    cluster = options.open()
    say_success(cluster.delete(name), cluster)
    return 0


@service.command
def logs(
    *,
    name: str,
    lines: int = 100,
    seconds: int | None = None,
    limit: int = 50_000,
    options: ClusterOptions = CLUSTER,
) -> int:
    """Show the newest output of the processes of a model service.

    Parameters
    ----------
    name
        The service.
    lines
        At most so many lines of each process.
    seconds
        Only what is not older than that.
    limit
        At most so many bytes of each process.
    """
    from iris_ct.core.errors import ServiceRuleError

    for option, said in (("lines", lines), ("seconds", seconds), ("limit", limit)):
        if said is not None and said < 0:
            raise ServiceRuleError(f"--{option} must not be negative, found {said}.")
    told = options.open().logs(name, lines=lines, seconds=seconds, limit=limit)
    for process, text in told.items():
        show_lines(["", f"Logs for container <{process}>:", text.rstrip("\n")])
    if not told:
        print(f'Model service "{name}" has no logs yet.', file=sys.stderr)
    return 0


def service_table(told: list[dict[str, Any]], now: datetime) -> tuple[list[str], list[list[str]]]:
    """Give the columns and rows of the list; some columns are there only if a service needs them."""
    has_scaling = any(one.get("autoScaling") for one in told)
    has_two = any(len(one["models"]) > 1 for one in told)
    columns = [
        *("STARTED", "NAME", "INSTANCES"),
        *(["AUTOSCALING"] if has_scaling else []),
        *("TYPE", "STATUS", "USER"),
        *(["MODEL_A", "MODEL_B", "WEIGHTS"] if has_two else ["MODEL"]),
        "ENDPOINT",
    ]
    rows = []
    for one in told:
        scaling = one.get("autoScaling")
        models = [f"{model['id']}:{model['version']}" for model in one["models"]]
        weights = ",".join(f"{model.get('weight', 1):.10g}" for model in one["models"])
        two = [models[0], *(models[1:] or ["-"]), weights if len(models) > 1 else "-"]
        rows.append(
            [
                say_when(one["created"], now),
                one["name"],
                _instances(one),
                *([_scaling(scaling)] if has_scaling else []),
                *(one["type"], one["status"], one["createdByUserName"] or "-"),
                *(two if has_two else models),
                one["endpoint"],
            ]
        )
    return columns, rows


def _instances(one: dict[str, Any]) -> str:
    scaling = one.get("autoScaling")
    return (
        f"{scaling['minReplicas']}-{scaling['maxReplicas']}" if scaling else str(one["replicas"])
    )


def _scaling(scaling: dict[str, Any] | None) -> str:
    if not scaling:
        return "-"
    said = []
    for metric in scaling["metrics"]:
        name, unit = _UNITS.get(metric["name"], (metric["name"], ""))
        said.append(f"{name}:{metric['targetAverageValue']}{unit}")
    return ",".join(said)
