# SPDX-License-Identifier: Apache-2.0
"""The Python client: timeouts, cancelling, losing the connection, threads and processes."""

import gc
import os
import signal
import threading
import time

import numpy as np
import pytest

from python_client import SCALE, assemble, client, daemon, hologram, slow, wait_for


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


# Loaded programs go with the connection, and are counted.
def test_lost_programs_are_counted(tmp_path, assemble):
    with hologram.testing.private_daemon() as daemon:
        client = daemon.connect()
        programs = [client.load_program(assemble(SCALE)) for _ in range(3)]
        programs[0].unload()
        x = client.put([1.0], "f32")
        daemon.stop(kill=True)
        with pytest.raises(hologram.ConnectionLost, match="1 buffers and 2 programs are") as caught:
            programs[1].run(x, x, cols=1, params=[("f32", 2.0)])
    assert (caught.value.lost_buffers, caught.value.lost_programs) == (1, 2)
    assert caught.value.request == "run_program" and caught.value.safe_to_repeat


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
