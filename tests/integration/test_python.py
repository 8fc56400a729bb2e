# SPDX-License-Identifier: Apache-2.0
"""The Python client against a real daemon."""

import asyncio
import contextlib
import gc
import importlib.util
import inspect
import math
import os
import pathlib
import pickle
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLOGRAM_BUILD", ROOT / "build" / "release"))
RELEASE = ROOT / "build" / "release"
PACKAGE = ROOT / "client" / "python"

# A sanitizer's library cannot be loaded into a Python without it: the release library then talks to
# the sanitized daemon.
os.environ.setdefault("HOLOGRAM_BUILD", str(BUILD))
if BUILD.name != "release":
    if not (RELEASE / "lib" / "libhologram.so").exists():
        pytest.skip("needs the release library: run `make`", allow_module_level=True)
    os.environ["HOLOGRAM_LIBRARY"] = str(RELEASE / "lib" / "libhologram.so")
sys.path.insert(0, str(PACKAGE))

# The schema's generated code, which other tests import, is part of a package of the same name.
if not hasattr(sys.modules.get("hologram"), "connect"):
    sys.modules.pop("hologram", None)

import hologram  # noqa: E402  (needs the path above)
import hologram.aio  # noqa: E402
import hologram.testing  # noqa: E402

FLOATS = ("f16", "bf16", "f32", "f64")
SIGNED = ("i8", "i16", "i32", "i64", *FLOATS)
ALL = tuple(hologram.DType)
ENVIRONMENT = dict(os.environ, PYTHONPATH=str(PACKAGE), PYTHONDONTWRITEBYTECODE="1")


@pytest.fixture(scope="module")
def daemon():
    with hologram.testing.private_daemon() as running:
        yield running


@pytest.fixture
def client(daemon):
    with daemon.connect() as connection:
        yield connection


def wait_for(condition, seconds=10.0):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "did not happen in time"
        time.sleep(0.005)


def values(dtype, shape, low=1, high=100):
    """Small positive numbers that every type holds exactly."""
    rng = np.random.default_rng(7)
    whole = rng.integers(low, high, shape)
    return hologram.f32_to_bf16(whole) if dtype == "bf16" else whole.astype(dtype.numpy)


def plain(buffer):
    """Content as NumPy computes with it."""
    array = buffer.numpy()
    return hologram.bf16_to_f32(array) if buffer.dtype == "bf16" else array


# ---- arrays -------------------------------------------------------------------------------------


# Any bit pattern of any type and shape comes back as it was.
@pytest.mark.parametrize("dtype", ALL)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (3, 5), (2, 3, 4), (5, 0, 2), (40000,)])
def test_every_type_makes_the_round_trip(client, dtype, shape):
    rng = np.random.default_rng(len(shape))
    raw = rng.integers(0, 256, math.prod(shape) * dtype.itemsize, np.uint8)
    array = raw.view(dtype.numpy).reshape(shape)
    buffer = client.put(array, dtype)
    back = buffer.numpy()
    assert back.dtype == dtype.numpy and back.shape == shape and back.tobytes() == array.tobytes()
    assert (buffer.dtype, buffer.shape, buffer.size) == (dtype, shape, array.size)
    assert buffer.nbytes == array.nbytes and buffer.ndim == len(shape)


# Strided, transposed and big-endian arrays arrive as the values that they show.
def test_arrays_in_other_layouts(client):
    array = np.arange(24, dtype=np.int32).reshape(4, 6)
    for view in (array.T, array[::2, ::-1], array.astype(">i4"), np.asfortranarray(array)):
        assert np.array_equal(client.put(view).numpy(), view)


# More than one piece each way, and a part of it.
def test_large_arrays(client):
    array = np.random.default_rng(3).integers(0, 1 << 32, 10 << 20, np.uint32)
    buffer = client.put(array)
    assert np.array_equal(buffer.numpy(), array)
    assert np.array_equal(buffer.read(3 << 20, 17), array[3 << 20:(3 << 20) + 17])
    buffer.write(np.arange(100_000, dtype=np.uint32), start=5)
    assert np.array_equal(buffer.read(4, 100_002)[1:-1], np.arange(100_000))
    assert buffer.read(4, 1)[0] == array[4] and buffer.read(100_005, 1)[0] == array[100_005]


# A given type converts; bf16 rounds to nearest even and takes uint16 as bits.
def test_conversion_to_a_given_type(client):
    assert client.put([1, 2], "f16").numpy().dtype == np.float16
    assert client.put([1.5, 2.5], np.int32).tolist() == [1, 2]
    assert client.put([1, 2]).dtype == "i64" and client.put([0.5]).dtype == "f64"
    floats = np.array([1.0, -2.5, 1 + 2**-8, 1 + 3 * 2**-8, np.inf, np.nan], np.float32)
    back = hologram.bf16_to_f32(client.put(floats, "bf16").numpy())
    expected = np.array([1.0, -2.5, 1.0, 1 + 2**-6, np.inf, np.nan], np.float32)
    assert np.array_equal(back, expected, equal_nan=True)
    bits = np.array([0x3F80, 0x7FC0, 0x0001], np.uint16)
    assert np.array_equal(client.put(bits, "bf16").numpy(), bits)


# What has no counterpart is refused with the names of what has.
def test_types_that_the_daemon_does_not_have(client):
    for array in (np.array([True]), np.array([1j]), np.array(["text"])):
        with pytest.raises(hologram.InvalidArgument, match="expected one of i8, .*, f64"):
            client.put(array)
    with pytest.raises(ValueError, match="got 'f8x'"):
        client.empty(3, "f8x")


# NumPy's own protocol, Python numbers, and reading into memory that is there.
def test_reading_in_other_forms(client):
    a = client.put(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert np.array_equal(np.asarray(a), a.numpy()) and np.asarray(a, np.int8).dtype == np.int8
    out = np.zeros((2, 3), np.float32)
    assert a.numpy(out) is out and out[1, 2] == 5
    for wrong in (np.zeros(6, np.float32), np.zeros((2, 3)), np.zeros((3, 2), np.float32).T):
        with pytest.raises(hologram.InvalidArgument, match="numpy: out: expected"):
            a.numpy(wrong)
    assert client.put(-5).item() == -5 and float(client.put(2.5, "bf16")) == 2.5
    assert client.put([2**64 - 1], "u64").item() == 2**64 - 1 and int(client.put(7)) == 7
    assert a.tolist() == [[0, 1, 2], [3, 4, 5]] and len(a) == 2
    with pytest.raises(hologram.InvalidArgument, match="one element"):
        a.item()
    with pytest.raises(TypeError, match="neither true nor false"):
        bool(a)


def test_making_buffers_without_an_array(client):
    assert client.empty(4).tolist() == [0] * 4 and client.empty((2, 3)).dtype == "f32"
    assert client.zeros((), "u8").item() == 0
    assert client.full((2, 2), -3, "i16").tolist() == [[-3, -3], [-3, -3]]
    assert client.full(3, 2**63, "u64").tolist() == [2**63] * 3
    like = client.empty_like(client.put(np.zeros((2, 5), np.uint8)))
    assert like.shape == (2, 5) and like.dtype == "u8"
    with pytest.raises(hologram.InvalidArgument, match="expected an integer of type i8"):
        client.full(2, 128, "i8")
    with pytest.raises(hologram.InvalidArgument, match="at most 8 dimensions"):
        client.empty((1,) * 9)


# A boundary buffer is one of the rationed classes; beyond the ration it is an error, or heap.
def test_boundary_pool(client):
    held = [client.empty(3072, pool="boundary")
            for _ in range(client.server.boundary_classes_max)]
    with pytest.raises(hologram.ResourceExhausted):
        client.empty(3072, pool="boundary")
    spare = client.put(np.ones(3072, np.float32), pool="boundary", boundary_fallback=True)
    pools = [info.pool for info in client.buffers()]
    assert pools.count("boundary") == len(held) and pools.count("heap") == 1
    assert (held[0] + spare).sum().item() == 3072


# ---- operations ---------------------------------------------------------------------------------


def np_softmax(a, axis=-1):
    e = np.exp(a - a.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


X = np.array([[-3, -2.5, -1, -0.5], [0.25, 0.5, 2, 3]], np.float32)
Y = np.array([[1, 2, 4, 0.5], [8, 0.25, -1, -2]], np.float32)
Q = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]], np.float32)
ONE_HOT = np.array([[0, 1, 0, 0], [1, 0, 0, 1]], np.float32)

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
    "sigmoid": (hologram.sigmoid, lambda a: 1 / (1 + np.exp(-a)), (X,)),
    "tanh": (hologram.tanh, np.tanh, (X,)),
    "gelu": (hologram.gelu, lambda a: a / (1 + np.exp(
        -2 * math.sqrt(2 / math.pi) * (a + 0.044715 * a**3))), (X,)),
    "softmax": (hologram.softmax, np_softmax, (X,)),
    "sum": (hologram.sum, np.sum, (X,)),
    "reduce_min": (hologram.reduce_min, np.min, (X,)),
    "reduce_max": (hologram.reduce_max, np.max, (X,)),
    "gemm": (lambda a, b: hologram.gemm(a, b, trans_b=True), lambda a, b: a @ b.T, (X, Y)),
    "matvec": (hologram.matvec, np.matmul, (X, Y[0])),
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


# ---- what is refused ----------------------------------------------------------------------------


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


# ---- memory -------------------------------------------------------------------------------------


# What nobody holds is freed with the next request, from whatever thread it was dropped.
def test_buffers_are_freed_with_their_last_reference(client):
    x = client.put(np.ones(1000, np.float32))
    for _ in range(300):
        y = x * 2.0 + 1.0
    del y
    client.ping()
    x += 0
    assert len(client.buffers()) == 1
    dropped = [client.put([1.0]) for _ in range(50)]
    thread = threading.Thread(target=dropped.clear)
    thread.start()
    thread.join()
    x += 0
    assert len(client.buffers()) == 1
    cycle = [client.put([1.0])]
    cycle.append(cycle)
    del cycle
    gc.collect()
    x += 0
    assert len(client.buffers()) == 1


# The result of an operation that failed is not left behind.
def test_failures_leave_nothing_behind(client):
    a, zero = client.put([1, 2]), client.put([0, 0])
    for _ in range(20):
        with pytest.raises(hologram.InvalidArgument):
            a / zero
        with contextlib.suppress(hologram.InvalidArgument), client.batch():
            b = a + 1
            b = b / zero
            b = b + 1
    del b
    a += 0
    assert len(client.buffers()) == 2


# ---- batches ------------------------------------------------------------------------------------


# One request whatever is inside, and the results are those of the operations one by one.
def test_a_batch_is_one_message(client):
    x = client.put(X)
    before = client.stats().server.requests
    with client.batch() as batch:
        y = client.put(Y)
        z = hologram.softmax(x * 2.0 + y) - 1
        out = batch.read(z)
    sent = client.stats().server.requests - before
    assert sent <= 3, "a batch, a read, and the statistics"
    assert np.allclose(out, np_softmax(X * 2 + Y) - 1, atol=1e-6)
    assert np.array_equal(z.numpy(), out)


# The step that fails is named, earlier ones ran, later ones did not.
def test_the_failing_step_is_named(client):
    x = client.put([4, 6])
    with pytest.raises(hologram.InvalidArgument, match="step 2 of the batch, vector_div") as caught:
        with client.batch():
            x += 1
            zero = client.put([1, 0])
            bad = x / zero
            x += 10
            late = x + 1
    assert caught.value.step == 2 and caught.value.detail == "DIVISION_BY_ZERO"
    assert x.tolist() == [5, 7] and zero.valid and not late.valid
    del bad
    with pytest.raises(hologram.NotFound, match="the batch that makes it failed"):
        late.numpy()
    assert (x + 1).tolist() == [6, 8]


def test_an_exception_drops_what_is_queued(client):
    x = client.put([1])
    with pytest.raises(KeyError):
        with client.batch():
            x += 1
            y = x + 1
            raise KeyError
    assert x.tolist() == [1] and not y.valid
    x += 1
    assert x.tolist() == [2]


# What needs an answer sends what is queued first; so does a batch that outgrows a message.
def test_batches_that_need_more_than_one_message(client):
    x = client.put(np.zeros(4, np.int32))
    with client.batch() as batch:
        x += 1
        assert x.tolist() == [1] * 4
        for _ in range(1000):
            x += 1
        big = client.put(np.arange(100_000))
        total = big.sum()
        batch.flush()
        assert total.item() == 4999950000
        x += 1
    assert x.tolist() == [1002] * 4
    chunk = np.ones(16_000, np.float32)
    with client.batch():
        many = [client.put(chunk) for _ in range(30)]
    assert all(buffer.read(15_999)[0] == 1 for buffer in many)


def test_a_batch_in_a_batch_is_part_of_it(client):
    x = client.put([1])
    with client.batch():
        x += 1
        with client.batch() as inner:
            x += 1
            seen = inner.read(x)
        x *= 10
    assert seen.tolist() == [30] and x.tolist() == [30]


# A daemon that allows less gets smaller messages.
def test_small_limits():
    limits = {"limits.message_bytes_max": "4KiB", "limits.batch_steps_max": "8",
              "limits.requests_in_flight_max": "4", "limits.payload_bytes_max": "64KiB"}
    array = np.arange(200_000)
    with hologram.testing.private_daemon(limits) as daemon, daemon.connect() as client:
        x = client.put(array)
        with client.batch():
            for _ in range(40):
                y = x + client.put([1])
        assert np.array_equal(y.numpy(), array + 1)
        small = [client.put(np.ones(n, np.uint8)) for n in range(0, 4000, 100)]
        assert [len(s.numpy()) for s in small] == list(range(0, 4000, 100))
        small.clear()
        for _ in range(20):
            y += 1
        assert len(client.buffers()) == 2


def test_an_empty_batch(client):
    with client.batch():
        pass
    with pytest.raises(hologram.FailedPrecondition, match="batch: is not open"):
        client.batch().flush()


# Another thread's operations do not slip into a batch.
def test_a_batch_keeps_other_threads_out(client):
    x, y = client.put([0]), client.put([0])
    entered, done = threading.Event(), []

    def other():
        entered.wait()
        done.append((y + 1).tolist())

    thread = threading.Thread(target=other)
    thread.start()
    with client.batch():
        entered.set()
        time.sleep(0.05)
        x += 1
        assert not done
    thread.join()
    assert done == [[1]] and x.tolist() == [1]


# ---- names, programs, statistics ----------------------------------------------------------------


def test_named_buffers_outlive_their_client(daemon, client):
    with daemon.connect() as first:
        x = first.put(X).publish("test/x", 0o600)
        assert x.name == "test/x"
        with pytest.raises(hologram.AlreadyExists):
            first.put([1.0]).publish("test/x")
    mine = client.open("test/x")
    assert (mine.shape, mine.dtype) == (X.shape, "f32") and np.array_equal(mine.numpy(), X)
    with pytest.raises(hologram.PermissionDenied):
        mine += 1
    writable = client.open("test/x", writable=True)
    writable += 1
    assert np.array_equal(mine.numpy(), X + 1)
    listed = {info.name: info for info in client.buffers("named")}
    assert listed["test/x"].mode == 0o600 and listed["test/x"].shape == X.shape
    client.unpublish("test/x")
    with pytest.raises(hologram.NotFound):
        client.open("test/x")


@pytest.fixture
def assemble(tmp_path):
    def run(text):
        source, binary = tmp_path / "p.hasm", tmp_path / "p.bin"
        source.write_text(text)
        subprocess.run([hologram.testing.find_program("hologramctl"), "asm", str(source), "-o",
                        str(binary)], check=True, stdin=subprocess.DEVNULL)
        return binary.read_bytes()

    return run


SCALE = """.slots 2
  param.f32 r2, 3
  loop.blocks @end
  ldg.f32 r1, [b0 + lane]
  mul.f32 r1, r1, r2
  stg.f32 [b1 + lane], r1
end:
"""

SPIN = """.slots 1
  mov_imm.u32 r1, 0
again:
  add.u32 r1, r1, r1
  bra @again
"""


def test_users_programs(client, assemble):
    x, y = client.put(X), client.empty_like(client.put(X))
    with client.load_program(assemble(SCALE)) as program:
        assert program.slots == 2 and program.instructions >= 5 and program.block == 3072
        program.run(x, y, cols=8, params=[("f32", 2.5)])
        assert np.array_equal(y.numpy(), X * 2.5)
        with client.batch():
            program.run(x, y, cols=8, params=[hologram.DType.F32.bits(3.0)])
            z = y + 1
        assert np.array_equal(z.numpy(), X * 3 + 1)
        with pytest.raises(hologram.InvalidArgument, match="params: expected 64 bits"):
            program.run(x, y, cols=8, params=[1.5])
    with pytest.raises(hologram.NotFound):
        program.run(x, y, cols=8, params=[0])
    with pytest.raises(hologram.InvalidArgument):
        client.load_program(b"no program")


def test_statistics_and_server(client):
    client.put([1.0]) + 1
    stats = client.stats()
    assert stats.server.version == hologram.__version__ == client.server.version
    assert stats.server.executor in ("block", "reference") and stats.server.sessions >= 1
    assert stats.caches["scalar_add"].entries >= 1 and len(stats.caches) >= 34
    assert {"heap", "boundary"} <= set(stats.pools)
    assert client.server.batch_steps_max > 0 and "batch" in client.server.features


def test_raw_execution(client):
    x, y = client.put([-1.0, 2.0]), client.empty(2, "f64")
    hologram.clip(x, 0, 1)
    done = client.execute("clip", [x], [y], {"lo": 0, "hi": 1.5})
    assert (done.cache, done.outcome) == ("clip", "hit") and y.tolist() == [0, 1.5]
    with pytest.raises(hologram.InvalidArgument, match="among lo, hi, n, got low"):
        client.execute("clip", [x], [y], {"low": 0})
    with pytest.raises(hologram.NotFound, match="no operation 'clop'"):
        client.execute("clop", [x], [y])


# ---- time ---------------------------------------------------------------------------------------


@pytest.fixture
def slow(client):
    """Something that takes a second or more."""
    a = client.full((3000, 3000), 1e-3)
    return lambda: hologram.gemm(a, a)


def test_a_timeout_ends_the_work(client, slow):
    started = time.monotonic()
    with pytest.raises(hologram.DeadlineExceeded) as caught, client.within(0.02):
        slow()
    assert isinstance(caught.value, TimeoutError) and time.monotonic() - started < 5
    assert client.timeout == 30.0
    assert (client.put([1]) + 1).tolist() == [2]


# The library itself gives up on a daemon that does not answer at all.
def test_a_daemon_that_hangs():
    with hologram.testing.private_daemon() as daemon, daemon.connect(timeout=0.05) as client:
        x = client.put([1])
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            with pytest.raises(hologram.DeadlineExceeded, match="did not answer in time"):
                x + 1
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        assert (x + 1).tolist() == [2]


def test_cancelling_from_another_thread(client, slow):
    assert not client.cancel(), "nobody waits"
    timer = threading.Timer(0.05, client.cancel)
    timer.start()
    with pytest.raises(hologram.Cancelled):
        slow()
    timer.join()
    assert (client.put([1]) + 1).tolist() == [2]


# Ctrl-C ends the wait at once, and the work in the daemon.
def test_an_interrupt_ends_the_wait(client, slow):
    # A runner in the background starts with SIGINT ignored, and then Python installs no handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        check_that_an_interrupt_ends_the_wait(client, slow)
    finally:
        signal.signal(signal.SIGINT, before)


def check_that_an_interrupt_ends_the_wait(client, slow):
    timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
    started = time.monotonic()
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        slow()
    assert time.monotonic() - started < 5
    timer.join()
    assert (client.put([1]) + 1).tolist() == [2]
    wait_for(lambda: (gc.collect(), client.put([1]) + 1, len(client.buffers()) <= 4)[-1])


# ---- losing the connection ----------------------------------------------------------------------


def test_a_lost_connection_says_what_was_lost(tmp_path):
    socket = str(tmp_path / "sock")
    with hologram.testing.private_daemon(socket=socket) as daemon:
        client = daemon.connect()
        x = client.put([1, 2])
        named = client.put([3, 4]).publish("kept")
        daemon.stop(kill=True)
        with pytest.raises(hologram.ConnectionLost) as caught:
            named += 1
    lost = caught.value
    assert isinstance(lost, hologram.Unavailable) and lost.request == "scalar_add"
    assert lost.lost_buffers == 2 and lost.published == ("kept",) and not lost.safe_to_repeat
    assert "2 buffers are gone" in str(lost) and "may or may not have happened" in str(lost)
    for use in (client.ping, x.numpy, lambda: x + 1):
        with pytest.raises(hologram.ConnectionLost, match="2 buffers are gone"):
            use()
    with pytest.raises(hologram.Unavailable, match="cannot connect"):
        client.reconnect()
    assert not client.connected
    with hologram.testing.private_daemon(socket=socket) as daemon:
        client.reconnect(wait=5)
        assert client.connected and not x.valid
        with pytest.raises(hologram.ConnectionLost):
            x + 1
        assert (client.put([1]) + 1).tolist() == [2]
        client.close()


# What changed only this client's own buffers, or writes the same again, may be repeated.
def test_what_is_safe_to_repeat():
    def lose(use):
        with hologram.testing.private_daemon() as daemon, daemon.connect() as client:
            own, named = client.put([1]), client.put([2]).publish("n")
            daemon.stop(kill=True)
            with pytest.raises(hologram.ConnectionLost) as caught:
                use(client, own, named)
            return caught.value.safe_to_repeat

    def fresh(client, own, named):
        own + named

    def in_place(client, own, named):
        own += 1

    def overwrite(client, own, named):
        hologram.vector_add(own, own, out=named)

    def accumulate(client, own, named):
        with client.batch():
            own + 1
            named += 1

    assert lose(fresh) and lose(in_place) and lose(overwrite)
    assert not lose(accumulate)
    assert not lose(lambda client, own, named: client.unpublish("n"))
    assert lose(lambda client, own, named: client.stats())


# ---- threads and processes ----------------------------------------------------------------------


def test_threads_share_a_client(client):
    x = client.put(np.arange(100, dtype=np.int64))
    wrong = []

    def work(number):
        for i in range(100):
            result = (x * number + i).numpy()
            if not np.array_equal(result, np.arange(100) * number + i):
                wrong.append((number, i))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# The child is refused, connects anew, and does not disturb its parent.
def test_fork(daemon, client):
    x = client.put([1, 2])
    child = os.fork()
    if child == 0:
        code = 1
        try:
            refused = 0
            for use in (client.ping, x.numpy, lambda: x + 1, lambda: client.batch().__enter__()):
                try:
                    use()
                except hologram.FailedPrecondition as error:
                    refused += "before a fork" in str(error)
            del x
            with daemon.connect() as anew:
                code = 0 if refused == 4 and (anew.put([5]) + 1).tolist() == [6] else 2
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0
    assert (x + 1).tolist() == [2, 3]


# ---- asyncio ------------------------------------------------------------------------------------


def asynchronous(function):
    """Runs a coroutine test with a client of the module's daemon."""
    def run(daemon):
        async def main():
            async with hologram.aio.connect(daemon.socket, timeout=30) as client:
                await function(client)
        asyncio.run(main())

    run.__name__ = function.__name__
    return run


@asynchronous
async def test_aio_computes(client):
    x, y = await asyncio.gather(client.put(X), client.put(Y))
    total = await client.run(lambda: hologram.softmax(x * 2.0 + y))
    assert np.allclose(await client.read(total), np_softmax(X * 2 + Y))
    await client.write(x, Y)
    assert np.array_equal(await client.read(x), Y)
    assert (await client.read(await client.full(3, 7, "u8"))).tolist() == [7] * 3
    assert (await client.empty((2, 2))).shape == (2, 2)
    assert await client.run(lambda: 5) == 5
    assert (await client.stats()).server.sessions >= 1 and "relu" in await client.ops()


# Many more at once than the daemon takes at a time; each gets its own answer.
@asynchronous
async def test_aio_many_at_once(client):
    x = await client.put(np.arange(10))

    async def one(i):
        return await client.read(await client.run(lambda: x * i))

    results = await asyncio.gather(*(one(i) for i in range(1000)))
    assert all(np.array_equal(r, np.arange(10) * i) for i, r in enumerate(results))
    del results
    for _ in range(8):  # the ids of those 1000 do not fit into one message
        await client.run(lambda: x + 1)
    assert len(await client.buffers()) <= 3


@asynchronous
async def test_aio_large_arrays(client):
    array = np.random.default_rng(1).integers(0, 256, 5 << 20, np.uint8)
    buffer = await client.put(array)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticker = asyncio.create_task(tick())
    assert np.array_equal(await client.read(buffer), array)
    ticker.cancel()
    assert ticks >= 5, "others ran between the pieces"


@asynchronous
async def test_aio_failures(client):
    x, zero = await client.put([4, 6]), await client.put([1, 0])

    def steps():
        return x / ((x + 1) * 0 + zero)

    good = client.run(lambda: x + 1)
    outcomes = await asyncio.gather(good, client.run(steps), client.run(lambda: x + 2),
                                    return_exceptions=True)
    assert isinstance(outcomes[1], hologram.InvalidArgument) and outcomes[1].step == 3
    assert outcomes[1].detail == "DIVISION_BY_ZERO"
    assert (await client.read(outcomes[2])).tolist() == [6, 8]
    with pytest.raises(ZeroDivisionError):
        await client.run(lambda: [x + 1, 1 / 0])
    for wrong in (lambda: x + 1, x.numpy, lambda: x.publish("n")):
        with pytest.raises(hologram.FailedPrecondition, match="belongs to asyncio"):
            wrong()
    with pytest.raises(hologram.NotFound):
        await client.open("no/such/name")


# Ending a task ends its request in the daemon, and others go on.
@asynchronous
async def test_aio_cancelling(client):
    a = await client.full((3000, 3000), 1e-3)
    started = time.monotonic()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.run(lambda: a @ a), 0.05)
    x = await client.put([1])
    assert (await client.read(x)).tolist() == [1]
    assert time.monotonic() - started < 5
    client.timeout = 0.02
    with pytest.raises(hologram.DeadlineExceeded):
        await client.run(lambda: a @ a)


def test_aio_names_and_programs(daemon, assemble):
    async def main():
        async with hologram.aio.connect(daemon.socket) as client:
            x = await client.put(X)
            await client.publish(x, "aio/x")
            y = await client.open("aio/x", writable=True)
            program = await client.load_program(assemble(SCALE))
            await client.run(program.run, y, y, cols=8, params=[("f32", 2.0)])
            assert np.array_equal(await client.read(x), X * 2)
            await client.unload_program(program)
            await client.unpublish("aio/x")

    asyncio.run(main())


def test_aio_losing_the_connection(tmp_path):
    socket = str(tmp_path / "sock")

    async def main():
        with hologram.testing.private_daemon(socket=socket) as daemon:
            client = await hologram.aio.connect(socket)
            x = await client.put([1])
            a = await client.full((3000, 3000), 1e-3)
            tasks = [asyncio.create_task(client.run(lambda: a @ a)) for _ in range(3)]
            await asyncio.sleep(0.05)
            daemon.stop(kill=True)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(o, hologram.ConnectionLost) for o in outcomes), outcomes
            assert all(o.request == "gemm" and o.safe_to_repeat for o in outcomes)
            with pytest.raises(hologram.ConnectionLost):
                await client.read(x)
        with hologram.testing.private_daemon(socket=socket):
            await client.reconnect(wait=5)
            y = await client.put([1])
            assert (await client.read(y)).tolist() == [1]
            client.close()
            with pytest.raises(hologram.FailedPrecondition, match="closed"):
                await client.read(y)

    asyncio.run(main())


# ---- the package --------------------------------------------------------------------------------


def test_a_daemon_that_does_not_start():
    with pytest.raises(RuntimeError, match="no.such.option"):
        with hologram.testing.private_daemon({"no.such_option": "1"}):
            pass


def test_installs_from_the_checkout_without_a_network(tmp_path, daemon):
    for needed in ("pip", "setuptools", "wheel"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"python3-{needed} is not installed")
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(PACKAGE, source)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-build-isolation",
                    "--no-deps", "--no-index", "--disable-pip-version-check", "--target",
                    str(target), str(source)], check=True, stdin=subprocess.DEVNULL)
    assert (target / "hologram" / "py.typed").exists()
    library = os.environ.get("HOLOGRAM_LIBRARY", str(BUILD / "lib" / "libhologram.so"))
    shown = subprocess.run(
        [sys.executable, "-c", "import hologram; c = hologram.connect(); "
         "print(hologram.__file__, (c.put([1.5, 2]) * 2).tolist())"], check=True, text=True,
        capture_output=True, cwd=tmp_path, env=dict(
            ENVIRONMENT, PYTHONPATH=str(target), HOLOGRAM_SOCKET=daemon.socket,
            HOLOGRAM_LIBRARY=library)).stdout
    assert str(target) in shown and "[3.0, 4.0]" in shown


README = (PACKAGE / "README.md").read_text("utf-8")


# Every Python block of the README runs as it is written.
@pytest.mark.parametrize("number", range(README.count("```python")))
def test_the_readmes_examples_run(daemon, number):
    code = re.findall(r"```python\n(.*?)```", README, re.S)[number]
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], text=True,
                          capture_output=True,
                          env=dict(ENVIRONMENT, HOLOGRAM_SOCKET=daemon.socket))
    assert done.returncode == 0, done.stderr
    expected = ("<hologram.Buffer f32 (32, 10)>", "[[", "1\n")[number]
    assert expected in done.stdout
    if number == 0:
        assert "INVALID_ARGUMENT DIVISION_BY_ZERO" in done.stdout


# The top README's line.
def test_one_line(daemon):
    shown = subprocess.run(
        [sys.executable, "-c", "import hologram; "
         "print(hologram.softmax(hologram.connect().put([1.0, 2.0, 3.0])).numpy())"],
        check=True, capture_output=True, text=True,
        env=dict(ENVIRONMENT, HOLOGRAM_SOCKET=daemon.socket)).stdout
    assert shown == "[0.09003057 0.24472847 0.66524096]\n"


# All that the module's tests made came back: nothing is held but by those who are still there.
def test_the_daemon_is_empty_at_the_end(daemon):
    gc.collect()
    with daemon.connect() as client:
        wait_for(lambda: all(p.bytes_used == 0 for p in client.stats().pools.values()))
    assert daemon.process.poll() is None
