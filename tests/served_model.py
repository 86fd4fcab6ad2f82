"""Fixtures: a small model behind the double of TensorFlow Serving's protocol, and clients."""

import socket

import numpy as np
import pytest
import tensorflow as tf
from serving_double import serving

from export.client import Client
from export.inputs.source import Source
from export.saved_model import save_model
from export.transports import transport
from export.transports.grpc import GrpcTransport
from export.transports.rest import RestTransport
from iprnn_tf import IPRNN, STGRUCell

TRANSPORTS = {"grpc": GrpcTransport, "rest": RestTransport}


@pytest.fixture(scope="session", name="exported")
def _exported(tmp_path_factory):
    """A small model, exported: 3 frames of 16 x 24 x 1 to 3."""
    model = IPRNN((16, 24, 1), STGRUCell(4), num_layers=1, num_downsamplings=2, horizon=3)
    model.predict(np.zeros((1, 3, 16, 24, 1), "float32"), verbose=0)
    base = tmp_path_factory.mktemp("served")
    save_model(Source("small", model, 3, {}, {}), base)
    return base


@pytest.fixture(scope="session", name="served_once")
def _served_once(exported):
    with serving(exported, labels=["stable"]) as it:
        yield it


@pytest.fixture(name="served")
def _served(served_once):
    """The small model behind the double, under the label `stable`."""
    yield served_once
    served_once.troubles.clear()
    served_once.open.set()


@pytest.fixture(scope="session", name="loaded")
def _loaded(exported):
    """The signatures of the same model, without a server."""
    return tf.saved_model.load(str(exported / "1")).signatures


@pytest.fixture(name="connect", params=["grpc", "rest"])
def _connect(served, request):
    """Makes clients of the double, over gRPC or over REST."""
    made = []

    def connect(model=None, timeout=60.0, server=None):
        server = server or getattr(served, request.param)
        made.append(Client(TRANSPORTS[request.param](server, model, timeout)))
        return made[-1]

    yield connect
    for one in made:
        one.close()


@pytest.fixture(name="impatient")
def _impatient(monkeypatch):
    monkeypatch.setattr(transport, "FIRST_PAUSE", 0.001)


@pytest.fixture(name="nobody")
def _nobody():
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"
