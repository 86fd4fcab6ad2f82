"""TensorFlow Serving's configuration, as far as it can be checked without its binary."""

import http.server
import re
import subprocess
import sys
import threading

import pytest
from google.protobuf import text_format
from serving_files import (
    COMPOSE,
    FLAGS,
    PAGE,
    PORTS,
    ROOT,
    SERVING,
    SET_BY_IMAGE,
    container,
    documents,
    flags_of,
    manifests,
    message,
    model_server,
)
from tensorflow_serving.config import model_server_config_pb2

from export import client, saved_model
from programs import command_line

CONFIGS = {
    "models.config": model_server_config_pb2.ModelServerConfig,
    "batching.config": message("BatchingParameters"),
    "monitoring.config": message("MonitoringConfig"),
}


def _read(name):
    return text_format.Parse((SERVING / name).read_text(), CONFIGS[name]())


@pytest.fixture(name="model")
def _model():
    [model] = _read("models.config").model_config_list.config
    return model


@pytest.mark.parametrize("name", CONFIGS)
def test_a_misspelt_field_is_refused(name):
    text = re.sub(
        r"^(\s*)(\w+)( \{|:)", r"\1\2z\3", (SERVING / name).read_text(), count=1, flags=re.M
    )
    with pytest.raises(text_format.ParseError, match=r"no field named .*z"):
        text_format.Parse(text, CONFIGS[name]())


def test_one_model_is_served_from_where_it_is_mounted(model):
    assert (model.name, model.base_path, model.model_platform) == (
        "iprnn",
        "/models/iprnn",
        "tensorflow",
    )


def test_the_version_that_is_served_is_the_first_that_is_exported(model, tmp_path):
    assert list(model.model_version_policy.specific.versions) == [
        saved_model.next_version(tmp_path / "iprnn")
    ]


def test_labels_point_at_versions_that_are_served(model):
    assert set(model.version_labels) == {"stable", "canary"}
    served = set(model.model_version_policy.specific.versions)
    assert set(model.version_labels.values()) <= served


def test_batches_have_sizes_that_the_server_accepts():
    batching = _read("batching.config")
    sizes = list(batching.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[0] == 1  # A request that comes alone isn't padded.
    assert sizes[-1] == batching.max_batch_size.value
    assert batching.num_batch_threads.value >= 1
    assert batching.max_enqueued_batches.value >= batching.num_batch_threads.value
    assert batching.batch_timeout_micros.value >= 0


def test_frames_are_never_padded():
    assert not _read("batching.config").pad_variable_length_inputs


def test_the_server_is_warmed_up_at_every_batch_size():
    assert list(saved_model.WARM_UP_BATCHES) == list(_read("batching.config").allowed_batch_sizes)


def test_the_clients_batches_fit_into_the_servers():
    values = command_line.parse("", client._define_flags, [])
    assert values.batch_size <= _read("batching.config").max_batch_size.value


def test_metrics_are_exported():
    prometheus = _read("monitoring.config").prometheus_config
    assert prometheus.enable
    assert prometheus.path.startswith("/monitoring/")


def test_the_compose_file_has_the_published_form():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema=vendor.compose-spec"]
    done = subprocess.run([*command, str(COMPOSE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("arguments", [model_server()["command"], container()["args"]])
def test_every_flag_is_one_of_the_servers(arguments):
    flags = flags_of(arguments)
    assert len(flags) == len(arguments)
    assert set(flags) <= FLAGS - SET_BY_IMAGE


@pytest.mark.parametrize("arguments", [model_server()["command"], container()["args"]])
def test_every_file_in_a_flag_is_mounted(arguments):
    files = [value for name, value in flags_of(arguments).items() if name.endswith("_file")]
    assert sorted(files) == sorted(f"/config/{name}" for name in CONFIGS)


def test_what_compose_mounts_is_there():
    mounts = {mount["target"]: mount for mount in model_server()["volumes"]}
    assert set(mounts) == {"/models", "/config"}
    assert all(mount["read_only"] for mount in mounts.values())
    assert (COMPOSE.parent / mounts["/config"]["source"]).resolve() == SERVING
    variable, default = re.fullmatch(r"\$\{(\w+):-(.+)\}", mounts["/models"]["source"]).groups()
    assert variable == "IPRNN_MODELS"
    models = (COMPOSE.parent / default).resolve().relative_to(ROOT)
    assert f"--output={models}/iprnn" in saved_model.__doc__


def test_compose_publishes_both_ports_to_this_machine_alone():
    assert model_server()["ports"] == [
        f"${{IPRNN_BIND:-127.0.0.1}}:{port}:{port}" for port in PORTS.values()
    ]


def test_one_version_of_the_image_runs_everywhere():
    default = re.fullmatch(r"\$\{IPRNN_SERVING_IMAGE:-(.+)\}", model_server()["image"])[1]
    [loader] = manifests("Pod")[0]["spec"]["containers"]
    assert {default, container()["image"], loader["image"]} == {default}
    assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+", default)


class _Status(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        state = self.server.states.get(self.path)
        self.send_response(200 if state else 404)
        self.end_headers()
        body = f'{{"model_version_status": [{{"version": "1", "state": "{state}"}}]}}'
        self.wfile.write(body.encode() if state else b'{"error": "UNAVAILABLE"}')

    def log_message(self, *_):
        pass


@pytest.mark.parametrize(
    ("states", "healthy"),
    [
        ({"/v1/models/iprnn": "AVAILABLE"}, True),
        ({"/v1/models/iprnn": "LOADING"}, False),
        ({"/v1/models/other": "AVAILABLE"}, False),
    ],
)
def test_the_health_check_tells_a_loaded_model_from_others(states, healthy):
    with http.server.HTTPServer(("127.0.0.1", 0), _Status) as server:
        server.states = states
        answering = threading.Thread(target=server.handle_request, daemon=True)
        answering.start()
        assert (_health_check(server.server_port) == 0) is healthy
        answering.join(timeout=20)


def test_the_health_check_fails_without_a_server():
    with http.server.HTTPServer(("127.0.0.1", 0), _Status) as server:
        port = server.server_port
    assert _health_check(port) != 0


def _health_check(port):
    kind, *command = model_server()["healthcheck"]["test"]
    assert kind == "CMD"
    command[-1] = command[-1].replace(f"/{PORTS['rest']}", f"/{port}")
    return subprocess.run(command, stderr=subprocess.DEVNULL, timeout=20).returncode


@pytest.mark.parametrize("name", CONFIGS)
def test_the_page_explains_every_field(name):
    fields = set(re.findall(r"^\s*(\w+) ?[:{]", (SERVING / name).read_text(), re.M))
    assert fields
    fields -= {"key", "value"}  # Of a map.
    assert [field for field in fields if f"`{field}`" not in PAGE.read_text()] == []


def test_the_page_explains_every_flag_and_variable():
    page = PAGE.read_text()
    flags = flags_of(model_server()["command"]) | flags_of(container()["args"])
    variables = re.findall(r"\$\{(\w+):-", COMPOSE.read_text())
    assert [name for name in flags if f"`--{name}`" not in page] == []
    assert [name for name in variables if f"`{name}`" not in page] == []


@pytest.mark.parametrize("program", [client, saved_model], ids=["client", "saved_model"])
def test_the_pages_commands_have_flags_that_are_there(program):
    known = _flags_of(program)
    name = program.__name__.removeprefix("export.")
    commands = re.findall(rf"python -m export\.{name} ([^`\n]*)", PAGE.read_text())
    assert commands
    assert [flag for flag in re.findall(r"--(\w+)", " ".join(commands)) if flag not in known] == []


def test_the_pages_flags_are_there():
    known = {name for program in (client, saved_model) for name in _flags_of(program)}
    named = set(re.findall(r"`--(\w+)[`=]", PAGE.read_text()))
    assert named <= FLAGS | known


def _flags_of(program):
    return set(command_line.parse("", program._define_flags, []))


def test_compose_has_one_service():
    [compose] = documents(COMPOSE)
    assert list(compose["services"]) == ["model-server"]
