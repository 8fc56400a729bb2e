# SPDX-License-Identifier: Apache-2.0
"""The Python client: operations that travel as one message."""

import threading
import time

import numpy as np
import pytest

from python_client import X, Y, client, daemon, hologram, np_softmax


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
