"""The manifests: valid against Kubernetes' schemas, and the same services as the compose file.

The schema of the operator's IrisCluster is not public. Its keys are those of InterSystems' public
samples, and what Kubernetes itself defines inside of it is checked in a resource of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from tests.deploy.files import run
from tests.stack.compose import declared, read_service

from iris_ct.serving.access.tokens import create_token, read_tokens, tokens_path
from iris_ct.serving.options import GatewayOptions

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUSTOMIZATION = DEPLOY / "kustomization.yaml"
VERSION = "1.37"

# Found in intersystems-community/iko-01-basic-iris-cluster and in the operator's own
# iris-sample.yaml, as it is quoted in public repositories.
CLUSTER_KEYS = {
    "licenseKeySecret",
    "configSource",
    "imagePullSecrets",
    "storageClassName",
    "updateStrategy",
    "serviceTemplate",
    "volumeClaimTemplates",
    "volumes",
    "tls",
    "topology",
}
DATA_KEYS = {
    "image",
    "podTemplate",
    "shards",
    "mirrored",
    "storageDB",
    "storageWIJ",
    "storageJournal1",
    "storageJournal2",
    "preferredZones",
    "volumeMounts",
}
# As the last ones, said to be unverified where they stand.
POD_KEYS = {"env", "resources"} | {"args", "readinessProbe"}

# What a pod needs and a container of compose does not; the manifest says why.
ONLY_KUBERNETES = {"postgres": {"PGDATA"}}

# Where images that are built here are pushed to.
REGISTRY = "registry.example.org/"

SERVERS = pytest.mark.parametrize("name", ["mlflow", "postgres", "storage", "serving"])

Resource = dict[str, Any]


def resources() -> list[Resource]:
    """Give every resource that the kustomization names, for the caller alone."""
    return deepcopy(_read())


@cache
def _read() -> list[Resource]:
    named = yaml.safe_load(KUSTOMIZATION.read_text())["resources"]
    return [
        resource for name in named for resource in yaml.safe_load_all((DEPLOY / name).read_text())
    ]


def of_kind(kind: str) -> list[Resource]:
    return [each for each in resources() if each["kind"] == kind]


def pods() -> dict[str, Resource]:
    """Give the pod of each workload by its name."""
    workloads = (*of_kind("Deployment"), *of_kind("StatefulSet"))
    return {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in workloads}


def containers() -> dict[str, tuple[Resource, Resource]]:
    """Give each container with its pod."""
    return {
        container["name"]: (pod, container)
        for pod in pods().values()
        for container in (*pod.get("initContainers", []), *pod["containers"])
    }


def cluster() -> Resource:
    [found] = of_kind("IrisCluster")
    spec: Resource = found["spec"]
    return spec


def name_of_cluster() -> str:
    """Give the name, by which the operator calls the Service, the StatefulSet and labels."""
    [found] = of_kind("IrisCluster")
    return str(found["metadata"]["name"])


def volumes(pod: Resource) -> dict[str, Resource]:
    return {volume["name"]: volume for volume in pod["volumes"]}


def seconds(text: str) -> int:
    """Read a time of the compose file.

    Examples
    --------
    >>> seconds("30s"), seconds("2m")
    (30, 120)
    """
    return int(text[:-1]) * {"s": 1, "m": 60}[text[-1]]


def validate(resource: Resource) -> None:
    kubernetes_validate.validate(resource, VERSION, strict=True)


def test_every_manifest_is_named_by_the_kustomization() -> None:
    named = {DEPLOY / name for name in yaml.safe_load(KUSTOMIZATION.read_text())["resources"]}
    assert named == set((DEPLOY / "kubernetes").glob("*.yaml"))


@pytest.mark.parametrize(
    "resource",
    [each for each in resources() if each["kind"] != "IrisCluster"],
    ids=lambda each: f"{each['kind']}-{each['metadata']['name']}",
)
def test_resources_follow_the_schema(resource: Resource) -> None:
    validate(resource)


def test_a_misspelt_key_would_be_found() -> None:
    [deployment] = of_kind("Deployment")
    deployment["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        validate(deployment)


def test_the_generator_takes_the_scripts_that_compose_mounts() -> None:
    [generated] = yaml.safe_load(KUSTOMIZATION.read_text())["configMapGenerator"]
    assert generated["name"] == "ct-scripts"
    for name in generated["files"]:
        assert (DEPLOY / name).is_file()
    every = [each.get("command", []) + each.get("args", []) for _, each in containers().values()]
    words = " ".join(chain.from_iterable(every))
    assert set(re.findall(r"/deploy/([\w.]+)", words)) == set(generated["files"])


@pytest.mark.parametrize("name", ["mlflow", "bucket", "postgres", "storage", "serving"])
def test_containers_run_what_the_compose_file_says(name: str) -> None:
    pod, container = containers()[name]
    said, service = declared(name), read_service(name)
    assert container["image"].removeprefix(REGISTRY) == said["image"]
    assert (*container.get("command", ()), *container.get("args", ())) == service.command
    env = {each["name"]: each["value"] for each in container["env"]}
    extra = ONLY_KUBERNETES.get(name, set())
    # The host of IRIS is the Service of the operator.
    said_there = {
        key: text.replace("@iris:", f"@{name_of_cluster()}:")
        for key, text in service.environment.items()
    }
    assert {key: env[key] for key in env.keys() - extra} == said_there
    security = pod["securityContext"]
    assert f"{security['runAsUser']}:{security['runAsGroup']}" == said["user"]
    assert security["fsGroup"] == security["runAsGroup"], "volumes and secrets belong to it"
    limit = str(container["resources"]["limits"]["memory"])
    assert limit.lower().removesuffix("i") == said["mem_limit"]
    # Compose says the size of shared memory by a key of its own.
    mounted = [each for each in container["volumeMounts"] if each["name"] != "shared-memory"]
    assert {each["mountPath"] for each in mounted} == set(service.mounts)


@SERVERS
def test_containers_give_up_what_they_do_not_need(name: str) -> None:
    pod = pods()[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod.get("initContainers", []), *pod["containers"]):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert all(container["readinessProbe"] for container in pod["containers"])


@SERVERS
def test_pods_have_the_time_to_end_that_the_compose_file_gives(name: str) -> None:
    given = pods()[name]["terminationGracePeriodSeconds"]
    assert given >= seconds(declared(name)["stop_grace_period"])


def test_readiness_of_mlflow_asks_what_the_compose_file_asks() -> None:
    """And by an allowed name: the pod's address, which kubelet would send, gets 403."""
    _, container = containers()["mlflow"]
    asked = container["readinessProbe"]["httpGet"]
    [host] = [each["value"] for each in asked["httpHeaders"] if each["name"] == "Host"]
    assert f"http://{host}{asked['path']}" in " ".join(read_service("mlflow").healthcheck)
    env = {each["name"]: each["value"] for each in container["env"]}
    assert host in env["MLFLOW_SERVER_ALLOWED_HOSTS"].split(",")
    assert container["startupProbe"]["httpGet"] == asked


def test_services_reach_a_port_of_a_pod() -> None:
    for service in of_kind("Service"):
        name = service["metadata"]["name"]
        assert service["spec"]["selector"] == {"app.kubernetes.io/name": name}
        [container] = pods()[name]["containers"]
        opened = {port["name"]: port["containerPort"] for port in container["ports"]}
        for port in service["spec"]["ports"]:
            assert opened[port["targetPort"]] == port["port"]


def test_the_gateway_ends_before_it_is_killed() -> None:
    """Open requests, then calls to models, then workers are waited for, each as long as it says."""
    pod, container = containers()["serving"]
    assert "CT_SERVE_DRAIN_S" not in {each["name"] for each in container["env"]}
    assert pod["terminationGracePeriodSeconds"] > 3 * GatewayOptions().drain_s


def test_the_gateway_is_one_pod_beside_iris() -> None:
    [gateway] = [each for each in of_kind("StatefulSet") if each["metadata"]["name"] == "serving"]
    assert gateway["spec"]["replicas"] == 1
    pod = pods()["serving"]
    near = pod["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    [rule] = near
    assert rule["topologyKey"] == "kubernetes.io/hostname"
    chosen = rule["labelSelector"]["matchLabels"]
    assert chosen["intersystems.com/name"] == name_of_cluster()


def test_the_gateway_shares_of_the_home_of_iris_what_the_compose_file_says() -> None:
    pod, container = containers()["serving"]
    [template] = cluster()["volumeClaimTemplates"]
    [place] = [
        mount["mountPath"]
        for mount in cluster()["topology"]["data"]["volumeMounts"]
        if mount["name"] == template["metadata"]["name"]
    ]
    claim = volumes(pod)["home"]["persistentVolumeClaim"]
    assert claim["claimName"] == f"{template['metadata']['name']}-{name_of_cluster()}-data-0"
    mounts = {each["mountPath"]: each for each in container["volumeMounts"]}
    for path, mount in mounts.items():
        if mount["name"] == "home":
            assert path == f"{place}/{mount['subPath']}"
    said = [line.split(":") for line in declared("serving")["volumes"]]
    assert {path for path, mount in mounts.items() if mount.get("readOnly")} == {
        target for _source, target, *mode in said if mode == ["ro"]
    }
    # What compose takes of dur/ is in the home, but for model files and what is the gateway's own.
    own = {path for path, mount in mounts.items() if mount["name"] != "home"}
    assert own == {"/dur/serving", "/dur/models", "/run/secrets"}
    assert volumes(pod)["models"]["configMap"] in [
        volume.get("configMap") for volume in cluster()["volumes"]
    ]


def test_the_gateway_is_asked_for_its_health_as_in_compose() -> None:
    """And is ready as long as it lives: /readyz speaks of every service."""
    _, container = containers()["serving"]
    [asked] = re.findall(r'request\("GET", "(.+)"\)', (DEPLOY / "serving/health.py").read_text())
    live, ready = container["livenessProbe"], container["readinessProbe"]
    assert live["httpGet"] == ready["httpGet"] == {"path": asked, "port": "http"}
    said = declared("serving")["healthcheck"]
    assert live["periodSeconds"] == seconds(said["interval"])
    assert live["timeoutSeconds"] == seconds(said["timeout"])
    assert live["failureThreshold"] == said["retries"]


def test_somebody_takes_over_what_the_gateways_children_leave_behind() -> None:
    assert declared("serving")["init"] is True
    assert pods()["serving"]["shareProcessNamespace"] is True


def first_start(home: Path) -> None:
    """Run what stands before the gateway, on a home."""
    _, container = containers()["tokens"]
    command = (*container["command"], *container["args"])
    said = run(*(word.replace("/dur/serving", f"'{home}/serving'") for word in command))
    assert (said.returncode, said.stdout) == (0, "")


def test_tokens_are_in_use_from_the_first_start_and_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "serving").mkdir()
    first_start(tmp_path)
    assert read_tokens(tokens_path(tmp_path)) == ()
    assert [path.name for path in (tmp_path / "serving").iterdir()] == ["tokens.json"]
    assert tokens_path(tmp_path).read_text().strip() in (DEPLOY / "prepare.sh").read_text()


def test_tokens_that_are_there_stay_and_are_their_owners_alone_again(tmp_path: Path) -> None:
    now = datetime(2026, 11, 21, tzinfo=UTC)
    create_token(tmp_path, "shop", role="reader", domains=("*",), now=now)
    # As kubelet leaves the files of a volume whose group it has set.
    tokens_path(tmp_path).chmod(0o660)
    first_start(tmp_path)
    kept = read_tokens(tokens_path(tmp_path))
    assert kept is not None
    assert [token.name for token in kept] == ["shop"]


def test_kubelet_leaves_the_modes_of_the_gateways_files_alone() -> None:
    """Those of the home are changed with IRIS' pod, so the file of tokens is on another volume."""
    pod, container = containers()["serving"]
    assert pod["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    [gateway] = [each for each in of_kind("StatefulSet") if each["metadata"]["name"] == "serving"]
    [own] = [each["metadata"]["name"] for each in gateway["spec"]["volumeClaimTemplates"]]
    folder = str(tokens_path(Path("/dur")).parent)
    assert [each["name"] for each in container["volumeMounts"] if each["mountPath"] == folder] == [
        own
    ]


def test_iris_and_the_gateway_have_the_same_password() -> None:
    """IRIS finds it where CT.Setup looks, the gateway where its variable says."""
    setup = (ROOT / "src/cls/CT/Setup.cls").read_text()
    [looked_at] = re.findall(r'Parameter GATEWAYPASSWORD = "(.+)";', setup)
    mounts = cluster()["topology"]["data"]["volumeMounts"]
    [mount] = [each for each in mounts if each["mountPath"] == looked_at]
    [there] = [each for each in cluster()["volumes"] if each["name"] == mount["name"]]
    pod, container = containers()["serving"]
    here = volumes(pod)["secrets"]["secret"]
    assert there["secret"]["secretName"] == here["secretName"]
    env = {each["name"]: each["value"] for each in container["env"]}
    folder, _, name = env["CT_STORE_PASSWORD_FILE"].rpartition("/")
    assert folder in {each["mountPath"] for each in container["volumeMounts"]}
    assert {"key": mount["subPath"], "path": name} in here["items"]


def test_only_the_port_of_the_gateway_is_reached() -> None:
    [policy] = [each for each in of_kind("NetworkPolicy") if "ports" in each["spec"]["ingress"][0]]
    assert policy["spec"]["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "serving"}
    assert policy["spec"]["ingress"] == [{"ports": [{"protocol": "TCP", "port": "http"}]}]


def test_only_mlflow_reaches_its_database_and_its_files() -> None:
    [policy] = [each for each in of_kind("NetworkPolicy") if "from" in each["spec"]["ingress"][0]]
    [chosen] = policy["spec"]["podSelector"]["matchExpressions"]
    assert set(chosen["values"]) == {"postgres", "storage"}
    [rule] = policy["spec"]["ingress"]
    [source] = rule["from"]
    assert source["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "mlflow"}


def _references(node: Any) -> Iterator[str]:
    """Find the names of secrets and config maps."""
    if isinstance(node, list):
        yield from chain.from_iterable(map(_references, node))
    elif isinstance(node, dict):
        for key, inner in node.items():
            if key == "secret":
                yield inner["secretName"]
            elif key in ("configMap", "licenseKeySecret", "configSource"):
                yield inner["name"]
            else:
                yield from _references(inner)


def test_every_secret_and_config_map_is_made_by_the_manifests_or_by_a_command_they_name() -> None:
    text = KUSTOMIZATION.read_text()
    commanded = re.findall(r"create (?:secret generic|configmap) ([\w-]+)", text)
    [generated] = yaml.safe_load(text)["configMapGenerator"]
    made = {each["metadata"]["name"] for each in of_kind("ConfigMap")}
    assert set(_references(resources())) == {*commanded, *made, generated["name"]}
    assert of_kind("Secret") == [], "no secret is committed"


def test_keys_of_a_secret_that_are_used_are_made() -> None:
    made = set(re.findall(r"--from-literal=(\w+)=", KUSTOMIZATION.read_text()))
    used = {
        item["key"]
        for pod in pods().values()
        for volume in pod["volumes"]
        for item in volume.get("secret", {}).get("items", [])
    }
    assert used <= made
    script = (DEPLOY / "with_secrets.sh").read_text()
    assert set(re.findall(r"\(secret (\w+)\)", script)) <= made


def test_only_known_keys_of_the_operator_are_used() -> None:
    spec = cluster()
    assert set(spec) <= CLUSTER_KEYS
    assert set(spec["topology"]) <= {"data", "compute", "webgateway", "arbiter"}
    data = spec["topology"]["data"]
    assert set(data) <= DATA_KEYS
    assert set(data["podTemplate"]) == {"spec"}
    assert set(data["podTemplate"]["spec"]) <= POD_KEYS


def test_what_kubernetes_defines_inside_the_cluster_is_valid() -> None:
    spec = cluster()
    data = spec["topology"]["data"]
    pod = data["podTemplate"]["spec"]
    names = [volume["name"] for volume in spec["volumes"]]
    claims = [claim["metadata"]["name"] for claim in spec["volumeClaimTemplates"]]
    assert [mount["name"] for mount in data["volumeMounts"]] == [*claims, *names]
    container = {"name": "iris", "image": data["image"], **pod}
    container["volumeMounts"] = data["volumeMounts"]
    of_claims = [{"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims]
    validate(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "iris"},
            "spec": {"containers": [container], "volumes": [*spec["volumes"], *of_claims]},
        }
    )
    for claim in spec["volumeClaimTemplates"]:
        validate({"apiVersion": "v1", "kind": "PersistentVolumeClaim", **claim})
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "iris"}}
    validate({**service, **spec["serviceTemplate"]})


def test_the_cluster_starts_iris_as_the_compose_file_does() -> None:
    pod = cluster()["topology"]["data"]["podTemplate"]["spec"]
    service = read_service("iris")
    assert tuple(pod["args"]) == service.command
    env = {each["name"]: each["value"] for each in pod["env"]}
    folder, name = env.pop("IRIS_PASSWORD_FILE").rsplit("/", 1)
    mounts = cluster()["topology"]["data"]["volumeMounts"]
    folders = {each["mountPath"] for each in mounts if "subPath" not in each}
    assert folder in folders
    assert f"from-literal={name}=" in KUSTOMIZATION.read_text()
    assert not [path for path in folders if path.startswith(("/run/secrets", "/var/run"))], (
        "there Kubernetes mounts the token of the service account"
    )
    assert env.keys() <= service.environment.keys()
    different = {name for name, said in env.items() if service.environment[name] != said}
    assert different == {"CT_MODELS"}, "there a config map"
    assert pod["readinessProbe"]["exec"]["command"] == list(service.healthcheck)


def test_the_merge_file_is_that_of_the_image_with_the_operators_directories() -> None:
    [config_map] = of_kind("ConfigMap")
    expected = (ROOT / "merge.cpf").read_text().replace("/dur/iconfig/", "/irissys/data/IRIS/")
    assert config_map["data"]["common.cpf"] == expected
