# SPDX-License-Identifier: Apache-2.0
"""Constant buffers, through every door: nothing writes one, whoever has it."""

import asyncio
import fcntl
import os

import numpy as np
import pytest

import grpc_client
from conftest import Daemon, wait_for
from ctl_client import DENIED, REFUSED, ctl, served  # noqa: F401  (fixtures)
from hologram.v1 import hologram_pb2 as pb
from native import INVALID_ARGUMENT, NOT_FOUND, OK, PERMISSION_DENIED, execute
from python_client import hologram
from test_shared import F_ADD_SEALS, F_SEAL_SHRINK, giver, memfd, peer  # noqa: F401  (fixtures)

F_SEAL_WRITE, F_SEAL_FUTURE_WRITE = 8, 16
ONES = np.ones(4, np.float32).tobytes()


def freeze(connection, *ids, **more):
    return connection.ask(freeze=pb.Freeze(ids=ids), **more)


@pytest.fixture
def connection(daemon):
    """Buffer 1 is constant, buffer 2 is not."""
    with daemon.connect() as connected:
        for id in (1, 2):
            assert connected.alloc(id, 4).code == OK and connected.write(id, ONES).code == OK
        assert "constant-buffers" in connected.hello.features
        assert freeze(connected, 1).code == OK
        yield connected
        assert connected.read(1).payload == ONES


def refused(reply, id=1):
    assert reply.code == PERMISSION_DENIED, (reply.code, reply.text)
    assert f"buffer {id} is constant: it may not be written" in reply.text


def test_nothing_writes_it(connection):
    """Payloads, small writes and outputs of operations, batches and graphs name the buffer."""
    refused(connection.write(1, ONES))
    refused(connection.write(1, b"", offset=4))
    refused(connection.ask(write=pb.Write(id=1, data=ONES)))
    refused(connection.execute("vector_add", [2, 2], [1]))
    refused(connection.execute("vector_add", [1, 1], [1]))
    steps = [pb.Step(freeze=pb.Freeze(ids=[2])), pb.Step(write=pb.Write(id=2, data=ONES))]
    reply = connection.ask(batch=pb.Batch(steps=steps))
    refused(reply, 2)
    assert reply.message.batch.completed == 1 and "batch: step 1" in reply.text
    refused(connection.ask(eval=pb.Eval(
        text="y = x + x", inputs=[pb.GraphBinding(name="x", id=2)],
        outputs=[pb.GraphBinding(name="y", id=1)])))
    listed = connection.ask(list_buffers=pb.ListBuffers()).message.list_buffers.buffers
    assert {b.buffer.id: b.buffer.constant for b in listed} == {1: True, 2: True}
    assert connection.ask(free=pb.Free(ids=[2])).code == OK
    assert connection.alloc(2, 4).code == OK and connection.write(2, ONES).code == OK


def test_wrong_requests(connection):
    """What is not there is named, what comes before it is done, and twice is fine."""
    reply = freeze(connection, 1, 2, 77)
    assert reply.code == NOT_FOUND and "77" in reply.text
    refused(connection.write(2, ONES), 2)
    assert freeze(connection, 1, 1, 2).code == OK
    assert freeze(connection).code == OK


def test_waits_for_a_writer(connection, daemon):
    """While another stream writes the buffer, freezing waits for it as reading does."""
    count = 1 << 22
    assert connection.alloc(3, count).code == OK and connection.alloc(4, count).code == OK
    ids = [connection.post(execute=execute("exp", [3], [4]), stream=1),
           connection.post(freeze=pb.Freeze(ids=[4]), stream=2),
           connection.post(execute=execute("exp", [3], [4]), stream=2)]
    replies = connection.receive_all(3)
    assert [replies[id].code for id in ids] == [OK, OK, PERMISSION_DENIED]
    assert (np.frombuffer(connection.read(4).payload, np.float32) == 1).all()


def test_owner_alone_decides(daemon, connection):
    """Another session of the user freezes what it opened by name, and nobody writes it then."""
    assert connection.ask(publish=pb.Publish(id=2, name="weights", mode=0o600)).code == OK
    with daemon.connect() as other:
        opened = other.ask(open=pb.Open(name="weights", id=9, writable=True))
        assert opened.code == OK and not opened.message.open.buffer.constant
        assert freeze(other, 1).code == NOT_FOUND, "ids are a session's own"
        assert freeze(other, 9).code == OK
        refused(other.write(9, ONES), 9)
        refused(connection.write(2, ONES), 2)
        again = other.ask(open=pb.Open(name="weights", id=10, writable=True))
        assert again.code == PERMISSION_DENIED and "'weights' is constant" in again.text
        again = other.ask(open=pb.Open(name="weights", id=10))
        assert again.code == OK and again.message.open.buffer.constant
    assert connection.ask(unpublish=pb.Unpublish(name="weights")).code == OK


def test_shared_memory(giver):  # noqa: F811
    """What clients map cannot be frozen. A memfd that is sealed against writing is constant from
    the start; with the weaker seal, under which old mappings write, it is refused."""
    giver.shared(1, 4)
    reply = freeze(giver, 1)
    assert reply.code == INVALID_ARGUMENT and "F_SEAL_WRITE" in reply.text
    fd = memfd(4096)
    assert giver.adopt(2, fd, 4).code == OK
    assert freeze(giver, 2).code == INVALID_ARGUMENT
    weak = memfd(4096, F_SEAL_SHRINK | F_SEAL_FUTURE_WRITE)
    reply = giver.adopt(3, weak, 4)
    assert reply.code == INVALID_ARGUMENT and "F_SEAL_FUTURE_WRITE" in reply.text
    sealed = os.memfd_create("sealed", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(sealed, ONES)
    seal(sealed)
    reply = giver.adopt(3, sealed, 4)
    assert reply.code == OK and reply.message.alloc.buffer.constant
    assert giver.execute("vector_add", [3, 3], [1]).code == OK
    assert np.frombuffer(giver.read(1).payload, np.float32).tolist() == [2] * 4
    refused(giver.execute("vector_add", [3, 3], [3]), 3)
    refused(giver.write(3, ONES), 3)
    for fd in (fd, weak, sealed):
        os.close(fd)


def seal(fd):
    fcntl.fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_WRITE)


def test_grpc(daemon):
    """The typed method, with gRPC's codes."""
    with grpc_client.channel(daemon.path) as link, grpc_client.Session(link) as session:
        session.Alloc(pb.Alloc(id=1, dtype=pb.F32, shape=[4]))
        session.Write(pb.Write(id=1, data=ONES))
        session.Freeze(pb.Freeze(ids=[1]))
        with pytest.raises(grpc_client.grpc.RpcError) as raised:
            session.Write(pb.Write(id=1, data=ONES))
        assert raised.value.code() == grpc_client.grpc.StatusCode.PERMISSION_DENIED
        assert "buffer 1 is constant" in raised.value.details()


def test_python(daemon):
    """put(constant=True), of every size, and freeze(); arithmetic in place is refused."""
    with hologram.connect(daemon.path) as client:
        small = client.put([1.0, 2.0], constant=True)
        large = client.put(np.arange(1 << 20, dtype=np.float32), constant=True)
        later = client.zeros(3)
        later += 1
        assert later.freeze() is later
        assert [info.constant for info in client.buffers()] == [True] * 3
        with client.batch():
            batched = client.put([3.0], constant=True)
        for buffer in (small, large, later, batched):
            with pytest.raises(hologram.PermissionDenied, match="is constant"):
                buffer.write([7])
            with pytest.raises(hologram.PermissionDenied, match="is constant"):
                buffer += 1
        assert (small * 2).tolist() == [2, 4] and later.tolist() == [1] * 3
        with pytest.raises(hologram.InvalidArgument, match="F_SEAL_WRITE"):
            client.shared(3).freeze()


def test_python_aio(daemon):
    """The same for asyncio."""
    async def main():
        async with hologram.aio.connect(daemon.path) as client:
            small = await client.put([1.0, 2.0], constant=True)
            large = await client.put(np.zeros(1 << 20, np.float32), constant=True)
            later = await client.zeros(3)
            await client.freeze(later)
            for buffer in (small, large, later):
                with pytest.raises(hologram.PermissionDenied, match="is constant"):
                    await client.write(buffer, [7])
    asyncio.run(main())


def test_hologramctl(ctl):  # noqa: F811
    """`put --constant` and `freeze`; a constant one is listed so, and replaced only by force."""
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert "constant" in ctl.put("w", array, "--constant")[0]
    ctl.put("v", array)
    assert [(b["name"], b["constant"]) for b in ctl.json("ls")] == [("v", False), ("w", True)]
    ctl("freeze", "v")
    assert ctl("ls")[0].count(" constant\n") == 2
    assert "constant" in ctl("info", "v")[0]
    np.save(ctl.folder / "in.npy", array + 1)
    assert "--force replaces it" in ctl("put", "v", "in.npy", code=REFUSED)[1]
    assert "is constant" in ctl("run", "relu", "w", "-o", "v", code=DENIED)[1]
    ctl("put", "v", "in.npy", "--force")
    assert np.array_equal(ctl.get("v"), array + 1)
    assert "nothing" in ctl("freeze", "nothing", "v", code=5)[1]
    assert "--force replaces it" in ctl("put", "v", "in.npy", code=REFUSED)[1]
    ctl("free", "v", "w")


def test_outlives_its_session():
    """A named constant stays one when its session has gone, and its memory goes when it is freed."""
    with Daemon() as daemon:
        with hologram.connect(daemon.path) as client:
            client.put([1.0, 2.0], constant=True).publish("weights")
        with hologram.connect(daemon.path) as client:
            with pytest.raises(hologram.PermissionDenied, match="'weights' is constant"):
                client.open("weights", writable=True)
            assert client.open("weights").tolist() == [1, 2]
            client.unpublish("weights")
        with daemon.connect() as connection:
            assert connection.used_bytes()["heap"] == 0


def test_packed_operands():
    """Products with constant weights read them packed: once for all clients, bounded, the same bits,
    and gone with the weights. Metrics and hologramctl say so."""
    rng = np.random.default_rng(3)
    x, w = (rng.standard_normal(shape, np.float32) for shape in ((64, 256), (256, 256)))
    with Daemon("--set", "cache.packed_bytes_max=1MiB") as daemon:
        with hologram.connect(daemon.path) as one, hologram.connect(daemon.path) as two:
            expected = (one.put(x) @ one.put(w)).numpy()
            weights = one.put(w, constant=True).publish("w")
            theirs = two.open("w")
            a, b = one.put(x), two.put(x)
            assert np.array_equal((a @ weights).numpy(), expected)
            if one.stats().server.isa_level != "avx512" or not native(one):
                pytest.skip("needs native products")
            wait_for(lambda: one.stats().server.packed_builds == 1, what="a worker to pack")
            for _ in range(3):
                assert np.array_equal((a @ weights).numpy(), expected)
                assert np.array_equal((b @ theirs).numpy(), expected)
            server = one.stats().server
            assert (server.packed_builds, server.packed_entries, server.packed_evictions) == (1, 1, 0)
            assert server.packed_hits >= 6
            assert w.nbytes <= server.packed_bytes <= server.packed_bytes_max == 1 << 20
            metrics = daemon.metrics()
            assert metrics["hologram_packed_builds_total"] == 1
            assert metrics["hologram_packed_used_bytes"] == server.packed_bytes
            for _ in range(8):  # these do not fit together
                assert np.array_equal((a @ one.put(w, constant=True)).numpy(), expected)
                assert one.stats().server.packed_bytes <= 1 << 20
            one.unpublish("w")
            del weights, theirs
            two.put(0)
            one.put(0)
            wait_for(lambda: one.stats().server.packed_entries == 0, what="the end of the weights")
            assert one.stats().server.packed_bytes == 0


def native(client):
    """True if programs run as native code here."""
    client.put([1.0]) + 1.0
    return any(client.cache_show(p.key).native_bytes for p in client.cache_top())
