"""How a client meets servers that are away, slow or missing, over gRPC and REST alike."""

from types import SimpleNamespace

import numpy as np
import pytest
from grpc import StatusCode

from export.client import Client
from export.transports import transport
from export.transports.grpc import GrpcTransport
from export.transports.proxies import is_loopback, way_to
from export.transports.rest import RestTransport

pytest_plugins = ["served_model"]
CONTEXT = np.random.default_rng(0).random((2, 3, 16, 24, 1), dtype=np.float32)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_away_for_a_moment_is_asked_again(served, connect):
    served.troubles += [StatusCode.UNAVAILABLE] * 2
    before = served.requests
    assert connect().forecast(CONTEXT).shape == (2, 3, 16, 24, 1)
    assert served.requests == before + 3


@pytest.mark.usefixtures("impatient")
def test_a_server_that_stays_away_is_given_up(served, connect):
    served.troubles += [StatusCode.UNAVAILABLE] * 10
    with pytest.raises(ConnectionError, match=r"A server must be listening at .*told to"):
        connect().forecast(CONTEXT)
    assert len(served.troubles) == 10 - transport.ATTEMPTS


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (StatusCode.INVALID_ARGUMENT, ValueError),
        (StatusCode.NOT_FOUND, ValueError),
        (StatusCode.DEADLINE_EXCEEDED, TimeoutError),
        (StatusCode.INTERNAL, ConnectionError),
    ],
)
def test_other_answers_are_final(served, connect, code, error):
    served.troubles += [code]
    before = served.requests
    with pytest.raises(error, match="told to"):
        connect().forecast(CONTEXT)
    assert served.requests == before + 1


def test_pauses_double_and_are_each_clients_own(monkeypatch):
    def away(seconds):
        raise transport.Unavailable("away")

    pauses = []
    clock = SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(transport, "time", clock)
    for _ in range(2):
        with pytest.raises(transport.Unavailable):
            transport.retried(away, timeout=60.0)
    first, second = np.reshape(pauses, (2, transport.ATTEMPTS - 1))
    longest = transport.FIRST_PAUSE * 2.0 ** np.arange(transport.ATTEMPTS - 1)
    for waited in (first, second):
        assert np.all((longest / 2 <= waited) & (waited <= longest))
    assert not np.any(first == second)


def test_attempts_and_pauses_together_keep_to_the_timeout(monkeypatch):
    left, pauses = [], []

    def away(seconds):
        left.append(seconds)
        raise transport.Unavailable("away")

    clock = SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(transport, "time", clock)
    with pytest.raises(transport.Unavailable):
        transport.retried(away, timeout=0.3)
    assert 2 <= len(left) < transport.ATTEMPTS
    assert left == sorted(left, reverse=True)
    assert sum(pauses) <= 0.3


def test_a_slow_server_is_not_waited_for(served, connect):
    one = connect(timeout=0.3)
    assert one.context_shape == (3, 16, 24, 1)
    served.open.clear()
    with pytest.raises(TimeoutError, match="longer --timeout"):
        one.forecast(CONTEXT)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_is_down_is_named(connect, nobody):
    with pytest.raises(ConnectionError, match=f"listening at {nobody}"):
        connect(server=nobody).forecast(CONTEXT)


PROXIES = ("grpc", "http", "https", "all", "no")


@pytest.fixture(name="proxied")
def _proxied(monkeypatch, nobody):
    """An environment whose proxy is nobody."""
    for name in PROXIES:
        for variable in (f"{name}_proxy", f"{name}_proxy".upper()):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("http_proxy", f"http://me:secret@{nobody}")
    return nobody


@pytest.mark.usefixtures("proxied", "impatient")
def test_no_proxy_stands_between_a_client_and_its_own_machine(connect):
    assert connect().forecast(CONTEXT).shape == (2, 3, 16, 24, 1)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((host, True) for host in ("localhost", "LOCALHOST", "127.9.9.9", "::1", "a.localhost")),
        *((host, False) for host in ("localhost.example", "192.0.2.1", "example", "")),
    ],
)
def test_loopback_addresses_are_this_machine(host, expected):
    assert is_loopback(host) == expected


@pytest.mark.parametrize("scheme", ["http://", ""])
@pytest.mark.usefixtures("impatient")
def test_a_proxy_that_fails_is_named_without_its_password(connect, proxied, scheme, monkeypatch):
    monkeypatch.setenv("http_proxy", f"{scheme}me:secret@{proxied}")
    named = rf"at server.invalid:80 \(through http_proxy={scheme}{proxied}; set no_proxy=server"
    with pytest.raises(ConnectionError, match=named) as failed:
        connect(server="server.invalid:80").forecast(CONTEXT)
    assert "secret" not in str(failed.value)


@pytest.mark.usefixtures("proxied")
def test_hosts_that_no_proxy_lists_are_reached_straight(monkeypatch):
    monkeypatch.setenv("no_proxy", "server.invalid")
    assert way_to("server.invalid:80", "server.invalid", ["http"]) == "server.invalid:80"
    assert way_to("localhost:80", "localhost", ["http"]) == "localhost:80"
    assert way_to("other.invalid:80", "other.invalid", ["https"]) == "other.invalid:80"
    assert "http_proxy" in way_to("other.invalid:80", "other.invalid", ["grpc", "http"])


@pytest.mark.usefixtures("impatient")
def test_a_port_of_the_other_protocol_fails_in_words(served):
    for way in (GrpcTransport(served.rest, timeout=5.0), RestTransport(served.grpc)):
        hint = "another port|the port of gRPC"
        with pytest.raises(OSError, match=hint) as failed, Client(way) as one:
            one.forecast(CONTEXT)
        assert str(failed.value).isprintable()


def test_answers_larger_than_the_usual_limit_of_grpc_arrive(served):
    with Client(GrpcTransport(served.grpc)) as one:
        predictions = one.forecast(np.zeros((1000, 3, 16, 24, 1), np.float32))
    assert predictions.nbytes > 4 * 2**20
