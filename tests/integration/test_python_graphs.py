# SPDX-License-Identifier: Apache-2.0
"""The Python client: texts, lazy arrays and traced functions as one request."""

import numpy as np
import pytest

from python_client import client, daemon, hologram, np_softmax, wait_for
from hologram import graphs

RANDOM = np.random.default_rng(5)


def floats(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def close(got, expected):
    np.testing.assert_allclose(np.asarray(got), expected, rtol=2e-5, atol=2e-6)


def test_eval_of_arrays_and_buffers(client):
    """Arrays give arrays, buffers give buffers; one result as itself, several by name."""
    x, w = floats(4, 6), floats(6, 3)
    y = client.eval("softmax(x @ w)", x=x, w=w)
    assert isinstance(y, np.ndarray)
    close(y, np_softmax(x @ w))
    b = client.put(x)
    y = client.eval("y = exp(x * 0.5) + 1", x=b)
    assert isinstance(y, hologram.Buffer) and y.shape == (4, 6) and y.dtype == "f32"
    close(y, np.exp(x * 0.5) + 1)
    both = client.eval("a = x + 1; s = sum(x, axis=0)", x=b)
    assert sorted(both) == ["a", "s"]
    close(both["s"], x.sum(axis=0))
    close(y * 2.0, 2 * (np.exp(x * 0.5) + 1))


def test_results_into_buffers(client):
    """`out` takes the only result, or results by name, and may be an input."""
    w, g = client.put(floats(5, 5)), client.put(floats(5, 5))
    expected = w.numpy() - np.float32(0.25) * g.numpy()
    assert client.eval("w - 0.25 * g", w, w=w, g=g) is w
    close(w, expected)
    total = client.empty((), "f32")
    made = client.eval("s = sum(w); t = w.T", {"s": total}, w=w)
    assert made["s"] is total
    close(made["t"], w.numpy().T)
    with pytest.raises(hologram.InvalidArgument, match=r"expected f32\[5, 5\]"):
        client.eval("w + 1", total, w=w)


def test_errors(client):
    """What the daemon says: line and column, names, nodes."""
    with pytest.raises(hologram.InvalidArgument, match="line 1, column 8"):
        client.eval("z = x +", x=floats(2))
    with pytest.raises(hologram.InvalidArgument, match="input y is not bound"):
        client.eval("x + y", x=floats(2))
    with pytest.raises(hologram.InvalidArgument, match="matmul"):
        client.eval("x @ y", x=floats(2, 3), y=floats(2, 3))
    with pytest.raises(hologram.InvalidArgument, match="division by zero"):
        client.eval("1 / x", x=np.array([1, 0], np.int32))


def test_loaded_graphs(client):
    """Checked once, run by number, by place or by name; named beyond the session."""
    g = client.graph("h = x @ w\ny = maximum(h, 0)")
    assert (g.inputs, g.outputs) == (["x", "w"], ["y"])
    x, w = floats(3, 4), floats(4, 2)
    close(g(x, w), np.maximum(x @ w, 0))
    close(g(client.put(x), w=w), np.maximum(x @ w, 0))
    with pytest.raises(hologram.InvalidArgument, match="at most 2"):
        g(x, w, x)
    g.save("layer", 0o640)
    with client.open_graph("layer") as opened:
        close(opened(x, w), np.maximum(x @ w, 0))
    client.remove_graph("layer")
    with pytest.raises(hologram.NotFound):
        client.open_graph("layer")
    client.reconnect()
    close(g(x, w), np.maximum(x @ w, 0))
    g.unload()
    with pytest.raises(hologram.NotFound, match="unloaded"):
        g(x, w)


def test_explanations(client):
    """For buffers, arrays, and as a picture."""
    text = client.explain("y = relu(x @ w)", x=floats(4, 5), w=client.put(floats(5, 2)))
    assert "matmul" in text
    assert client.explain("x + 1", True, x=floats(3)).startswith("digraph")


def test_lazy_blocks(client):
    """Operators, methods and NumPy's functions make nodes; all of them run when the block ends."""
    x, w, b = client.put(floats(6, 8)), client.put(floats(8, 4)), floats(4)
    with hologram.lazy(client) as lazy:
        h = np.tanh(lazy(x) @ w + b)
        y = (h ** 2.0).sum(axis=-1, keepdims=True)
        z = np.where(h > 0, h, -h).max(axis=0)
        with pytest.raises(hologram.FailedPrecondition):
            y.numpy()
        with pytest.raises(TypeError):
            bool(h > 0)
    expected = np.tanh(x.numpy() @ w.numpy() + b)
    close(y.numpy(), (expected ** 2).sum(axis=-1, keepdims=True))
    close(z, np.abs(expected).max(axis=0))
    assert y.buffer.shape == (6, 1)
    with pytest.raises(hologram.FailedPrecondition):
        h.numpy()


CASES = {
    "unary": (lambda x, y: np.exp(-abs(x)) + np.sqrt(x * x + 1), 0),
    "reflected": (lambda x, y: 1 / (2 - 0.5 * x ** 2 + 3) - 1 + y, 0),
    "minmax": (lambda x, y: np.minimum(np.maximum(x, y), 0.5), 0),
    "mean": (lambda x, y: x.mean(axis=1) + np.var(y, axis=1), 0),
    "shape": (lambda x, y: np.transpose(x).reshape(-1, 2) * 2, 0),
    "concatenate": (lambda x, y: np.concatenate([x, y * 2], axis=1), 0),
    "compare": (lambda x, y: np.where(x < y, x, y) - np.clip(x, -0.5, 0.5), 0),
    "product": (lambda x, y: x @ y.T, 0),
    "float32": (lambda x, y: x * np.float32(0.1) + y, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_functions_are_what_numpy_computes(client, name):
    """A function written in NumPy: traced, and called with arrays directly."""
    body, _ = CASES[name]
    x, y = floats(4, 6), floats(4, 6)
    close(hologram.function(body)(client.put(x), y), body(x, y))


def test_functions_are_traced_once(client):
    """Once for each set of numbers, whatever the shapes; captured buffers are inputs."""
    calls = []
    captured = client.put(np.full(3, 2, np.float32))

    @hologram.function
    def scaled(x, factor):
        calls.append(factor)
        return x * factor + captured, graphs.relu(x)

    for rows in (1, 5, 1):
        x = floats(rows, 3)
        a, b = scaled(client.put(x), 3.0)
        close(a, x * 3 + 2)
        close(b, np.maximum(x, 0))
    scaled(client.put(floats(2, 3)), 4.0)
    assert calls == [3.0, 4.0]
    with pytest.raises(hologram.InvalidArgument, match="Buffer among"):
        scaled(floats(2, 3), 1.0)


def test_results_are_freed(client):
    """What a run made goes with its last reference."""
    before = client.stats().pools["heap"].bytes_used
    x = client.put(floats(100, 100))
    for _ in range(5):
        y = client.eval("x * 2", x=x)
    del x, y
    client.ping()
    client.put([1.0])
    wait_for(lambda: client.stats().pools["heap"].bytes_used <= before + 4096)
