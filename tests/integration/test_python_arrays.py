# SPDX-License-Identifier: Apache-2.0
"""The Python client: arrays in and out of buffers, and the memory behind them."""

import contextlib
import gc
import math
import threading

import numpy as np
import pytest

from python_client import ALL, client, daemon, hologram


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
