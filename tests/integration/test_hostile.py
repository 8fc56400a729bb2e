# SPDX-License-Identifier: Apache-2.0
"""Peers that stall, flood, or die: everybody else is served, and everything comes back."""

import os
import pathlib
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import pytest

from conftest import BUILD, SANITIZED, Closed, Daemon, wait_for
from hologram.v1 import hologram_pb2 as pb
from native import DEADLINE_EXCEEDED, HEADER, INVALID_ARGUMENT, OK, RESOURCE_EXHAUSTED, frame

SHORT = ("--set", "timeouts.handshake_ms=150", "--set", "timeouts.frame_ms=150",
         "--set", "timeouts.write_ms=200", "--set", "timeouts.idle_ms=400")


@pytest.fixture(scope="module")
def strict():
    """A daemon that waits for nobody."""
    with Daemon(*SHORT) as running:
        yield running
        wait_for(lambda: running.metrics()["hologram_connections"] == 0, what="all closed")
        assert running.metrics()['hologram_pool_used_bytes{pool="heap"}'] == 0


def expect_timeout(client, text, seconds):
    start = time.monotonic()
    reply = client.receive()
    assert (reply.id, reply.code, reply.text) == (0, DEADLINE_EXCEEDED, text)
    client.expect_closed()
    assert time.monotonic() - start < seconds


def test_no_hello(strict):
    """A connection that says nothing is closed after timeouts.handshake_ms."""
    with strict.connect(hello=False) as client:
        expect_timeout(client, "handshake: no hello within 150 ms", 2)


def test_half_a_hello(strict):
    """Dribbling does not extend the handshake."""
    with strict.connect(hello=False) as client:
        data = frame(client.build(hello=pb.Hello(protocol_version_min=1, protocol_version_max=1)))
        start = time.monotonic()
        try:
            for byte in data[:-1]:
                client.send(bytes([byte]))
                time.sleep(0.02)
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert time.monotonic() - start < 2


@pytest.mark.parametrize("cut", [3, HEADER.size, HEADER.size + 2])
def test_half_a_frame(strict, cut):
    """A frame that stops in its header or message is given up after timeouts.frame_ms."""
    with strict.connect() as client:
        client.send(frame(pb.Request(id=5, ping=pb.Ping()))[:cut])
        expect_timeout(client, "frame: no byte for 150 ms in its middle", 2)


def test_half_a_payload(strict):
    """The same in the payload; the buffer is not held for ever."""
    with strict.connect() as client:
        client.alloc(1, 1000, pb.U8)
        client.ask(publish=pb.Publish(id=1, name="held", mode=0o600))
        with strict.connect() as other:
            other.ask(open=pb.Open(name="held", id=1, writable=True))
            client.send(frame(pb.Request(id=5, write=pb.Write(id=1)), b"x" * 10,
                              payload_length=1000))
            wait_for(lambda: other.write(1, b"y").code != OK, what="the buffer being held")
            expect_timeout(client, "frame: no byte for 150 ms in its middle", 2)
            assert other.write(1, b"y").code == OK
            assert other.ask(unpublish=pb.Unpublish(name="held")).code == OK


def test_slow_but_steady_is_fine(strict):
    """A peer that sends a byte now and then is not stalled."""
    with strict.connect() as client:
        request = client.build(ping=pb.Ping())
        for byte in frame(request):
            client.send(bytes([byte]))
            time.sleep(0.01)
        assert client.receive().id == request.id


def test_idle(strict):
    """A session without a request is closed after timeouts.idle_ms; requests keep it."""
    with strict.connect() as client:
        for _ in range(3):
            time.sleep(0.2)
            assert client.ask(ping=pb.Ping()).code == OK
        expect_timeout(client, "idle: no request for 400 ms", 2)


def test_a_reader_that_stopped(strict):
    """Responses that nobody takes: closed after timeouts.write_ms, memory given back."""
    with strict.connect() as client:
        client.alloc(1, 64 << 20, pb.U8)
        client.post(read=pb.Read(id=1))
        start = time.monotonic()
        wait_for(lambda: "peer does not read" in strict.log(), 5, "the write timeout")
        assert time.monotonic() - start < 3
        with pytest.raises((Closed, ConnectionResetError)):
            client.receive()


def test_a_slow_reader_gets_everything(strict):
    """A peer that reads slowly but reads is served to the end, past the write timeout."""
    size = 4 << 20
    with strict.connect() as client:
        client.alloc(1, size, pb.U8)
        client.write(1, b"\x5a" * size)
        client.post(read=pb.Read(id=1))
        got = 0
        start = time.monotonic()
        while time.monotonic() - start < 0.6:
            got += len(client.socket.recv(65536))
            time.sleep(0.02)
        while got < size:
            got += len(client.socket.recv(1 << 20))


def test_responses_are_bounded(daemon):
    """A client that asks and never reads is not read from: neither its requests nor its responses
    pile up."""
    with daemon.connect() as client, daemon.connect() as other:
        before = daemon.metrics()["hologram_transport_bytes"]
        client.alloc(1, 8000, pb.U8)
        request = frame(pb.Request(id=7, read=pb.Read(id=1)))
        client.socket.settimeout(0.5)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += client.socket.send(request * 1000)
        except TimeoutError:
            pass
        assert sent < 64 << 20
        assert daemon.metrics()["hologram_transport_bytes"] - before < 8 << 20
        assert other.ask(ping=pb.Ping()).code == OK
        # Now it reads, and everything that was asked in full is answered.
        client.socket.settimeout(20)
        whole = sent // len(request)
        for _ in range(whole):
            assert len(client.receive().payload) == 8000


def test_many_reads_in_flight_hold_no_copies(daemon):
    """Large reads are sent from the buffer: a hundred of them cost no memory."""
    size = 4 << 20
    with daemon.connect() as client:
        client.alloc(1, size, pb.U8)
        before = daemon.metrics()["hologram_transport_bytes"]
        for _ in range(100):
            client.post(read=pb.Read(id=1))
        client.socket.recv(1, socket.MSG_PEEK)
        assert daemon.metrics()["hologram_transport_bytes"] - before < 8 << 20
        for _ in range(100):
            assert len(client.receive().payload) == size


CHILD = """
import sys, time, os, signal
sys.path[:0] = {paths!r}
from native import *
client = Connection({path!r})
client.alloc(1, 1 << 20, pb.U8)
{action}
print("ready", flush=True)
time.sleep(60)
"""

ACTIONS = {
    "idle": "",
    "half a header": "client.send(b'HGRM' + bytes([1, 0]))",
    "half a message": "client.send(frame(pb.Request(id=3, ping=pb.Ping()))[:-1])",
    "half a payload": "client.send(frame(pb.Request(id=3, write=pb.Write(id=1)), b'x' * 1000,"
                      " payload_length=1 << 20))",
    "unread responses": "[client.post(read=pb.Read(id=1)) for _ in range(50)]",
    "running work": "[client.alloc(i, [{side}, {side}]) for i in (2, 3, 4)];"
                    "[client.post(stream=i, execute=execute('gemm', [2, 3], [4]))"
                    " for i in range(10)]",
}


@pytest.mark.parametrize("action", ACTIONS)
def test_a_client_that_is_killed(daemon, action):
    """kill -9 in any state of the protocol: the connection goes, and its memory with it."""
    paths = [str(pathlib.Path(__file__).parent), str(BUILD / "gen" / "python")]
    act = ACTIONS[action].replace("{side}", "500" if SANITIZED else "2000")
    child = subprocess.Popen([sys.executable, "-c", CHILD.format(paths=paths, path=str(daemon.path),
                                                                 action=act)],
                             stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    wait_for(lambda: daemon.metrics()['hologram_pool_used_bytes{pool="heap"}'] > 0, what="its memory")
    child.send_signal(signal.SIGKILL)
    child.wait()
    wait_for(lambda: daemon.metrics()["hologram_connections"] == 0, what="its end")
    assert daemon.metrics()['hologram_pool_used_bytes{pool="heap"}'] == 0
    assert daemon.metrics()["hologram_requests_in_flight"] == 0


def test_clients_that_come_and_go(daemon):
    """Hundreds of short connections leave nothing behind."""
    def visit(count):
        for i in range(count):
            with daemon.connect(hello=i % 3 != 0) as client:
                if i % 3 == 1:
                    client.alloc(1, 1000)
    threads = [threading.Thread(target=visit, args=(60,)) for _ in range(4)]
    before = descriptors(daemon)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: daemon.metrics()["hologram_connections"] == 0, what="all gone")
    wait_for(lambda: descriptors(daemon) <= before, what="descriptors given back")


def descriptors(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_a_flood_of_cancels(client):
    """Cancels of nothing, of themselves, of each other: each gets its answer."""
    ids = [client.post(cancel=pb.Cancel(request_id=i)) for i in range(500)]
    assert set(client.receive_all(500)) == set(ids)


def test_a_flood_of_streams(client):
    """Every stream number is as good as another."""
    ids = [client.post(stream=(i * 2654435761) % 2**32, ping=pb.Ping()) for i in range(500)]
    assert set(client.receive_all(500)) == set(ids)


def test_equal_request_ids(client):
    """Ids of requests are the client's business: equal ones are answered each."""
    client.send(frame(pb.Request(id=5, ping=pb.Ping())) * 10)
    assert [client.receive().id for _ in range(10)] == [5] * 10


def test_memory_is_refused_not_overcommitted():
    """The heap's bound holds over all sessions; what one gives back another can have."""
    with Daemon("--set", "engine.heap_bytes_max=1MiB") as daemon:
        with daemon.connect() as one, daemon.connect() as two:
            assert one.alloc(1, 700_000, pb.U8).code == OK
            reply = two.alloc(1, 700_000, pb.U8)
            assert reply.code == RESOURCE_EXHAUSTED and reply.text
            one.ask(free=pb.Free(ids=[1]))
            assert two.alloc(1, 700_000, pb.U8).code == OK


def test_a_user_has_one_quota_over_all_sessions():
    """limits.user_memory_bytes_max counts every session of the user."""
    with Daemon("--set", "limits.user_memory_bytes_max=1MiB") as daemon:
        with daemon.connect() as one, daemon.connect() as two:
            assert one.alloc(1, 700_000, pb.U8).code == OK
            assert two.alloc(1, 700_000, pb.U8).code == RESOURCE_EXHAUSTED


def test_a_program_that_never_ends(daemon, client):
    """Fuel is bounded by the server, whatever the client asks for; others are served meanwhile."""
    reply = client.ask(load_program=pb.LoadProgram(id=1, binary=assemble("again:\nbra @again\n")))
    assert reply.code == OK, reply.text
    reply = client.ask(run_program=pb.RunProgram(id=1, cols=8, fuel=2**63))
    assert (reply.code, reply.text) == (
        INVALID_ARGUMENT,
        "program 1: fuel is bounded to 16777216 per block and segment, got 9223372036854775808")
    run = client.post(run_program=pb.RunProgram(id=1, cols=8))
    with daemon.connect() as other:
        start = time.monotonic()
        assert other.ask(ping=pb.Ping()).code == OK
        assert time.monotonic() - start < 1
    reply = client.receive()
    assert (reply.id, reply.code, reply.detail) == (run, RESOURCE_EXHAUSTED, "FUEL_EXHAUSTED")


def assemble(text):
    """The binary form of TEXT, by hologramctl."""
    with tempfile.NamedTemporaryFile() as output:
        subprocess.run([str(BUILD / "bin" / "hologramctl"), "asm", "-o", output.name, "-"],
                       input=text.encode(), capture_output=True, timeout=20, check=True)
        return pathlib.Path(output.name).read_bytes()


def test_equal_work_from_many_clients_is_one_program(daemon):
    """The cache is the process's: the same op of other clients, other handles and lengths, is a
    hit."""
    name = 'hologram_program_cache_builds_total{cache="scalar_mul"}'
    for count in (100, 200, 3000):
        with daemon.connect() as client:
            client.alloc(count, count)
            reply = client.execute("scalar_mul", [count], [count], s=2.0)
            assert reply.code == OK, reply.text
    assert daemon.metrics()[name] == 1


def test_softmax_of_two_clients(daemon):
    """Two clients' softmax over their own buffers of different lengths: each gets its own answer."""
    answers = []
    for values in ([1.0, 2.0, 3.0], [5.0, 5.0, 5.0, 5.0]):
        with daemon.connect() as client:
            client.alloc(1, len(values))
            client.alloc(2, len(values))
            client.write(1, struct.pack(f"<{len(values)}f", *values))
            assert client.execute("softmax", [1], [2]).code == OK
            answers.append(struct.unpack(f"<{len(values)}f", client.read(2).payload))
    assert answers[0] == pytest.approx([0.09003057, 0.24472848, 0.66524094], abs=1e-6)
    assert answers[1] == pytest.approx([0.25] * 4, abs=1e-6)
