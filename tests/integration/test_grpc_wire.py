# SPDX-License-Identifier: Apache-2.0
"""gRPC below the stubs: HTTP/2 frames by hand, calls that no stub would make, limits of memory."""

import random
import signal
import socket
import struct
import time

import pytest
from grpc_client import Session, channel, code_of, grpc, pb, service_pb2_grpc

from conftest import Daemon, wait_for

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, SETTINGS, PING, GOAWAY = 1, 4, 6, 7
ENHANCE_YOUR_CALM = 11
OK = grpc.StatusCode.OK
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


def frame(kind, flags=0, stream=0, body=b""):
    return struct.pack(">I", len(body))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + body


class Peer:
    """A connection that speaks HTTP/2 as far as the test wants."""

    def __init__(self, path, start=PREFACE + frame(SETTINGS), timeout=20):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))  # waits if many others do
        self.socket.settimeout(timeout)
        self.socket.sendall(start)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def take(self, size):
        while len(self.buffer) < size:
            piece = self.socket.recv(65536)
            if not piece:
                raise EOFError
            self.buffer += piece
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def receive(self):
        """The next frame's kind, flags and body."""
        head = self.take(9)
        return head[3], head[4], self.take(int.from_bytes(head[:3], "big"))

    def frames(self, answer_pings=False):
        """All until the server closes."""
        while True:
            try:
                kind, flags, body = self.receive()
            except (EOFError, ConnectionResetError):
                return
            if kind == PING and answer_pings and not flags:
                try:
                    self.socket.sendall(frame(PING, 1, body=body))
                except (BrokenPipeError, ConnectionResetError):
                    pass  # closed: what was sent before can be read yet
            yield kind, flags, body


def ping(daemon):
    with channel(daemon.path) as link:
        service_pb2_grpc.HologramStub(link).Ping(pb.Ping(), timeout=20)


# ---- keepalive ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def brisk():
    with Daemon("--set", "grpc.keepalive_ms=1000", "--set",
                "grpc.keepalive_timeout_ms=300") as daemon:
        yield daemon
        wait_for(lambda: daemon.metrics()["hologram_connections"] == 0, what="no connection")


def test_silent_peers_are_closed(brisk):
    """One that does not answer a ping in time is gone, and hears nothing but that."""
    started = time.monotonic()
    with Peer(brisk.path) as peer:
        kinds = [kind for kind, _, _ in peer.frames()]
    assert PING in kinds and kinds[0] == SETTINGS
    assert 0.9 < time.monotonic() - started < 10


@pytest.mark.parametrize("start", [b"P", PREFACE[:10], PREFACE, PREFACE + frame(SETTINGS)[:5]])
def test_halves_of_a_beginning_are_closed(brisk, start):
    """Whoever does not come to the point does not keep a connection."""
    with Peer(brisk.path, start) as peer:
        assert GOAWAY not in [kind for kind, flags, _ in peer.frames() if flags]
    ping(brisk)


def test_peers_that_answer_stay(brisk):
    """Pings come again and again, as long as they are answered."""
    pings = 0
    with Peer(brisk.path) as peer:
        for kind, flags, _ in peer.frames(answer_pings=True):
            pings += kind == PING and not flags
            if pings == 3:
                break
    assert pings == 3


def test_too_many_pings(brisk):
    """A peer that pings without end is told to be calm."""
    with Peer(brisk.path) as peer:
        try:
            for n in range(20):
                peer.socket.sendall(frame(PING, body=struct.pack(">Q", n)))
        except (BrokenPipeError, ConnectionResetError):
            pass  # told already; what it was told can be read yet
        last = [body for kind, _, body in peer.frames(answer_pings=True) if kind == GOAWAY]
        assert last and struct.unpack(">II", last[-1][:8])[1] == ENHANCE_YOUR_CALM


# ---- the drain ------------------------------------------------------------------------------------


def test_a_drain_says_goaway():
    """A connection without calls hears GOAWAY, then it is closed; the daemon ends soon."""
    with Daemon() as daemon, Peer(daemon.path) as peer:
        assert peer.receive()[0] == SETTINGS
        peer.socket.sendall(frame(SETTINGS, 1))
        ping(daemon)
        daemon.signal(signal.SIGTERM)
        kinds = [kind for kind, _, _ in peer.frames(answer_pings=True)]
        assert GOAWAY in kinds
        assert daemon.process.wait(10) == 0


# ---- frames that are none -------------------------------------------------------------------------


def test_random_frames(daemon):
    """Whatever follows the preface ends at most its own connection."""
    dice = random.Random(5)
    for _ in range(150):
        with Peer(daemon.path) as peer:
            for _ in range(dice.randrange(1, 6)):
                body = dice.randbytes(dice.randrange(60))
                data = frame(dice.randrange(12), dice.randrange(256), dice.randrange(4), body)
                try:
                    peer.socket.sendall(data[:dice.randrange(9, len(data) + 1)])
                except (BrokenPipeError, ConnectionResetError):
                    break
    ping(daemon)
    wait_for(lambda: daemon.metrics()["hologram_connections"] == 0, what="no connection")


def literal(name, value):
    """A header field without indexing."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


BASE = {b":method": b"POST", b":scheme": b"http", b":path": b"/hologram.v1.Hologram/Ping",
        b":authority": b"x", b"content-type": b"application/grpc", b"te": b"trailers"}


@pytest.mark.parametrize("change", [
    {b":method": b"GET"}, {b":method": b"BREW"}, {b":path": b""}, {b":path": b"Ping"},
    {b":scheme": b"gopher"}, {b"content-type": b"text/html"}, {b"content-type": None},
    {b"te": None}, {b":authority": None}, {b"grpc-timeout": b"soon"}, {b"grpc-timeout": b"99999999H"},
    {b"grpc-timeout": b"0n"}, {b"grpc-encoding": b"zip"}, {b"hologram-session": b"\xff\0"},
    {b"grpc-timeout": b"-1S"}, {}])
def test_odd_headers(daemon, change):
    """Each is answered with headers or a reset, and the connection or its end; never with silence."""
    fields = {**BASE, **change}
    block = b"".join(literal(name, value) for name, value in fields.items() if value is not None)
    with Peer(daemon.path) as peer:
        peer.socket.sendall(frame(SETTINGS, 1) + frame(HEADERS, 4, 1, block) +
                            frame(0, 1, 1, b"\0\0\0\0\0"))
        seen = [kind for kind, _, _ in take_until_answer(peer)]
        assert seen and seen[-1] in (HEADERS, 3, GOAWAY)
    ping(daemon)


def take_until_answer(peer):
    for kind, flags, body in peer.frames():
        yield kind, flags, body
        if kind in (HEADERS, 3, GOAWAY):
            return


# ---- calls that no stub would make ----------------------------------------------------------------


@pytest.fixture
def link(daemon):
    with channel(daemon.path) as opened:
        yield opened


METHODS = ("Alloc", "Batch", "Write", "Read", "Execute", "Free", "Ping", "Stats", "OpenSession",
           "CloseSession", "ReadStream", "WriteStream", "Session", "Cancel", "ListOps")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("messages", [0, 1, 2])
@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_the_code_is_never_unknown(link, method, messages, compression):
    """None, one or two messages, garbage, compressed or not: a code that says something."""
    with Session(link) as session:
        call = link.stream_stream(f"/hologram.v1.Hologram/{method}")
        code, text = code_of(lambda: list(call(iter([b"\x08\x01" * 40] * messages), timeout=20,
                                               metadata=session.metadata,
                                               compression=compression)))
        assert code not in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL,
                            grpc.StatusCode.DEADLINE_EXCEEDED), text
        session.close = lambda: None if method == "CloseSession" else Session.close(session)


def test_what_needs_a_descriptor_is_not_for_grpc(link):
    """Shared buffers and adopted ones: no descriptor can pass here, and the answer says so."""
    with Session(link) as session:
        shared = pb.Alloc(id=1, dtype=pb.F32, shape=[4], pool=pb.SHARED)
        assert code_of(session.Alloc, shared)[0] == UNIMPLEMENTED
        adopt = link.unary_unary("/hologram.v1.Hologram/Adopt")
        assert code_of(adopt, b"", metadata=session.metadata)[0] == UNIMPLEMENTED
    requests = [pb.Request(id=1, hello=pb.Hello(protocol_version_min=1, protocol_version_max=1)),
                pb.Request(id=2, alloc=shared),
                pb.Request(id=3, expect_descriptors=pb.ExpectDescriptors()),
                pb.Request(id=4, adopt=pb.Adopt(id=1, dtype=pb.F32, shape=[4])),
                pb.Request(id=5, ping=pb.Ping())]
    answers = list(service_pb2_grpc.HologramStub(link).Session(iter(requests), timeout=20))
    assert [answer.status.code for answer in answers] == \
        [0, *[UNIMPLEMENTED.value[0]] * 3, 0], answers


# ---- memory ---------------------------------------------------------------------------------------


def test_a_flood_of_large_messages():
    """Far more than gRPC may have: peers are slowed down or refused, the daemon goes on."""
    with Daemon("--set", "grpc.memory_bytes_max=16MiB") as daemon:
        with channel(daemon.path) as link, Session(link) as session:
            size = 4 << 20
            session.alloc(1, size, pb.U8)
            data = bytes(size)
            writes = [session.Write.future(pb.Write(id=1, data=data)) for _ in range(48)]
            codes = {code_of(write.result)[0] for write in writes}
            assert codes <= {OK, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}
        ping(daemon)


# ---- many at once ---------------------------------------------------------------------------------


def test_a_thousand_calls_over_many_connections_and_sessions(daemon):
    """Ten connections, each with ten sessions that ask ten times: nobody gets another's bytes."""
    links = [channel(daemon.path) for _ in range(10)]
    sessions = [Session(link) for link in links for _ in range(10)]
    try:
        for n, session in enumerate(sessions):
            session.alloc(1, 64, pb.U8)
            session.Write(pb.Write(id=1, data=bytes([n]) * 64))
        calls = [(n, session.Read.future(pb.Read(id=1)))
                 for _ in range(10) for n, session in enumerate(sessions)]
        for n, call in calls:
            assert call.result(timeout=60).data == bytes([n]) * 64
    finally:
        for session in sessions:
            session.close()
        for link in links:
            link.close()
