# SPDX-License-Identifier: Apache-2.0
"""Shared memory: descriptors pass in both directions, and whatever a peer does with them, or by
dying, harms nobody else."""

import array
import ctypes
import fcntl
import mmap
import os
import signal
import socket
import subprocess
import sys
import threading

import numpy as np
import pytest

from conftest import Daemon, wait_for
from hologram.v1 import hologram_pb2 as pb
from native import HEADER, INVALID_ARGUMENT, OK, RESOURCE_EXHAUSTED, execute, frame

F_ADD_SEALS, F_SEAL_SHRINK = 1033, 2
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2
LIBC = ctypes.CDLL(None, use_errno=True)


class Peer:
    """A connection that receives descriptors; those that came are in `fds`."""

    def __init__(self, daemon, expect=False):
        self.connection = daemon.connect(hello=False)
        self.socket = self.connection.socket
        self.fds = []
        self.connection.receive_exactly = self.receive_exactly
        hello = self.connection.ask(hello=pb.Hello(protocol_version_min=1, protocol_version_max=1))
        assert "shared-memory" in hello.message.hello.features
        if expect:
            assert self.connection.ask(expect_descriptors=pb.ExpectDescriptors()).code == OK

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for fd in self.fds:
            os.close(fd)
        self.connection.close()

    def __getattr__(self, name):
        return getattr(self.connection, name)

    def receive_exactly(self, size):
        connection = self.connection
        while len(connection.buffer) < size:
            piece, control, flags, _ = self.socket.recvmsg(1 << 20, socket.CMSG_SPACE(4 * 8))
            assert piece and not flags & socket.MSG_CTRUNC
            for level, kind, data in control:
                assert (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS)
                self.fds += array.array("i", data)
            connection.buffer += piece
        taken, connection.buffer = connection.buffer[:size], connection.buffer[size:]
        return taken

    def shared(self, id, count, dtype=pb.F32):
        """Allocates and gives the descriptor."""
        reply = self.alloc(id, count, dtype, pool=pb.SHARED)
        assert reply.code == OK, reply.text
        assert reply.message.alloc.descriptor
        assert reply.message.alloc.buffer.pool == pb.SHARED
        return self.fds[-1]

    def post_with(self, fds, **body):
        """Sends a request whose first byte takes descriptors along."""
        request = self.connection.build(**body)
        socket.send_fds(self.socket, [frame(request)], fds)
        return request.id

    def adopt(self, id, fd, count, dtype=pb.F32):
        self.post_with([fd], adopt=pb.Adopt(id=id, dtype=dtype, shape=[count]))
        return self.connection.receive()


@pytest.fixture
def peer(daemon):
    with Peer(daemon) as connected:
        yield connected


@pytest.fixture
def giver(daemon):
    with Peer(daemon, expect=True) as connected:
        yield connected


def view(fd, count, dtype=np.float32, access=mmap.ACCESS_WRITE):
    size = max(1, count * np.dtype(dtype).itemsize)
    return np.frombuffer(mmap.mmap(fd, size, access=access), dtype, count)


def memfd(size, seals=F_SEAL_SHRINK, fill=True, name="test"):
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    if fill:
        os.posix_fallocate(fd, 0, size)
    fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


def punch(fd, size):
    mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    assert LIBC.fallocate(fd, mode, ctypes.c_long(0), ctypes.c_long(size)) == 0


def descriptors_of(daemon):
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def test_work_in_place(peer, daemon):
    """A client writes and reads by its own mapping; no element crosses the socket in either
    direction, and what the daemon computes is there without a copy."""
    count = 1 << 20
    x, y = view(peer.shared(1, count), count), view(peer.shared(2, count), count)
    assert not x.any()
    before = daemon.metrics()
    x[:] = np.arange(count) % 1000
    assert peer.execute("vector_add", [1, 1], [2]).code == OK
    assert np.array_equal(y, 2 * x)
    after = daemon.metrics()
    moved = sum(after[name] - before[name] for name in ("hologram_received_bytes_total",
                                                        "hologram_sent_bytes_total"))
    assert 0 < moved < 1000


def test_pipelined_answers_keep_their_descriptors_apart(peer):
    """Many allocations in one flight, others in between: each descriptor is its own buffer's."""
    peer.alloc(100, 4000)
    for id in range(1, 33):
        peer.post(alloc=pb.Alloc(id=id, dtype=pb.U64, shape=[id], pool=pb.SHARED))
        peer.post(read=pb.Read(id=100))
        peer.post(execute=execute("fill", [], [id], value=id))
    for _ in range(3 * 32):
        assert peer.receive().code == OK
    assert len(peer.fds) == 32
    for id, fd in enumerate(peer.fds, 1):
        assert view(fd, id, np.uint64).tolist() == [id] * id


def test_the_holder_cannot_truncate(peer):
    """The size is sealed, so the daemon cannot be made to touch what is not there."""
    fd = peer.shared(1, 100_000)
    for size in (0, 4096, 1 << 20):
        with pytest.raises(PermissionError):
            os.ftruncate(fd, size)
    with pytest.raises(PermissionError):
        fcntl.fcntl(fd, F_ADD_SEALS, 8)
    assert peer.execute("fill", [], [1], value=1.0).code == OK


def test_holes_punched_by_the_holder(peer):
    """Holes read as zeros, in both; operations go on."""
    count = 1 << 18
    fd = peer.shared(1, count)
    x = view(fd, count)
    x[:] = 1
    punch(fd, 4 * count)
    assert not any(peer.read(1).payload)
    stop = threading.Event()

    def keep_punching():
        while not stop.is_set():
            punch(fd, 4 * count)

    thread = threading.Thread(target=keep_punching)
    thread.start()
    try:
        for _ in range(30):
            assert peer.execute("vector_add", [1, 1], [1]).code == OK
    finally:
        stop.set()
        thread.join()


def test_writes_during_runs(peer, daemon):
    """Divisors, dividends and sums that change under the daemon: an answer or DIVISION_BY_ZERO."""
    count = 100_000
    a = view(peer.shared(1, count, pb.I32), count, np.int32)
    b = view(peer.shared(2, count, pb.I32), count, np.int32)
    peer.shared(3, count, pb.I32)
    a[:] = -2**31
    stop = threading.Event()

    def hammer():
        while not stop.is_set():
            b[::7] = 0
            b[::5] = -1
            b[:] = 1

    b[:] = 1
    thread = threading.Thread(target=hammer)
    thread.start()
    codes = set()
    try:
        for _ in range(150):
            reply = peer.execute("vector_div", [1, 2], [3])
            codes.add((reply.code, reply.detail))
    finally:
        stop.set()
        thread.join()
    assert codes <= {(OK, ""), (INVALID_ARGUMENT, "DIVISION_BY_ZERO")}
    assert daemon.process.poll() is None


def test_a_kept_descriptor_is_empty(peer):
    """After a free the descriptor that the client kept has no pages, and the quota is whole."""
    before = peer.used_bytes()["shared"]
    fd = peer.shared(1, 1 << 20)
    x = view(fd, 1 << 20)
    x[:] = 3
    assert os.fstat(fd).st_blocks >= (4 << 20) // 512
    assert peer.used_bytes()["shared"] == before + (4 << 20)
    assert peer.ask(free=pb.Free(ids=[1])).code == OK
    assert os.fstat(fd).st_blocks == 0 and not x.any()
    assert peer.used_bytes()["shared"] == before


def test_quota(daemon):
    """Shared memory counts with heap memory, in whole pages, and shared buffers are rationed."""
    with Daemon("--set", "limits.memory_bytes_max=16KiB",
                "--set", "limits.shared_buffers_max=3") as small, Peer(small) as peer:
        assert peer.alloc(1, 8192, pb.U8).code == OK
        peer.shared(2, 1, pb.U8)
        peer.shared(3, 4096, pb.U8)
        reply = peer.alloc(4, 1, pb.U8, pool=pb.SHARED)
        assert reply.code == RESOURCE_EXHAUSTED and "bound of 16384" in reply.text
        assert peer.ask(free=pb.Free(ids=[1])).code == OK
        peer.shared(4, 1, pb.U8)
        with Peer(small) as other:
            reply = other.alloc(1, 1, pb.U8, pool=pb.SHARED)
            assert (reply.code, reply.text) == (
                RESOURCE_EXHAUSTED,
                f"buffer 1: user {os.getuid()} may have 3 shared buffers")


@pytest.mark.parametrize("when", ["idle", "running"])
def test_death_of_the_client(daemon, when):
    """kill -9 of a client that maps, and computes: everything comes back."""
    before = descriptors_of(daemon)
    code = f"""
import sys; sys.path[:0] = {sys.path!r}
from test_shared import *
from native import Connection
class At:
    connect = staticmethod(lambda **options: Connection({str(daemon.path)!r}, **options))
peer = Peer(At)
x = view(peer.shared(1, 1 << 22), 1 << 22); x[:] = 1
print("ready", flush=True)
while {when == "running"}:
    peer.post(execute=execute("gelu", [1], [1]))
    x[:] = 1
    peer.receive()
sys.stdin.read()
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"ready\n"
    child.send_signal(signal.SIGKILL)
    child.wait()
    with daemon.connect() as client:
        wait_for(lambda: client.used_bytes()["shared"] == 0, what="memory given back")
    wait_for(lambda: descriptors_of(daemon) <= before, what="descriptors given back")


def test_death_of_the_daemon():
    """kill -9 of the daemon leaves a client's mapping and its content alone."""
    with Daemon() as doomed:
        with Peer(doomed) as peer:
            x = view(peer.shared(1, 1 << 20), 1 << 20)
            x[:] = 5
            doomed.signal(signal.SIGKILL)
            doomed.process.wait()
            assert x.sum() == 5 << 20
            x += 1
            assert x[-1] == 6
        doomed.start()
        wait_for(lambda: doomed.log().count("ready") == 2, what="the daemon's next start")


def test_named_buffers_pass_their_descriptor(daemon, peer):
    """Who opens a shared buffer gets its descriptor, for reading only unless opened writable."""
    x = view(peer.shared(1, 1000), 1000)
    assert peer.ask(publish=pb.Publish(id=1, name="shared/x", mode=0o600)).code == OK
    with Peer(daemon) as reader, Peer(daemon) as writer:
        reply = reader.ask(open=pb.Open(name="shared/x", id=1))
        assert reply.message.open.descriptor and reply.message.open.buffer.pool == pb.SHARED
        reply = writer.ask(open=pb.Open(name="shared/x", id=1, writable=True))
        assert reply.message.open.descriptor
        with pytest.raises(PermissionError):
            mmap.mmap(reader.fds[0], 4000, access=mmap.ACCESS_WRITE)
        seen = view(reader.fds[0], 1000, access=mmap.ACCESS_READ)
        view(writer.fds[0], 1000)[:] = 7
        assert x.sum() == 7000 == seen.sum()
        assert os.fstat(reader.fds[0]).st_mode & 0o777 == 0o600
    assert peer.ask(unpublish=pb.Unpublish(name="shared/x")).code == OK


def test_not_in_a_batch(peer):
    """A batch has one answer, which cannot bring several descriptors."""
    step = pb.Step(alloc=pb.Alloc(id=1, dtype=pb.F32, shape=[1], pool=pb.SHARED))
    reply = peer.ask(batch=pb.Batch(steps=[step]))
    assert reply.code == INVALID_ARGUMENT and "SHARED is no step of a batch" in reply.text
    assert not peer.fds


# ---- the client's own memory ---------------------------------------------------------------------


def test_adopt(giver):
    """A client's memfd is a buffer without a copy, and still the client's after the free."""
    fd = memfd(4 * 1000)
    x = view(fd, 1000)
    x[:] = 2
    reply = giver.adopt(1, fd, 1000)
    assert reply.code == OK, reply.text
    assert not reply.message.alloc.descriptor
    assert giver.execute("vector_mul", [1, 1], [1]).code == OK
    assert (x == 4).all()
    assert giver.ask(free=pb.Free(ids=[1])).code == OK
    assert (x == 4).all()
    os.close(fd)


def test_adopt_wants_a_memfd_that_stays(giver, daemon):
    """Everything else is refused with its reason, and closed; the connection goes on."""
    pipe = os.pipe()
    hugetlb = os.memfd_create("huge", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING | os.MFD_HUGETLB)
    fcntl.fcntl(hugetlb, F_ADD_SEALS, F_SEAL_SHRINK)
    sealed = "expected a memfd sealed against shrinking (F_SEAL_SHRINK)"
    cases = [
        (pipe[0], "adopt: expected a memfd, got a descriptor of another kind"),
        (giver.socket.fileno(), "adopt: expected a memfd, got a descriptor of another kind"),
        (memfd(4000, seals=0), f"buffer 9: shared pool: {sealed}"),
        (memfd(3999), "buffer 9: shared pool: expected a memfd of at least 4000 bytes, got 3999"),
        (memfd(4000, fill=False),
         "buffer 9: shared pool: expected a memfd without holes (fallocate fills them), "
         "got 0 of 4000 bytes"),
        (hugetlb, "buffer 9: shared pool: expected a memfd of ordinary pages, got one on hugetlbfs"),
    ]
    before = descriptors_of(daemon)
    for fd, text in cases:
        reply = giver.adopt(9, fd, 1000)
        assert (reply.code, reply.text) == (INVALID_ARGUMENT, text)
    wait_for(lambda: descriptors_of(daemon) <= before, what="all closed")
    for fd in (*pipe, *(fd for fd, _ in cases[2:])):
        os.close(fd)
    assert giver.ask(ping=pb.Ping()).code == OK


def test_adopt_without_a_descriptor(giver, peer):
    """None came, or it came before anybody expected it and the kernel has dropped it."""
    giver.post(adopt=pb.Adopt(id=1, dtype=pb.F32, shape=[1]))
    reply = giver.receive()
    assert reply.code == INVALID_ARGUMENT and "got none" in reply.text
    fd = memfd(4096)
    assert peer.adopt(1, fd, 1).code == INVALID_ARGUMENT
    os.close(fd)


def test_pipelined_adopts(giver):
    """Requests in one flight, each with its descriptor, others in between."""
    fds = [memfd(4096) for _ in range(20)]
    for id, fd in enumerate(fds, 1):
        os.pwrite(fd, bytes([id]), 0)
        giver.post_with([fd], adopt=pb.Adopt(id=id, dtype=pb.U8, shape=[1]))
        giver.post(read=pb.Read(id=id))
    for id, fd in enumerate(fds, 1):
        assert giver.receive().code == OK
        assert giver.receive().payload == bytes([id])
        os.close(fd)


def nobody_reads(pipe):
    try:
        os.write(pipe, b"x")
        return False
    except BrokenPipeError:
        return True


@pytest.mark.parametrize("count, code", [(1, INVALID_ARGUMENT), (2, INVALID_ARGUMENT),
                                         (3, RESOURCE_EXHAUSTED), (200, RESOURCE_EXHAUSTED)])
def test_flood(daemon, count, code):
    """Descriptors that no adopt wants end the connection and are all closed."""
    before = descriptors_of(daemon)
    ends = os.pipe()
    with Peer(daemon, expect=True) as flooder:
        flooder.post_with([ends[0]] * count, ping=pb.Ping())
        replies = [flooder.receive()]
        while replies[-1].id:
            replies.append(flooder.receive())
        assert replies[-1].code == code and replies[-1].text.startswith(
            "descriptors: expected one with each adopt, got ")
    os.close(ends[0])
    # Connections of earlier tests may still be closing, so the count alone does not say it.
    wait_for(lambda: descriptors_of(daemon) <= before, what="all closed")
    wait_for(lambda: nobody_reads(ends[1]), what="the reading end to be closed")
    os.close(ends[1])


def test_flood_nobody_expects(daemon, peer):
    """Without expect_descriptors the kernel drops them; requests are served."""
    before = descriptors_of(daemon)
    for _ in range(50):
        peer.post_with([0] * 200, ping=pb.Ping())
        assert peer.receive().code == OK
    assert descriptors_of(daemon) <= before


def holds_memfd(daemon, name):
    folder = f"/proc/{daemon.process.pid}/fd"
    links = []
    for entry in os.listdir(folder):
        try:
            links.append(os.readlink(f"{folder}/{entry}"))
        except FileNotFoundError:
            pass
    return any(link.startswith(f"/memfd:{name}") for link in links)


def test_half_an_adopt(daemon):
    """A frame that never ends: its descriptor is closed with the connection."""
    fd = memfd(4096, name="half")
    with Peer(daemon, expect=True) as giver:
        data = frame(giver.connection.build(adopt=pb.Adopt(id=1, dtype=pb.U8, shape=[1])))
        socket.send_fds(giver.socket, [data[:HEADER.size + 1]], [fd])
        wait_for(lambda: holds_memfd(daemon, "half"), what="it to arrive")
    wait_for(lambda: not holds_memfd(daemon, "half"), what="it to be closed")
    os.close(fd)
