# SPDX-License-Identifier: Apache-2.0
"""gRPC under pressure: deadlines, cancellation, crowds, peers that vanish, users kept apart."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from grpc_client import (Session, channel, code_of, grpc, health_pb2, health_pb2_grpc, pb,
                         service_pb2_grpc)

from conftest import ROOT, Daemon, wait_for

CANCELLED = grpc.StatusCode.CANCELLED
DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED
FULL = os.environ.get("HG_FULL") == "1"
# Sines that take all workers long enough to be caught in the middle; native code is never sanitized.
LONG = 60_000_000


@pytest.fixture
def link(daemon):
    with channel(daemon.path) as opened:
        yield opened


@pytest.fixture(autouse=True)
def memory_comes_back(daemon):
    """After each test the daemon that they share is empty."""
    yield
    with daemon.connect() as native:
        wait_for(lambda: native.used_bytes() == dict.fromkeys(native.used_bytes(), 0),
                 what="memory given back")


def prepare_long(session, first=1):
    session.alloc(first, LONG)
    session.alloc(first + 1, LONG)
    return pb.Execute(op="sin", inputs=[first], outputs=[first + 1])


# ---- deadlines and cancellation -------------------------------------------------------------------


def test_a_deadline_in_mid_run(link):
    """The work behind the call stops: its buffers can be used at once."""
    with Session(link) as session:
        request = prepare_long(session)
        started = time.monotonic()
        assert code_of(session.Execute, request, timeout=0.02)[0] == DEADLINE_EXCEEDED
        session.Free(pb.Free(ids=[1, 2]))
        assert time.monotonic() - started < 5


def test_a_deadline_in_the_queue(link):
    """A call that waits for a busy buffer gives up when its time is over."""
    with Session(link) as session:
        request = prepare_long(session)
        running = session.Execute.future(request)
        waiting = session.Execute.future(request, timeout=0.03)
        assert waiting.exception(timeout=20).code() == DEADLINE_EXCEEDED
        running.cancel()


def test_cancelled_in_mid_run_and_in_the_queue(daemon, link):
    """The client hangs up on one that runs and one that waits: both end, nothing is held."""
    with Session(link) as session:
        request = prepare_long(session)
        running = session.Execute.future(request)
        waiting = [session.Execute.future(request) for _ in range(10)]
        time.sleep(0.02)
        for call in waiting:
            call.cancel()
        running.cancel()
        assert running.cancelled()
        wait_for(lambda: code_of(session.Write, pb.Write(id=2, data=b"abcd"))[0] ==
                 grpc.StatusCode.OK, what="the buffers' release")
    cancelled = [value for name, value in daemon.metrics().items()
                 if "requests_total" in name and "execute" in name and "CANCELLED" in name.upper()]
    assert sum(cancelled) >= 1


def test_cancel_by_name(link):
    """A unary caller names its request; another call cancels it."""
    with Session(link) as session:
        request = prepare_long(session)
        running = session.Execute.future(request, metadata=(("hologram-request-id", "77"),))
        wait_for(lambda: code_of(session.Cancel, pb.Cancel(request_id=77))[0] ==
                 grpc.StatusCode.OK, what="the request")
        assert running.exception(timeout=20).code() == CANCELLED
        assert code_of(session.Cancel, pb.Cancel(request_id=77))[0] == grpc.StatusCode.NOT_FOUND


def test_closing_a_session_cancels_its_calls(link):
    """What runs and what waits is told so."""
    session = Session(link)
    request = prepare_long(session)
    calls = [session.Execute.future(request) for _ in range(3)]
    time.sleep(0.02)
    session.close()
    for call in calls:
        assert call.exception(timeout=20).code() in (CANCELLED, grpc.StatusCode.NOT_FOUND)


# ---- crowds ---------------------------------------------------------------------------------------


def test_a_thousand_calls_at_once(link):
    """More than a session may have in flight: the rest waits, and every one is answered right."""
    with Session(link) as session:
        for id in range(1, 33):
            session.alloc(id, 256, pb.U8)
            session.Write(pb.Write(id=id, data=bytes([id]) * 256))
        calls = [(id % 32 + 1, session.Read.future(pb.Read(id=id % 32 + 1)))
                 for id in range(1000)]
        for id, call in calls:
            assert call.result(timeout=60).data == bytes([id]) * 256


def test_too_many_calls_are_refused():
    """Beyond grpc.calls_max: RESOURCE_EXHAUSTED, at once; those before it are served."""
    with Daemon("--set", "grpc.calls_max=8") as daemon, channel(daemon.path) as link:
        with Session(link) as session:
            request = prepare_long(session)
            calls = [session.Execute.future(request) for _ in range(40)]
            refused = sum(1 for call in calls if call.exception(timeout=60) is not None and
                          call.exception().code() == grpc.StatusCode.RESOURCE_EXHAUSTED)
            assert 0 < refused <= 33
            wait_for(lambda: code_of(session.Ping, pb.Ping())[0] == grpc.StatusCode.OK,
                     what="room")


def test_many_connections(daemon):
    """Opened, used and closed: no descriptor and no connection stays."""
    def descriptors():
        return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))

    before = descriptors()
    for _ in range(10_000 if FULL else 500):
        with channel(daemon.path) as link:
            service_pb2_grpc.HologramStub(link).Ping(pb.Ping())
    wait_for(lambda: descriptors() <= before + 1, what="descriptors given back")
    assert daemon.metrics()["hologram_connections"] == 0


def test_connections_are_bounded_together():
    """Native and gRPC connections count as one number."""
    with Daemon("--set", "server.user_connections_max=4") as daemon:
        natives = [daemon.connect() for _ in range(3)]
        with channel(daemon.path) as first, channel(daemon.path) as second:
            service_pb2_grpc.HologramStub(first).Ping(pb.Ping())
            assert code_of(service_pb2_grpc.HologramStub(second).Ping, pb.Ping(),
                           timeout=1)[0] in (grpc.StatusCode.UNAVAILABLE, DEADLINE_EXCEEDED)
            natives.pop().close()
            # Waiting, because grpcio looks after a connection only while a call is under way.
            service_pb2_grpc.HologramStub(second).Ping(pb.Ping(), timeout=30, wait_for_ready=True)


def test_idle_connections_are_closed():
    """Without a call for too long the connection goes; one with a call stays; the client reconnects."""
    def state_of(link):
        states = []
        link.subscribe(states.append)
        return states

    with Daemon("--set", "timeouts.idle_ms=300") as daemon:
        with channel(daemon.path) as idle, channel(daemon.path) as busy:
            states = state_of(idle)
            service_pb2_grpc.HologramStub(idle).Ping(pb.Ping())
            watch = health_pb2_grpc.HealthStub(busy).Watch(health_pb2.HealthCheckRequest())
            next(watch)
            assert daemon.metrics()["hologram_connections"] == 2
            wait_for(lambda: daemon.metrics()["hologram_connections"] == 1, what="the idle one's end")
            wait_for(lambda: states[-1] == grpc.ChannelConnectivity.IDLE, what="word of it")
            service_pb2_grpc.HologramStub(idle).Ping(pb.Ping())
            assert daemon.metrics()["hologram_connections"] == 2
            watch.cancel()
            wait_for(lambda: daemon.metrics()["hologram_connections"] == 0, what="both ends")


# ---- peers that vanish or babble ------------------------------------------------------------------


CHILD = """
import sys
sys.path[:0] = {path!r}
from grpc_client import *
link = channel({socket!r})
session = Session(link)
session.alloc(1, 1 << 22)
def endless():
    while True:
        yield pb.Write(id=1, data=bytes(1 << 18))
kind = {kind!r}
if kind == "upload":
    print("go", flush=True)
    session.WriteStream(endless())
elif kind == "download":
    pieces = session.ReadStream(pb.Read(id=1))
    next(pieces)
    print("go", flush=True)
    import time
    time.sleep(60)
else:
    stream = session.stub.Session(iter([pb.Request(hello=pb.Hello(protocol_version_min=1,
                                                                  protocol_version_max=1)),
                                        pb.Request(alloc=pb.Alloc(id=1, dtype=pb.F32,
                                                                  shape=[1 << 20]))] +
                                       [pb.Request(read=pb.Read(id=1, length=1 << 20))] * 500))
    next(stream)
    print("go", flush=True)
    import time
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["upload", "download", "session"])
def test_killed_in_mid_stream(kind):
    """The session of a killed client ends with its lease, its views are given back."""
    with Daemon("--set", "grpc.session_lease_s=1") as daemon:
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(path=sys.path, socket=str(daemon.path), kind=kind)],
            stdout=subprocess.PIPE, cwd=ROOT)
        assert child.stdout.readline() == b"go\n"
        child.kill()
        child.wait()
        with daemon.connect() as native:
            wait_for(lambda: native.used_bytes()["heap"] == 0, what="memory given back")
        # C core's thread for writes that wait sleeps ten seconds; more often than not it is over.
        started = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - started < 6


def test_a_reader_that_does_not_read_holds_only_itself(daemon):
    """A download that nobody takes: others go on, closing the session frees the buffer."""
    with channel(daemon.path, (("grpc.http2.lookahead_bytes", 65536),)) as link:
        session = Session(link)
        session.alloc(1, 16 << 20, pb.U8)
        pieces = session.ReadStream(pb.Read(id=1))
        next(pieces)
        with channel(daemon.path) as other, Session(other) as second:
            second.alloc(1, 4)
            session.close()
        assert code_of(lambda: list(pieces))[0] in (CANCELLED, grpc.StatusCode.OK)


def test_cancelled_with_lent_buffers(daemon):
    """Streams and calls go while C core still holds slices of buffers: all of them come back."""
    hello = pb.Request(hello=pb.Hello(protocol_version_min=1, protocol_version_max=1))
    alloc = pb.Request(alloc=pb.Alloc(id=1, dtype=pb.F32, shape=[1 << 20]))
    reads = [pb.Request(stream=n, read=pb.Read(id=1, length=1 << 20)) for n in range(100)]
    for round in range(200 if FULL else 20):
        with channel(daemon.path, (("grpc.http2.lookahead_bytes", 65536),)) as link:
            stream = service_pb2_grpc.HologramStub(link).Session(iter([hello, alloc, *reads]))
            next(stream)
            next(stream)
            session = Session(link)
            session.alloc(1, 1 << 20)
            calls = [session.Read.future(pb.Read(id=1, length=3 << 20)) for _ in range(5)]
            time.sleep(0.01 * (round % 3))
            stream.cancel()
            for call in calls[:3]:
                call.cancel()
            session.close()


@pytest.mark.parametrize("start", [b"P", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
                                   b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 200,
                                   b"PRI * HTTP/1.1\r\n\r\n", b"POST / HTTP/1.1\r\n\r\n"])
def test_beginnings_of_nothing(daemon, start):
    """Half a preface, a preface alone, garbage behind it: the daemon goes on."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(daemon.path))
        peer.sendall(start)
        with channel(daemon.path) as link:
            service_pb2_grpc.HologramStub(link).Ping(pb.Ping())


def test_a_preface_in_pieces(daemon):
    """The first byte decides; the rest may come when it likes."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(daemon.path))
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        for byte in preface + b"\0\0\0\4\0\0\0\0\0":
            peer.sendall(bytes([byte]))
            time.sleep(0.001)
        peer.settimeout(20)
        assert peer.recv(9)[3] == 4  # the server's SETTINGS


# ---- users ----------------------------------------------------------------------------------------


def test_users_are_told_apart_in_a_storm_of_reconnects():
    """Two users connect and go, fast: what each publishes is always its own."""
    program = """
import os, sys
os.setgid({uid}); os.setuid({uid})
sys.path[:0] = {path!r}
from grpc_client import *
for round in range({rounds}):
    with channel({socket!r}) as link, Session(link) as session:
        session.alloc(1, 1)
        name = "u{uid}." + str(round)
        session.Publish(pb.Publish(id=1, name=name, mode=0o600))
        mine = [b for b in session.ListBuffers(pb.ListBuffers(named=True)).buffers]
        assert all(b.uid == {uid} for b in mine), mine
        assert name in [b.buffer.name for b in mine]
        assert not session.hello.admin
        session.Unpublish(pb.Unpublish(name=name))
"""
    if os.geteuid() != 0:
        pytest.skip("needs root to become two users")
    with Daemon("--set", "server.socket_mode=0666") as daemon:
        os.chmod(daemon.folder, 0o755)
        children = [subprocess.Popen(
            [sys.executable, "-c", program.format(uid=uid, path=sys.path, socket=str(daemon.path),
                                                  rounds=300 if FULL else 60)],
            cwd=ROOT) for uid in (54321, 54322, 54323)]
        assert [child.wait(300) for child in children] == [0, 0, 0]


def test_a_token_is_of_no_use_to_another_user():
    """Whoever learns it has to be the same user as well."""
    program = """
import os, sys
os.setgid(54321); os.setuid(54321)
sys.path[:0] = {path!r}
from grpc_client import *
stub = service_pb2_grpc.HologramStub(channel({socket!r}))
code, _ = code_of(stub.Read, pb.Read(id=1), metadata=(("hologram-session", {token!r}),))
sys.exit(0 if code == grpc.StatusCode.NOT_FOUND else 1)
"""
    if os.geteuid() != 0:
        pytest.skip("needs root to become another user")
    with Daemon("--set", "server.socket_mode=0666") as daemon, channel(daemon.path) as link:
        os.chmod(daemon.folder, 0o755)
        with Session(link) as session:
            session.alloc(1, 1)
            child = subprocess.run([sys.executable, "-c", program.format(
                path=sys.path, socket=str(daemon.path), token=session.token)], cwd=ROOT)
            assert child.returncode == 0
