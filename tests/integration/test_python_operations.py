# SPDX-License-Identifier: Apache-2.0
"""The Python client: every operation against NumPy's."""

import inspect
import math

import numpy as np
import pytest

from python_client import (ALL, ONE_HOT, Q, SIGNED, X, Y, client, daemon, hologram, np_softmax,
                           plain, values)

P = np.abs(X) + np.float32(0.25)
W = np.rint(X)
INDICES = np.array([1, -1, 0, 1], np.int32) % np.int32(len(X)) - np.int32(1)
MASK = (X > 0).astype(np.uint8)

# name: (call of buffers, the same of arrays, operands)
CASES = {
    "vector_add": (hologram.vector_add, np.add, (X, Y)),
    "vector_sub": (hologram.vector_sub, np.subtract, (X, Y)),
    "vector_mul": (hologram.vector_mul, np.multiply, (X, Y)),
    "vector_div": (hologram.vector_div, np.divide, (X, Y)),
    "min": (hologram.min, np.minimum, (X, Y)),
    "max": (hologram.max, np.maximum, (X, Y)),
    "abs": (hologram.abs, np.abs, (X,)),
    "neg": (hologram.neg, np.negative, (X,)),
    "relu": (hologram.relu, lambda a: np.maximum(a, 0), (X,)),
    "clip": (lambda a: hologram.clip(a, -1, 1), lambda a: np.clip(a, -1, 1), (X,)),
    "scalar_add": (lambda a: hologram.scalar_add(a, 1.5), lambda a: a + np.float32(1.5), (X,)),
    "scalar_mul": (lambda a: hologram.scalar_mul(a, -3), lambda a: a * np.float32(-3), (X,)),
    "sqrt": (hologram.sqrt, np.sqrt, (P,)),
    "rsqrt": (hologram.rsqrt, lambda a: 1 / np.sqrt(a), (P,)),
    "exp": (hologram.exp, np.exp, (X,)),
    "log": (hologram.log, np.log, (P,)),
    "log2": (hologram.log2, np.log2, (P,)),
    "log10": (hologram.log10, np.log10, (P,)),
    "sin": (hologram.sin, np.sin, (X,)),
    "cos": (hologram.cos, np.cos, (X,)),
    "tan": (hologram.tan, np.tan, (X,)),
    "erf": (hologram.erf, np.vectorize(math.erf), (X,)),
    "pow": (hologram.pow, np.power, (P, Y)),
    "equal": (hologram.equal, np.equal, (W, W[0])),
    "not_equal": (hologram.not_equal, np.not_equal, (W, W[0])),
    "less": (hologram.less, np.less, (W, W[0])),
    "less_equal": (hologram.less_equal, np.less_equal, (W, W[0])),
    "greater": (hologram.greater, np.greater, (W, W[0])),
    "greater_equal": (hologram.greater_equal, np.greater_equal, (W, W[0])),
    "where": (hologram.where, np.where, (MASK, X, Y[0])),
    "sigmoid": (hologram.sigmoid, lambda a: 1 / (1 + np.exp(-a)), (X,)),
    "tanh": (hologram.tanh, np.tanh, (X,)),
    "gelu": (hologram.gelu, lambda a: a / (1 + np.exp(
        -2 * math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))), (X,)),
    "softmax": (hologram.softmax, np_softmax, (X,)),
    "sum": (hologram.sum, np.sum, (X,)),
    "reduce_min": (hologram.reduce_min, np.min, (X,)),
    "reduce_max": (hologram.reduce_max, np.max, (X,)),
    "mean": (hologram.mean, np.mean, (X,)),
    "var": (hologram.var, np.var, (X,)),
    "argmax": (hologram.argmax, np.argmax, (X,)),
    "layer_norm": (hologram.layer_norm, lambda a, g, b: (a - a.mean(-1, keepdims=True)) / np.sqrt(
        a.var(-1, keepdims=True) + 1e-5) * g + b, (X, Y[0], Y[1])),
    "sum_axis": (hologram.sum_axis, lambda a: a.sum(axis=0), (X,)),
    "transpose": (hologram.transpose, np.transpose, (X,)),
    "concat": (lambda a, b: hologram.concat(a, b, axis=-1),
               lambda a, b: np.concatenate((a, b), axis=-1), (X, Y[:, :2])),
    "gather_rows": (hologram.gather_rows, lambda t, i: t[i], (X, INDICES)),
    "gemm": (lambda a, b: hologram.gemm(a, b, trans_b=True), lambda a, b: a @ b.T, (X, Y)),
    "matvec": (hologram.matvec, np.matmul, (X, Y[0])),
    "linear": (lambda x, w, b: hologram.linear(x, w, b, relu=True, trans_w=True),
               lambda x, w, b: np.maximum(x @ w.T + b, 0), (X, Y, Y[:, 0])),
    "mse": (hologram.mse, lambda p, t: ((p - t)**2).mean(), (X, Y)),
    "cross_entropy": (hologram.cross_entropy, lambda p, t: -(t * np.log(p)).mean(), (Q, ONE_HOT)),
    "binary_cross_entropy": (hologram.binary_cross_entropy, lambda p, t: -(
        t * np.log(p) + (1 - t) * np.log(1 - p)).mean(), (Q, ONE_HOT)),
    "copy": (hologram.copy, np.copy, (X,)),
    "fill": (lambda a: hologram.fill(a, 2.5), lambda a: np.full_like(a, 2.5), (X,)),
}


@pytest.mark.parametrize("name", CASES)
def test_every_operation_gives_numpys_result(client, name):
    ours, theirs, arrays = CASES[name]
    result = ours(*(client.put(array) for array in arrays))
    expected = theirs(*arrays)
    assert result.shape == expected.shape
    assert np.allclose(result.numpy(), expected, rtol=1e-5, atol=1e-6)


# The functions are the daemon's operations, with the daemon's attributes, all of them.
def test_functions_are_those_of_the_daemons_table(client):
    table = client.ops()
    assert set(table) == set(CASES) == set(hologram.ops.__all__)
    for name, info in table.items():
        function = getattr(hologram, name)
        parameters = set(inspect.signature(function).parameters)
        assert set(info.attributes) <= parameters, name
        operands = len(parameters - set(info.attributes) - {"out", "axis", "dtype"})
        assert operands == max(info.inputs, 1), name
        assert function.__doc__


# Addition, in every type, of what every type holds.
@pytest.mark.parametrize("dtype", ALL)
def test_elementwise_in_every_type(client, dtype):
    a, b = values(dtype, (3, 4), 1, 50), values(dtype, (3, 4), 50, 60)
    x, y = client.put(a, dtype), client.put(b, dtype)
    if dtype == "bf16":
        a, b = hologram.bf16_to_f32(a), hologram.bf16_to_f32(b)
    assert np.array_equal(plain(x + y), a + b)
    assert np.array_equal(plain((x + 3).max(y)), np.maximum(a + a.dtype.type(3), b))
    assert plain(x.min()) == a.min() and plain(y.max()) == b.max()
    if dtype in SIGNED:
        assert np.array_equal(plain(abs(-x)), a)


# Numbers on either side, rows and single elements, as NumPy has them.
def test_operators(client):
    a, row, one = X, Y[0], np.float32(2)
    x, r, s = client.put(a), client.put(row), client.put(one)
    for ours, theirs in ((x + 2, a + 2), (2 + x, a + 2), (x - 2, a - 2), (2 - x, 2 - a),
                         (x * 3, a * 3), (3 * x, a * 3), (x / 3, a / np.float32(3)),
                         (3 / x, np.float32(3) / a), (np.float32(2) * x, a * 2), (x + r, a + row),
                         (r + x, a + row), (x * s, a * 2), (s * x, a * 2), (x / r, a / row),
                         (x - s, a - 2), (-x, -a), (+x, a), (abs(x), abs(a)),
                         (x.min(0), np.minimum(a, 0)), (x.max(r), np.maximum(a, row)),
                         (x.clip(-1, 1), a.clip(-1, 1))):
        assert ours.shape == theirs.shape and np.array_equal(ours.numpy(), theirs)


# In place is the same buffer, also for those who hold it under another name.
def test_in_place(client):
    a = np.array([4, 6, 8], np.int32)
    x = alias = client.put(a)
    x += 2
    x *= client.put([2, 3, 4], "i32")
    x -= client.put([1], "i32")
    x /= 3
    assert x is alias and x.tolist() == [3, 7, 13]
    assert hologram.relu(x, out=x) is x
    y = client.empty_like(x)
    assert hologram.vector_add(x, x, out=y) is y and y.tolist() == [6, 14, 26]


# Integers wrap and have to hold a scalar exactly; unsigned ones have no negative scalar.
def test_integer_scalars(client):
    x = client.put([250, 1], "u8")
    assert (x + 10).tolist() == [4, 11] and (x - 2).tolist() == [248, 255]
    assert (0 - x).tolist() == [6, 255]
    assert (client.put([1], "u64") * (2**64 - 1)).tolist() == [2**64 - 1]
    for wrong in (-1, 256, 1.5, math.nan):
        with pytest.raises(hologram.InvalidArgument, match="expected an integer of type u8"):
            x + wrong


def test_products(client):
    a, b = np.arange(6, dtype=np.float64).reshape(2, 3), np.arange(12, dtype=np.float64)
    b = b.reshape(3, 4)
    v = np.array([1.0, 2, 3])
    x, y, z = client.put(a), client.put(b), client.put(v)
    for ours, theirs in ((x @ y, a @ b), (x @ z, a @ v), (z @ y, v @ b), (z @ z, v @ v)):
        assert ours.shape == theirs.shape and np.array_equal(ours.numpy(), theirs)
    c = client.put(np.ones((2, 4)))
    hologram.gemm(x, y, alpha=2, beta=3, out=c)
    assert np.array_equal(c.numpy(), 2 * (a @ b) + 3)
    assert np.array_equal(hologram.gemm(y, x, trans_a=True, trans_b=True).numpy(), (a @ b).T)
    assert np.array_equal(hologram.matvec(y, z, trans=True).numpy(), b.T @ v)
    half = client.put(a, "f16")
    assert hologram.gemm(half, client.put(b, "f16"), dtype="f32").dtype == "f32"


def test_reductions_and_rows(client):
    a = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    x = client.put(a)
    assert np.array_equal(x.sum(axis=-1).numpy(), a.sum(axis=-1))
    assert np.array_equal(x.max(axis=2).numpy(), a.max(axis=2))
    assert np.array_equal(hologram.sum(x, cols=8).numpy(), a.reshape(3, 8).sum(axis=1))
    assert np.array_equal(hologram.mean(x, axis=-1).numpy(), a.mean(axis=-1))
    assert np.allclose(hologram.var(x, cols=8).numpy(), a.reshape(3, 8).var(axis=1))
    assert hologram.argmax(x, axis=-1).numpy().tolist() == a.argmax(axis=-1).tolist()
    assert hologram.argmax(x).dtype == "i64"
    assert x.sum().shape == () and x.sum().item() == 276
    assert np.allclose(hologram.softmax(x).numpy(), np_softmax(a))
    whole = hologram.softmax(x, cols=0, temperature=2).numpy()
    assert np.allclose(whole, np_softmax(a.reshape(-1) / 2).reshape(a.shape))
    assert client.empty(0).sum().item() == 0
    for axis in (0, 3, -2):
        with pytest.raises(hologram.InvalidArgument, match="sum: axis: expected None, or -1"):
            x.sum(axis=axis)


# Functions know only numbers of elements, as the daemon does: n limits them.
def test_the_first_n_elements(client):
    x = client.put([1.0, 2, 3, 4])
    assert hologram.neg(x, n=2).tolist() == [-1, -2]
    assert hologram.sum(x, n=3).item() == 6
    hologram.fill(x, 9, n=1)
    assert x.tolist() == [9, 2, 3, 4]


# Any axis of any shape, also of no elements; conditions and indices of the types that they have.
def test_axes_and_movement(client):
    a = np.arange(60, dtype=np.int32).reshape(3, 4, 5)
    x = client.put(a)
    for axis in (0, 1, 2, -1, -2):
        assert np.array_equal(hologram.sum_axis(x, axis=axis).numpy(), a.sum(axis=axis))
        y = hologram.concat(x, client.put(a[:, :1]) if axis in (1, -2) else x, axis=axis)
        b = a[:, :1] if axis in (1, -2) else a
        assert np.array_equal(y.numpy(), np.concatenate((a, b), axis=axis))
    assert hologram.sum_axis(client.empty((0, 3))).tolist() == [0, 0, 0]
    assert np.array_equal(hologram.sum_axis(x, length=4, inner=5, n=40).numpy(),
                          a[:2].sum(axis=1).reshape(-1))
    assert np.array_equal(hologram.transpose(x, rows=3, cols=20).numpy(), a.reshape(3, 20).T)
    indices = client.put(np.array([[2, -3], [0, -1]]), "i64")
    assert np.array_equal(hologram.gather_rows(x, indices).numpy(), a[indices.numpy()])
    assert hologram.where(client.put([1, 0, 2], "u8"), x, x, n=3).tolist() == [0, 1, 2]
    with pytest.raises(hologram.InvalidArgument, match="concat: expected shapes that differ"):
        hologram.concat(x, client.put(a[:2]), axis=1)
    with pytest.raises(hologram.InvalidArgument, match="where: input cond: expected u8, got i32"):
        hologram.where(x, x, x).numpy()


# An index outside of the table is named, whether the run is in place or queued.
@pytest.mark.parametrize("count", [10, 200_000])
def test_an_index_outside_is_named(client, count):
    table, indices = client.put(np.ones((4, 8), np.float32)), np.zeros(count, np.int32)
    indices[7], indices[9] = 4, -5
    with pytest.raises(hologram.OutOfRange, match="gather_rows: input indices: element 7 is 4, the "
                                                  "table has 4 rows"):
        hologram.gather_rows(table, client.put(indices)).numpy()
