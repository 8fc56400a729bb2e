# SPDX-License-Identifier: Apache-2.0
"""The Python client: operations that are prepared once and run by number."""

import asyncio
import gc

import numpy as np
import pytest

from python_client import Q, X, Y, client, daemon, hologram, np_softmax

CASES = {
    "vector_add": ({}, (X, Y)), "clip": ({"lo": -1, "hi": 1}, (X,)), "gelu": ({}, (X,)),
    "softmax": ({"temperature": 2.0}, (X,)), "sum": ({"cols": 4}, (X,)), "reduce_max": ({}, (X,)),
    "gemm": ({"trans_b": True, "alpha": 0.5}, (X, Y)), "matvec": ({}, (X, Y[0])),
    "linear": ({"trans_w": True, "gelu": True}, (X, Y, Y[:, 0])),
    "layer_norm": ({"eps": 0.5}, (X, Y[0], Y[1])), "less": ({}, (X, Y)), "argmax": ({}, (X,)),
    "transpose": ({}, (X,)), "concat": ({}, (X, Y)),
    "mse": ({}, (X, Y)), "cross_entropy": ({"eps": 0.25}, (Q, Q)), "copy": ({}, (X,)),
}


def bits(buffer):
    return buffer.shape, buffer.dtype, buffer.numpy().tobytes()


# The same bits and the same shape as the function of that name, fresh or in `out`.
@pytest.mark.parametrize("name", CASES)
def test_the_same_as_the_function(client, name):
    attributes, arrays = CASES[name]
    buffers = [client.put(array) for array in arrays]
    expected = getattr(hologram, name)(*buffers, **attributes)
    prepared = client.prepare(name, dtype="f32", **attributes)
    out = client.empty_like(expected)
    assert prepared(*buffers, out=out) is out
    assert bits(out) == bits(prepared(*buffers)) == bits(expected)


def test_types_of_their_own(client):
    product = client.prepare("gemm", dtype=("f16", "f16", "f32"))
    a = client.put(X, "f16")
    assert np.array_equal(product(a, client.put(Y.T, "f16")).numpy(),
                          X @ Y.T.astype(np.float16).astype(np.float32))
    fill = client.prepare("fill", dtype="u8", value=7)
    assert fill(out=client.empty(3, "u8")).tolist() == [7, 7, 7]
    assert "vector_add(i32, i32, i32)" in repr(client.prepare("vector_add", "i32"))


# Other shapes than before, among them those that it was prepared for, whose program is there.
def test_shapes_may_differ(client):
    add = client.prepare("vector_add", shapes=[(2, 4)] * 3)
    for shape in ((2, 4), 5, (), (3, 0), 5000, (2, 4)):
        ones = client.full(shape, 1.0)
        assert np.array_equal(add(ones, ones).numpy(), np.full(shape, 2.0, np.float32))


def test_in_a_batch(client):
    scale, soft = client.prepare("scalar_mul", s=2.0), client.prepare("softmax")
    x = client.put(X)
    before = client.stats().server.requests
    with client.batch() as batch:
        answer = batch.read(soft(scale(scale(x))))
    assert client.stats().server.requests - before == 3, "one message, one read, the question"
    assert np.allclose(answer, np_softmax(X * 4))
    with pytest.raises(hologram.InvalidArgument) as caught, client.batch():
        scale(x)
        scale(x, out=client.empty(3))
    assert caught.value.step == 2
    assert np.array_equal(scale(x).numpy(), X * 2)


# One that nobody holds any more is given back, but not before what uses it has run.
def test_the_daemon_forgets_it(client):
    limit = 1024
    x = client.put(X)
    for i in range(limit + 100):
        client.prepare("scalar_add", s=i)(x, out=x)
    kept = [client.prepare("relu") for _ in range(limit)]
    with pytest.raises(hologram.ResourceExhausted, match="1024 prepared operations"):
        client.prepare("relu")
    del kept
    gc.collect()
    with client.batch() as batch:
        answer = batch.read(client.prepare("scalar_mul", s=0.0)(x))
    assert not answer.any()
    with client.prepare("neg") as neg:
        neg(x)
    with pytest.raises(hologram.InvalidArgument, match="was closed"):
        neg(x)


# After a lost connection it is good again without a word.
def test_it_survives_a_reconnect(tmp_path):
    socket = str(tmp_path / "sock")
    with hologram.testing.private_daemon(socket=socket) as first:
        client = first.connect()
        add = client.prepare("vector_add")
        x = client.put(X)
        add(x, x)
        first.stop(kill=True)
        with pytest.raises(hologram.ConnectionLost) as caught:
            add(x, x)
        assert caught.value.request == "vector_add" and caught.value.safe_to_repeat
    with hologram.testing.private_daemon(socket=socket):
        client.reconnect(wait=5)
        x = client.put(X)
        assert np.array_equal(add(x, x).numpy(), X * 2)
        with client.batch() as batch:
            answer = batch.read(add(add(x, x), x))
        assert np.array_equal(answer, X * 3)
        client.close()
        with pytest.raises(hologram.FailedPrecondition, match="closed"):
            add(x, x)


def test_what_is_refused(client):
    x = client.put(X)
    for call, text in (
            (lambda: client.prepare("nothing"), "no operation 'nothing'"),
            (lambda: client.prepare("clip", low=1), "among lo, hi, n, got low"),
            (lambda: client.prepare("sum", ("f32",) * 3), "dtype: sum has 2 operands, got 3"),
            (lambda: client.prepare("sum", shapes=[3]), "shapes: sum has 2 operands, got 1"),
            (lambda: client.prepare("vector_add", ("f32", "i32", "f32")), "expected f32, got i32"),
            (lambda: client.prepare("clip", "u8", lo=-1), "clip: lo: expected an integer"),
            (lambda: client.prepare("neg")(x, x), "neg: expected 1 inputs, got 2"),
            (lambda: client.prepare("neg")(client.put([1])), "prepared for f32, got i64"),
            (lambda: client.prepare("fill", value=1)(), "out: expected a buffer"),
            (lambda: client.prepare("gemm", beta=1.0)(x, x), "beta: expected 0 without out")):
        with pytest.raises(hologram.Error, match=text):
            call()
    with pytest.raises(TypeError, match="expected a Buffer"):
        client.prepare("neg")(X)


def test_another_clients_buffers(daemon, client):
    with daemon.connect() as other, pytest.raises(hologram.InvalidArgument, match="of one client"):
        client.prepare("neg")(other.put(X))


def test_with_asyncio(daemon):
    async def main():
        async with hologram.aio.connect(daemon.socket, timeout=30) as client:
            add = await client.prepare("vector_add")
            x = await client.put(X)
            results = await asyncio.gather(*(client.run(add, x, x) for _ in range(20)))
            assert all([np.array_equal(await client.read(r), X * 2) for r in results])
            # One that was closed is not taken from what still waits for its turn.
            a = await client.full((1500, 1500), 1e-3)
            waiting = asyncio.gather(client.run(lambda: a @ a), client.run(add, x, x))
            await asyncio.sleep(0)
            add.close()
            add = await client.prepare("vector_add")
            assert np.array_equal(await client.read((await waiting)[1]), X * 2)
            await client.reconnect()
            x = await client.put(X)
            assert np.array_equal(await client.read(await client.run(add, x, x)), X * 2)

    asyncio.run(main())
