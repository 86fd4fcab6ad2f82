"""The Kubernetes manifests: each by its schema, and all of them by what they say of each other."""

import shutil
import subprocess

import kubernetes_validate
import pytest
import yaml
from google.protobuf import text_format
from serving_files import (
    KUBERNETES,
    PORTS,
    SERVING,
    container,
    documents,
    flags_of,
    manifests,
    message,
    model_server,
)

OLDEST, NEWEST = "1.29", kubernetes_validate.latest_version()
MANIFESTS = [
    pytest.param(document, id=f"{path.name}-{document['kind']}")
    for path in KUBERNETES
    for document in documents(path)
]
ONLY_HERE = {"tensorflow_intra_op_parallelism", "tensorflow_inter_op_parallelism"}


@pytest.fixture(name="pod")
def _pod():
    return manifests("Deployment")[0]["spec"]["template"]


@pytest.fixture(name="kustomization")
def _kustomization():
    [kustomization] = documents(SERVING / "kustomization.yaml")
    return kustomization


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_a_manifest_has_the_form_that_kubernetes_takes(manifest, version):
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_misspelt_field_is_refused():
    [service] = manifests("Service")
    with pytest.raises(kubernetes_validate.ValidationError, match="selektor"):
        kubernetes_validate.validate(
            service | {"spec": service["spec"] | {"selektor": {}}}, NEWEST, strict=True
        )


def test_the_kustomization_names_every_file_but_the_loader(kustomization):
    files = {str(path.relative_to(SERVING)) for path in KUBERNETES}
    assert set(kustomization["resources"]) == files - {"kubernetes/loader.yaml"}


def test_the_config_map_is_made_from_the_very_files(kustomization, pod):
    [generator] = kustomization["configMapGenerator"]
    assert all((SERVING / name).is_file() for name in generator["files"])
    assert sorted(generator["files"]) == sorted(path.name for path in SERVING.glob("*.config"))
    [volume] = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "config"]
    assert volume["configMap"] == {"name": generator["name"]}


def test_the_server_has_the_same_flags_as_under_compose():
    here, compose = flags_of(container()["args"]), flags_of(model_server()["command"])
    assert {name: value for name, value in here.items() if name not in ONLY_HERE} == compose
    assert set(here) >= ONLY_HERE


def test_files_lie_where_they_do_under_compose(pod):
    mounts = {mount["mountPath"]: mount for mount in container()["volumeMounts"]}
    assert {mount["target"] for mount in model_server()["volumes"]} <= set(mounts)
    assert all(mounts[path]["readOnly"] for path in ("/models", "/config"))
    volumes = [volume["name"] for volume in pod["spec"]["volumes"]]
    assert sorted(mount["name"] for mount in mounts.values()) == sorted(volumes)


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_models_come_from_the_claim(kind):
    [claim] = manifests("PersistentVolumeClaim")
    [owner] = manifests(kind)
    pod = owner if kind == "Pod" else owner["spec"]["template"]
    [models] = [volume for volume in pod["spec"]["volumes"] if volume["name"] == "models"]
    assert models["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    [mount] = [m for m in pod["spec"]["containers"][0]["volumeMounts"] if m["name"] == "models"]
    assert mount["mountPath"] == "/models"


def test_selectors_find_the_servers_and_not_the_loader(pod):
    labels = pod["metadata"]["labels"]
    selectors = [manifests("Service")[0]["spec"]["selector"]]
    selectors += [
        manifests(kind)[0]["spec"]["selector"]["matchLabels"]
        for kind in ("Deployment", "PodDisruptionBudget")
    ]
    selectors += [
        constraint["labelSelector"]["matchLabels"]
        for constraint in pod["spec"]["topologySpreadConstraints"]
    ]
    loader = manifests("Pod")[0]["metadata"]["labels"]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert not any(selector.items() <= loader.items() for selector in selectors)


def test_the_service_reaches_the_ports_of_the_server():
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert ports == PORTS
    for port in manifests("Service")[0]["spec"]["ports"]:
        assert port["port"] == ports[port["targetPort"]]


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_probes_ask_the_health_service_that_is_switched_on(probe):
    assert container()[probe]["grpc"] == {"port": PORTS["grpc"]}
    assert flags_of(container()["args"])["enable_grpc_healthcheck_service"] == "true"


def test_the_autoscaler_scales_the_deployment_and_alone_sets_its_replicas():
    [deployment], [autoscaler] = manifests("Deployment"), manifests("HorizontalPodAutoscaler")
    target = autoscaler["spec"]["scaleTargetRef"]
    assert (target["apiVersion"], target["kind"]) == ("apps/v1", "Deployment")
    assert target["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"]
    [budget] = manifests("PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] < autoscaler["spec"]["minReplicas"]


def test_threads_fit_the_cpu_that_the_server_gets():
    resources, flags = container()["resources"], flags_of(container()["args"])
    assert flags["tensorflow_intra_op_parallelism"] == resources["limits"]["cpu"]
    assert {"cpu", "memory"} == set(resources["requests"]) == set(resources["limits"])


def test_a_pod_has_time_to_end_its_requests(pod):
    _, seconds = container()["lifecycle"]["preStop"]["exec"]["command"]
    assert int(seconds) < pod["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("kind", ["Deployment", "Pod"])
def test_containers_run_without_privileges(kind):
    [owner] = manifests(kind)
    spec = (owner if kind == "Pod" else owner["spec"]["template"])["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert not spec["automountServiceAccountToken"]
    for container_ in spec["containers"]:
        assert container_["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_prometheus_is_sent_to_where_the_metrics_are(pod):
    text = (SERVING / "monitoring.config").read_text()
    monitoring = text_format.Parse(text, message("MonitoringConfig")())
    annotations = pod["metadata"]["annotations"]
    assert annotations["prometheus.io/path"] == monitoring.prometheus_config.path
    assert annotations["prometheus.io/port"] == str(PORTS["rest"])


@pytest.mark.skipif(not shutil.which("kubectl"), reason="kubectl isn't installed")
def test_kubectl_builds_what_it_would_apply():
    command = ["kubectl", "kustomize", str(SERVING)]
    built = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    applied = {manifest["kind"]: manifest for manifest in yaml.safe_load_all(built)}
    for manifest in applied.values():
        kubernetes_validate.validate(manifest, NEWEST, strict=True)
    files = applied["ConfigMap"]["data"]
    assert files == {path.name: path.read_text() for path in SERVING.glob("*.config")}
    volumes = applied["Deployment"]["spec"]["template"]["spec"]["volumes"]
    names = [volume["configMap"]["name"] for volume in volumes if "configMap" in volume]
    assert names == [applied["ConfigMap"]["metadata"]["name"]]
