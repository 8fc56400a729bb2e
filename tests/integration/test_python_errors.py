# SPDX-License-Identifier: Apache-2.0
"""The Python client: what is refused, and how it is said."""

import gc
import pickle

import numpy as np
import pytest

from python_client import client, daemon, hologram, wait_for


def test_shapes_that_do_not_fit(client):
    a, b = client.put(np.ones((2, 3))), client.put(np.ones((3, 2)))
    for wrong in (lambda: a + b, lambda: a * client.put(np.ones(2)), lambda: a @ a,
                  lambda: hologram.vector_add(a, client.put(np.ones(4))),
                  lambda: hologram.gemm(a, client.put(np.ones(3))),
                  lambda: hologram.gemm(a, b, beta=1)):
        with pytest.raises(hologram.InvalidArgument, match=r"expected"):
            wrong()


def test_operands_that_are_no_buffers(client):
    x = client.put([1.0])
    for wrong in (lambda: x + np.ones(1), lambda: np.ones(1) - x, lambda: x * "text",
                  lambda: hologram.vector_add(x, np.ones(1)), lambda: x @ np.ones(1)):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(TypeError, match=r"got ndarray: client.put\(array\) makes one"):
        x + np.ones(1)


def test_buffers_of_another_client_are_refused(daemon, client):
    with daemon.connect() as other, pytest.raises(hologram.InvalidArgument, match="of one client"):
        hologram.vector_add(client.put([1.0]), other.put([1.0]))


# The daemon's text and code come through, as classes that Python's own handlers know.
def test_errors_of_the_daemon(client):
    with pytest.raises(hologram.InvalidArgument) as caught:
        client.put([1, 2, 3]) / client.put([1, 0, 1])
    error = caught.value
    assert isinstance(error, ValueError) and error.code == hologram.Status.INVALID_ARGUMENT
    assert error.detail == "DIVISION_BY_ZERO" and "vector_div" in str(error)
    assert error.step is None and "batch" not in str(error)
    with pytest.raises(LookupError):
        client.open("no/such/name")
    with pytest.raises(IndexError):
        client.put([1.0]).read(0, 2)
    with pytest.raises(hologram.InvalidArgument, match="expected .*f32"):
        hologram.sigmoid(client.put([1]))
    with pytest.raises(hologram.ResourceExhausted):
        client.empty(1 << 50)
    assert (client.put([1]) + 1).tolist() == [2], "the client works on"


@pytest.mark.parametrize("status", list(hologram.Status)[1:])
def test_every_status_has_its_exception(status):
    error = hologram.errors.error_class(status)("text", "DETAIL", 3)
    assert error.code is status and str(error) == "text"
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and (copy.detail, copy.step) == ("DETAIL", 3)


def test_freed_buffers(client):
    with client.put([1.0]) as x:
        assert x.valid
    assert not x.valid and "gone" in repr(x)
    with pytest.raises(hologram.NotFound, match="was freed"):
        x + 1
    x.free()
    client.put([1.0])


def test_a_closed_client_says_so(daemon):
    client = daemon.connect()
    x = client.put([1.0])
    client.close()
    client.close()
    for use in (client.ping, x.numpy, lambda: x + 1, lambda: client.put([1.0]), client.stats,
                client.batch().__enter__, lambda: client.server):
        with pytest.raises(hologram.FailedPrecondition, match="this client is closed"):
            use()


def test_nobody_there(tmp_path):
    with pytest.raises(hologram.Unavailable, match="cannot connect to") as caught:
        hologram.connect(tmp_path / "none")
    assert isinstance(caught.value, ConnectionError)
    with pytest.raises(hologram.InvalidArgument, match="timeout: expected seconds above 0"):
        hologram.connect(tmp_path / "none", timeout=-1)


def test_the_environment_names_the_socket(daemon, monkeypatch):
    monkeypatch.setenv("HOLOGRAM_SOCKET", daemon.socket)
    with hologram.connect(name="environment") as client:
        client.ping()
        assert daemon.socket in repr(client)


# A client that nobody holds any more closes its connection, without waiting for the collector.
def test_a_dropped_client_closes(daemon, client):
    before = client.stats().server.sessions
    gc.disable()
    try:
        assert hologram.connect(daemon.socket).put([1.0]).tolist() == [1.0]
        wait_for(lambda: client.stats().server.sessions == before)
    finally:
        gc.enable()
