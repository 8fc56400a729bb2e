# SPDX-License-Identifier: Apache-2.0
"""Every kind of request, once for what it does and once for how it fails."""

import struct

from hologram.v1 import hologram_pb2 as pb
from native import (ALREADY_EXISTS, FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, OK,
                    OUT_OF_RANGE, PERMISSION_DENIED, RESOURCE_EXHAUSTED, execute)


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def test_ping(client):
    """Ping is answered with nothing but OK."""
    reply = client.ask(ping=pb.Ping())
    assert (reply.code, reply.message.WhichOneof("body"), reply.payload) == (OK, None, b"")


def test_alloc_describes_the_buffer(client):
    """The reply has dtype, shape, pool and size as they really are."""
    buffer = client.alloc(1, [3, 5], pb.F64).message.alloc.buffer
    assert (buffer.id, buffer.dtype, list(buffer.shape)) == (1, pb.F64, [3, 5])
    assert (buffer.pool, buffer.bytes) == (pb.HEAP, 120)


def test_alloc_of_a_scalar_and_of_nothing(client):
    """An empty shape is one element; a dimension of 0 is a buffer without elements."""
    assert client.alloc(1, []).message.alloc.buffer.bytes == 4
    assert client.alloc(2, [7, 0]).message.alloc.buffer.bytes == 0
    assert client.read(2).payload == b""
    assert client.write(2, b"").code == OK


def test_alloc_in_the_boundary_pool(client):
    """A boundary buffer is one class; the reply names it."""
    buffer = client.alloc(1, 3072, pool=pb.BOUNDARY).message.alloc.buffer
    assert buffer.pool == pb.BOUNDARY and buffer.boundary_class < 96
    assert client.used_bytes()["boundary"] == 12288
    assert client.alloc(2, 3073, pool=pb.BOUNDARY).code == INVALID_ARGUMENT


def test_boundary_classes_are_rationed(client):
    """Beyond the session's ration: refused, or on the heap if the client said so."""
    for id in range(1, 17):
        assert client.alloc(id, 1, pool=pb.BOUNDARY).code == OK
    assert client.alloc(17, 1, pool=pb.BOUNDARY).code == RESOURCE_EXHAUSTED
    reply = client.alloc(17, 1, pool=pb.BOUNDARY, boundary_fallback=pb.FALLBACK_HEAP)
    assert reply.message.alloc.buffer.pool == pb.HEAP


def test_fresh_buffers_read_as_zeros(daemon):
    """What a freed buffer held is never seen by its next owner, in any pool."""
    with daemon.connect() as client:
        for pool, count in ((pb.HEAP, 3000), (pb.BOUNDARY, 3072), (pb.HEAP, 300_000)):
            for id in range(1, 9):
                assert client.alloc(id, count, pool=pool).code == OK
                assert client.write(id, b"\xa5" * (4 * count)).code == OK
            assert client.ask(free=pb.Free(ids=range(1, 9))).code == OK
    with daemon.connect() as client:
        for pool, count in ((pb.HEAP, 3000), (pb.BOUNDARY, 3072), (pb.HEAP, 300_000)):
            for id in range(1, 9):
                assert client.alloc(id, count, pool=pool).code == OK
                assert client.read(id).payload == bytes(4 * count)
            assert client.ask(free=pb.Free(ids=range(1, 9))).code == OK


def test_write_and_read(client):
    """Raw payloads, in parts, with offsets; the reply to read tells dtype and shape."""
    client.alloc(1, [2, 4], pb.U8)
    assert client.write(1, bytes(range(8))).code == OK
    assert client.write(1, b"\xff\xfe", offset=3).code == OK
    reply = client.read(1)
    assert reply.payload == bytes([0, 1, 2, 255, 254, 5, 6, 7])
    read = reply.message.read
    assert (read.length, read.dtype, list(read.shape)) == (8, pb.U8, [2, 4])
    assert client.read(1, offset=6).payload == bytes([6, 7])
    assert client.read(1, offset=1, length=2).payload == bytes([1, 2])


def test_write_inside_the_message(client):
    """Small writes may carry their bytes in the message."""
    client.alloc(1, 4, pb.U8)
    assert client.ask(write=pb.Write(id=1, offset=1, data=b"ab")).code == OK
    assert client.read(1).payload == b"\0ab\0"


def test_large_payloads(client):
    """16 MiB go in and come out, past every buffer of the transport."""
    data = bytes(range(256)) * (1 << 16)
    client.alloc(1, len(data), pb.U8)
    assert client.write(1, data).code == OK
    assert client.read(1).payload == data


def test_write_with_bytes_in_both_places(client):
    """Bytes in the message and after it: refused, and the payload is skipped."""
    client.alloc(1, 8, pb.U8)
    reply = client.ask(b"12345678", write=pb.Write(id=1, data=b"12"))
    assert reply.code == INVALID_ARGUMENT
    assert reply.text == "write: expected bytes in the message or after it, got both"
    assert client.read(1).payload == bytes(8)


def test_a_refused_write_is_skipped(client):
    """The payload of a write that fails is not taken for the next frame."""
    assert client.write(5, b"HGRM" * 50_000).code == NOT_FOUND
    assert client.ask(ping=pb.Ping()).code == OK


def test_free_several(client):
    """Free takes many ids and stops at the first that is not there."""
    for id in (1, 2, 3):
        client.alloc(id, 1)
    reply = client.ask(free=pb.Free(ids=[1, 9, 2]))
    assert reply.code == NOT_FOUND and "9" in reply.text
    assert client.read(1).code == NOT_FOUND
    assert client.read(2).code == OK


def test_execute(client):
    """An operation runs, and tells which cache it asked; the second time it is a hit."""
    for id in (1, 2, 3):
        client.alloc(id, 100)
    client.write(1, floats(*range(100)))
    client.write(2, floats(*range(0, 200, 2)))
    first = client.execute("vector_add", [1, 2], [3])
    assert first.code == OK, first.text
    assert first.message.execute.cache == "vector_add"
    second = client.execute("vector_add", [1, 2], [3])
    assert second.message.execute.outcome == "hit"
    assert client.read(3).payload == floats(*range(0, 300, 3))


def test_execute_with_attributes(client):
    """Scalars travel as bits of their type."""
    client.alloc(1, 5)
    client.alloc(2, 5)
    client.write(1, floats(-5, -0.5, 0, 0.5, 5))
    reply = client.execute("clip", [1], [2], lo=-1.0, hi=1.0)
    assert reply.code == OK, reply.text
    assert client.read(2).payload == floats(-1, -0.5, 0, 0.5, 1)


def test_batch(client):
    """A batch does many things in one message, in order."""
    steps = [pb.Step(alloc=pb.Alloc(id=1, dtype=pb.F32, shape=[3])),
             pb.Step(alloc=pb.Alloc(id=2, dtype=pb.F32, shape=[3])),
             pb.Step(write=pb.Write(id=1, data=floats(-1, 0, 2))),
             pb.Step(execute=execute("relu", [1], [2])),
             pb.Step(execute=execute("vector_add", [2, 2], [2])),
             pb.Step(free=pb.Free(ids=[1]))]
    reply = client.ask(batch=pb.Batch(steps=steps))
    assert reply.code == OK, reply.text
    assert reply.message.batch.completed == 6
    assert not reply.message.batch.HasField("failed")
    assert client.read(2).payload == floats(0, 0, 4)
    assert client.read(1).code == NOT_FOUND


def test_batch_stops_at_the_first_failure(client):
    """The reply names the step; what came before it stays done, what follows is not."""
    steps = [pb.Step(alloc=pb.Alloc(id=1, dtype=pb.U8, shape=[2])),
             pb.Step(write=pb.Write(id=1, offset=1, data=b"xx")),
             pb.Step(free=pb.Free(ids=[1]))]
    reply = client.ask(batch=pb.Batch(steps=steps))
    assert reply.code == OUT_OF_RANGE
    assert reply.text.startswith("batch: step 1: ")
    assert reply.message.batch.completed == 1
    assert reply.message.batch.failed.code == OUT_OF_RANGE
    assert client.read(1).payload == bytes(2)


def test_batch_of_nothing_and_of_too_much(client):
    """No steps are fine; more than the limit are refused before the first."""
    assert client.ask(batch=pb.Batch()).message.batch.completed == 0
    step = pb.Step(alloc=pb.Alloc(id=1, dtype=pb.U8, shape=[1]))
    reply = client.ask(batch=pb.Batch(steps=[step] * 257))
    assert reply.code == INVALID_ARGUMENT
    assert reply.text == "batch: steps: expected at most 256, got 257"
    assert client.read(1).code == NOT_FOUND


def test_named_buffers_are_shared(daemon):
    """A published buffer outlives its session and can be opened under other ids."""
    with daemon.connect() as client:
        client.alloc(1, 4, pb.U8)
        client.write(1, b"abcd")
        reply = client.ask(publish=pb.Publish(id=1, name="test/shared", mode=0o600))
        assert reply.code == OK, reply.text
        reply = client.ask(publish=pb.Publish(id=1, name="test/shared", mode=0o600))
        assert reply.code == ALREADY_EXISTS
    with daemon.connect() as client:
        reply = client.ask(open=pb.Open(name="test/shared", id=9, writable=True))
        assert reply.code == OK, reply.text
        assert reply.message.open.buffer.bytes == 4
        assert client.read(9).payload == b"abcd"
        assert client.write(9, b"xy").code == OK
        listed = client.ask(list_buffers=pb.ListBuffers(named=True)).message.list_buffers.buffers
        assert [b.buffer.name for b in listed] == ["test/shared"]
        assert listed[0].mode == 0o600
        assert client.ask(unpublish=pb.Unpublish(name="test/shared")).code == OK
        assert client.read(9).payload == b"xycd"
    with daemon.connect() as client:
        assert client.ask(open=pb.Open(name="test/shared", id=1)).code == NOT_FOUND
        assert client.ask(unpublish=pb.Unpublish(name="test/shared")).code == NOT_FOUND


def test_a_buffer_opened_read_only_cannot_be_written(daemon):
    """The right to write is asked for at open."""
    with daemon.connect() as client:
        client.alloc(1, 4, pb.U8)
        client.ask(publish=pb.Publish(id=1, name="ro", mode=0o600))
        client.ask(open=pb.Open(name="ro", id=2))
        assert client.write(2, b"x").code == PERMISSION_DENIED
        assert client.ask(unpublish=pb.Unpublish(name="ro")).code == OK


def test_publish_checks_the_name(client):
    """Names have a small alphabet and a length."""
    client.alloc(1, 1)
    for name in ("", "a b", "x" * 65, "naïve"):
        reply = client.ask(publish=pb.Publish(id=1, name=name, mode=0o600))
        assert reply.code == INVALID_ARGUMENT, name


def test_list_buffers(client):
    """A session's own buffers, ascending by id."""
    for id in (30, 10, 20):
        client.alloc(id, id)
    listed = client.ask(list_buffers=pb.ListBuffers()).message.list_buffers
    assert [b.buffer.id for b in listed.buffers] == [10, 20, 30]
    assert [list(b.buffer.shape) for b in listed.buffers] == [[10], [20], [30]]
    assert not listed.truncated


def test_list_all_sessions(daemon, client):
    """An administrator sees everyone's buffers."""
    with daemon.connect() as other:
        other.alloc(7, 7)
        listed = client.ask(list_buffers=pb.ListBuffers(all_sessions=True)).message.list_buffers
        assert [(b.session_id, b.buffer.id) for b in listed.buffers] == [
            (other.hello.session_id, 7)]


def test_a_long_list_is_cut(client):
    """4,096 buffers at most are listed; here that is as many as a session may have."""
    for start in range(1, 4097, 256):
        steps = [pb.Step(alloc=pb.Alloc(id=id, dtype=pb.U8, shape=[1]))
                 for id in range(start, start + 256)]
        assert client.ask(batch=pb.Batch(steps=steps)).code == OK
    assert client.alloc(5000, 1).code == RESOURCE_EXHAUSTED
    listed = client.ask(list_buffers=pb.ListBuffers()).message.list_buffers
    assert len(listed.buffers) == 4096 and not listed.truncated


def test_list_ops(client):
    """Each operation describes itself."""
    ops = {op.name: op for op in client.ask(list_ops=pb.ListOps()).message.list_ops.ops}
    assert {"vector_add", "gemm", "softmax", "fill", "relu", "clip"} <= ops.keys()
    add = ops["vector_add"]
    assert (add.inputs, add.outputs, add.module) == (2, 1, "math")
    assert list(add.operand_names) == ["a", "b", "c"]
    assert list(add.dtypes) == list(range(pb.I8, pb.F64 + 1))
    assert add.summary.endswith(".")
    clip = {attribute.name: attribute for attribute in ops["clip"].attributes}
    assert clip["lo"].required and clip["lo"].kind == "operand"


def test_stats(client):
    """Counters of requests, caches and pools."""
    before = client.stats()
    client.ask(ping=pb.Ping())
    client.read(77)
    after = client.stats()
    assert after.requests == before.requests + 3
    assert after.errors == before.errors + 1
    assert after.sessions >= 1 and after.workers >= 1
    assert {"vector_add", "softmax", "user"} <= {cache.cache for cache in after.caches}
    assert [pool.pool for pool in after.pools] == ["heap", "boundary", "shared"]
    assert after.pools[1].bytes_limit == 96 * 12288
    assert after.metrics_url.startswith("http://127.0.0.1:")


def test_cancel_of_nothing(client):
    """Cancel says if there was something to cancel."""
    reply = client.ask(cancel=pb.Cancel(request_id=12345))
    assert reply.code == NOT_FOUND
    assert reply.text == "cancel: request 12345: expected one in flight"


def test_unload_of_nothing(client):
    """Programs have ids of their own."""
    assert client.ask(unload_program=pb.UnloadProgram(id=3)).code == NOT_FOUND
    assert client.ask(run_program=pb.RunProgram(id=3)).code == NOT_FOUND


def test_busy_elsewhere_is_said(daemon):
    """A buffer that another session is using: the refusal is the answer, not a wait for ever."""
    with daemon.connect() as owner, daemon.connect() as other:
        size = 32 << 20
        owner.alloc(1, size, pb.U8)
        owner.ask(publish=pb.Publish(id=1, name="busy", mode=0o600))
        other.ask(open=pb.Open(name="busy", id=1, writable=True))
        # The owner reads but takes nothing off its socket, so the read goes on.
        read_id = owner.post(read=pb.Read(id=1))
        owner.socket.recv(1, 2)  # MSG_PEEK: the reply has begun
        assert other.write(1, b"x").code == FAILED_PRECONDITION
        assert other.read(1, length=16).code == OK
        reply = owner.receive()
        assert (reply.id, len(reply.payload)) == (read_id, size)
        assert other.write(1, b"x").code == OK
        assert owner.ask(unpublish=pb.Unpublish(name="busy")).code == OK
