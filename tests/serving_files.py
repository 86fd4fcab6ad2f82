"""The files that a server is configured with, and what TensorFlow Serving documents of them.

The tables were written from the sources named beside them: no package carries them.
"""

import functools
import re
from pathlib import Path

import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

ROOT = Path(__file__).parent.parent
SERVING = ROOT / "export" / "serving"
COMPOSE = SERVING / "docker-compose.yml"
KUBERNETES = sorted((SERVING / "kubernetes").glob("*.yaml"))
PAGE = ROOT / "docs" / "serving.md"

# github.com/tensorflow/serving, tensorflow_serving/servables/tensorflow/
# session_bundle_config.proto and tensorflow_serving/config/monitoring_config.proto.
_INTEGER, _TEXT = ".google.protobuf.Int64Value", ".google.protobuf.StringValue"
_MESSAGES = {
    "BatchingParameters": {
        "max_batch_size": (1, _INTEGER),
        "batch_timeout_micros": (2, _INTEGER),
        "max_enqueued_batches": (3, _INTEGER),
        "num_batch_threads": (4, _INTEGER),
        "thread_pool_name": (5, _TEXT),
        "allowed_batch_sizes": (6, "repeated int64"),
        "pad_variable_length_inputs": (7, "bool"),
    },
    "PrometheusConfig": {"enable": (1, "bool"), "path": (2, "string")},
    "MonitoringConfig": {"prometheus_config": (1, ".serving.PrometheusConfig")},
}

# The flags of tensorflow_model_server: tensorflow_serving/model_servers/main.cc, same repository.
FLAGS = set(
    [
        "port",
        "grpc_socket_path",
        "rest_api_port",
        "rest_api_num_threads",
        "rest_api_timeout_in_ms",
        "rest_api_enable_cors_support",
        "enable_batching",
        "allow_version_labels_for_unavailable_models",
        "batching_parameters_file",
        "enable_per_model_batching_parameters",
        "model_config_file",
        "model_config_file_poll_wait_seconds",
        "model_name",
        "model_base_path",
        "num_load_threads",
        "num_unload_threads",
        "max_num_load_retries",
        "load_retry_interval_micros",
        "file_system_poll_wait_seconds",
        "flush_filesystem_caches",
        "tensorflow_session_parallelism",
        "tensorflow_session_config_file",
        "tensorflow_intra_op_parallelism",
        "tensorflow_inter_op_parallelism",
        "use_alts_credentials",
        "ssl_config_file",
        "platform_config_file",
        "per_process_gpu_memory_fraction",
        "saved_model_tags",
        "grpc_channel_arguments",
        "grpc_max_threads",
        "enable_model_warmup",
        "num_request_iterations_for_warmup",
        "version",
        "monitoring_config_file",
        "remove_unused_fields_from_bundle_metagraph",
        "prefer_tflite_model",
        "num_tflite_pools",
        "num_tflite_interpreters_per_pool",
        "enable_signature_method_name_check",
        "xla_cpu_compilation_enabled",
        "xla_gpu_compilation_enabled",
        "enable_profiler",
        "thread_pool_factory_config_file",
        "mixed_precision",
        "skip_initialize_tpu",
        "enable_grpc_healthcheck_service",
        "enable_serialization_as_tensor_content",
    ]
)
# The image's entry point sets them, and the server takes what comes last.
SET_BY_IMAGE = {"port", "rest_api_port", "model_name", "model_base_path"}
PORTS = {"grpc": 8500, "rest": 8501}


@functools.cache
def message(name):
    """A message class that has the documented fields, and no others."""
    file = descriptor_pb2.FileDescriptorProto(
        name="serving.proto", package="serving", syntax="proto3"
    )
    file.dependency.append(wrappers_pb2.DESCRIPTOR.name)
    for message_name, fields in _MESSAGES.items():
        described = file.message_type.add(name=message_name)
        for field_name, (number, kind) in fields.items():
            field = described.field.add(name=field_name, number=number)
            field.label = field.LABEL_REPEATED if "repeated" in kind else field.LABEL_OPTIONAL
            if kind.startswith("."):
                field.type, field.type_name = field.TYPE_MESSAGE, kind
            else:
                field.type = getattr(field, f"TYPE_{kind.split()[-1].upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"serving.{name}"))


def documents(path):
    """The YAML documents of a file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def flags_of(arguments):
    """Names and values of `--name=value` arguments."""
    return dict(re.fullmatch(r"--(\w+)=(.+)", argument).groups() for argument in arguments)


def model_server():
    """The one service of the Compose file."""
    [compose] = documents(COMPOSE)
    return compose["services"]["model-server"]


def manifests(kind):
    """Kubernetes manifests of a kind, all files taken together."""
    every = [document for path in KUBERNETES for document in documents(path)]
    return [document for document in every if document["kind"] == kind]


def container():
    """The server's container in the Deployment."""
    [deployment] = manifests("Deployment")
    [only] = deployment["spec"]["template"]["spec"]["containers"]
    return only
