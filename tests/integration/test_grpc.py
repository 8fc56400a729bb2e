# SPDX-License-Identifier: Apache-2.0
"""gRPC: every request as a typed call, streams, sessions; the same answers as the native protocol."""

import os
import queue
import random
import threading

import pytest
from grpc_client import (Session, channel, code_of, grpc, pb, service_pb2, service_pb2_grpc,
                         trailers)

from conftest import Daemon, wait_for

OK = grpc.StatusCode.OK
SIZES = {pb.I8: 1, pb.I16: 2, pb.I32: 4, pb.I64: 8, pb.U8: 1, pb.U16: 2, pb.U32: 4, pb.U64: 8,
         pb.F16: 2, pb.BF16: 2, pb.F32: 4, pb.F64: 8}


@pytest.fixture
def link(daemon):
    with channel(daemon.path) as opened:
        yield opened


@pytest.fixture
def session(link):
    with Session(link) as opened:
        yield opened


# ---- the same bytes as native ---------------------------------------------------------------------


def operand_shape(name):
    """Shapes that suit every operation: square matrices, vectors, one scalar."""
    return {"out": [], "x": [6], "y": [6]}.get(name, [6, 6])


def test_every_op_gives_the_bytes_that_native_gives(client, session, link):
    """All ops, all types, random operands: status and results of both protocols are equal."""
    stub = service_pb2_grpc.HologramStub(link)
    ops = stub.ListOps(pb.ListOps()).ops
    assert ops == client.ask(list_ops=pb.ListOps()).message.list_ops.ops
    dice = random.Random(7)
    succeeded = 0
    for op in ops:
        for dtype in op.dtypes:
            names = list(op.operand_names)
            ids = list(range(1, len(names) + 1))
            for id, name in zip(ids, names):
                shape = operand_shape(name)
                count = 1
                for extent in shape:
                    count *= extent
                data = dice.randbytes(count * SIZES[dtype])
                assert client.alloc(id, shape, dtype).code == 0
                assert client.write(id, data).code == 0
                session.alloc(id, shape, dtype)
                session.Write(pb.Write(id=id, data=data))
            request = pb.Execute(op=op.name, inputs=ids[:op.inputs], outputs=ids[op.inputs:],
                                 attributes=[pb.Attribute(name=a.name, bits=1)
                                             for a in op.attributes if a.required])
            native = client.ask(execute=request)
            code, text = code_of(session.Execute, request)
            assert (code.value[0], text) == (native.code, native.text), (op.name, dtype)
            succeeded += code == OK
            for id in ids:
                assert session.Read(pb.Read(id=id)).data == client.read(id).payload, (op.name, dtype)
            client.ask(free=pb.Free(ids=ids))
            session.Free(pb.Free(ids=ids))
    assert succeeded > 200


def test_ping_and_stats_need_no_session(link):
    """What concerns no buffer can be asked at once."""
    stub = service_pb2_grpc.HologramStub(link)
    assert stub.Ping(pb.Ping()) == service_pb2.PingResult()
    assert stub.Stats(pb.Stats()).workers > 0


def test_alloc_read_and_write(session):
    """Replies hold what native ones do; read's bytes are in `data`."""
    buffer = session.alloc(1, [2, 4], pb.U8)
    assert (buffer.id, buffer.dtype, list(buffer.shape), buffer.bytes) == (1, pb.U8, [2, 4], 8)
    session.Write(pb.Write(id=1, data=bytes(range(8))))
    session.Write(pb.Write(id=1, offset=3, data=b"\xff"))
    read = session.Read(pb.Read(id=1))
    assert (read.length, read.dtype, list(read.shape)) == (8, pb.U8, [2, 4])
    assert read.data == bytes([0, 1, 2, 255, 4, 5, 6, 7])
    assert session.Read(pb.Read(id=1, offset=6)).data == bytes([6, 7])


@pytest.mark.parametrize("size", [0, 1, 8192, 8193, 65536, 1 << 20, 3 << 20])
def test_reads_and_writes_of_every_size(session, size):
    """Copied, lent and in several frames: the same bytes come back."""
    data = random.Random(size).randbytes(size)
    session.alloc(1, size, pb.U8)
    session.Write(pb.Write(id=1, data=data))
    assert session.Read(pb.Read(id=1)).data == data


def test_batch_tells_how_far_it_came(session):
    """A failed step is the call's status; the trailers count those before it."""
    steps = [pb.Step(alloc=pb.Alloc(id=1, dtype=pb.F32, shape=[4])),
             pb.Step(write=pb.Write(id=1, data=bytes(16)))]
    assert session.Batch(pb.Batch(steps=steps)).completed == 2
    with pytest.raises(grpc.RpcError) as caught:
        session.Batch(pb.Batch(steps=[pb.Step(free=pb.Free(ids=[1])),
                                      pb.Step(free=pb.Free(ids=[9]))]))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "batch: step 1: no buffer has id 9"
    assert trailers(caught.value)["hologram-completed"] == "1"


def test_detail_of_a_failed_program_is_in_the_trailers(session):
    """An integer division by zero is told as the native protocol tells it."""
    for id in (1, 2, 3):
        session.alloc(id, 4, pb.I32)
    with pytest.raises(grpc.RpcError) as caught:
        session.Execute(pb.Execute(op="vector_div", inputs=[1, 2], outputs=[3]))
    assert trailers(caught.value)["hologram-detail"] == "DIVISION_BY_ZERO"


def test_names_outlive_the_session(link):
    """Publish, open from another session, list, unpublish."""
    with Session(link) as first, Session(link) as second:
        first.alloc(1, 4, pb.U8)
        first.Write(pb.Write(id=1, data=b"abcd"))
        first.Publish(pb.Publish(id=1, name="shared", mode=0o600))
        assert second.Open(pb.Open(name="shared", id=5)).buffer.name == "shared"
        assert second.Read(pb.Read(id=5)).data == b"abcd"
        listed = second.ListBuffers(pb.ListBuffers(named=True)).buffers
        assert [entry.buffer.name for entry in listed] == ["shared"]
        second.Unpublish(pb.Unpublish(name="shared"))


def test_a_program_that_is_none_is_refused(session):
    """LoadProgram, RunProgram and UnloadProgram reach the engine."""
    assert code_of(session.LoadProgram, pb.LoadProgram(id=1, binary=b"x"))[0] == \
        grpc.StatusCode.INVALID_ARGUMENT
    assert code_of(session.RunProgram, pb.RunProgram(id=1, cols=1))[0] == grpc.StatusCode.NOT_FOUND
    assert code_of(session.UnloadProgram, pb.UnloadProgram(id=1))[0] == grpc.StatusCode.NOT_FOUND


# ---- what is refused ------------------------------------------------------------------------------


def test_calls_without_a_session_say_what_is_missing(link):
    """No token, no token at all, a token of nobody."""
    stub = service_pb2_grpc.HologramStub(link)
    request = pb.Free(ids=[1])
    assert code_of(stub.Free, request) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "hologram-session: expected the token of OpenSession in the metadata")
    for token in ("", "x" * 32, "0" * 32, "0" * 31, "0" * 1000):
        code, _ = code_of(stub.Free, request, metadata=(("hologram-session", token),))
        assert code == grpc.StatusCode.NOT_FOUND, token


def test_unknown_methods_and_garbage(link):
    """Neither ends the connection, and the code is never UNKNOWN."""
    call = link.unary_unary("/hologram.v1.Hologram/Nothing")
    assert code_of(call, b"", timeout=20)[0] == grpc.StatusCode.UNIMPLEMENTED
    call = link.unary_unary("/nobody.Knows/Nothing")
    assert code_of(call, b"", timeout=20)[0] == grpc.StatusCode.UNIMPLEMENTED
    with Session(link) as session:
        for method in ("Alloc", "Batch", "Write", "Execute"):
            call = link.unary_unary(f"/hologram.v1.Hologram/{method}")
            code, text = code_of(call, b"\xff\xff\xff", timeout=20, metadata=session.metadata)
            assert code == grpc.StatusCode.INVALID_ARGUMENT and "malformed" in text, text
        assert session.Ping(pb.Ping()) == service_pb2.PingResult()


def test_messages_beyond_the_limits(session):
    """More than one message may hold, in either direction."""
    session.alloc(1, 8 << 20, pb.U8)
    code, text = code_of(session.Read, pb.Read(id=1))
    assert code == grpc.StatusCode.OUT_OF_RANGE and "ReadStream" in text
    code, _ = code_of(session.Write, pb.Write(id=1, data=bytes((4 << 20) + 4096)))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    code, text = code_of(session.LoadProgram, pb.LoadProgram(id=1, binary=bytes(2 << 20)))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "1048576" in text


def test_metadata_beyond_the_limit(session):
    """Oversized metadata end the call, at times the connection (as C core likes), not the session."""
    code, _ = code_of(session.Ping, pb.Ping(), metadata=(("x-filler", "y" * 100_000),))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    wait_for(lambda: code_of(session.ListBuffers, pb.ListBuffers())[0] == OK, what="the session")


# ---- sessions -------------------------------------------------------------------------------------


def test_a_closed_session_is_gone(link):
    """Its token names nothing any more, and its memory is given back."""
    session = Session(link)
    session.alloc(1, 1 << 20)
    session.close()
    assert code_of(session.Read, pb.Read(id=1))[0] == grpc.StatusCode.NOT_FOUND
    assert code_of(session.CloseSession,
                   service_pb2.CloseSessionRequest())[0] == grpc.StatusCode.NOT_FOUND


def test_tokens_differ_and_sessions_are_apart(link):
    """Buffer 1 of one session is not buffer 1 of another."""
    with Session(link) as first, Session(link) as second:
        assert first.token != second.token and len(first.token) == 32
        first.alloc(1, 4)
        assert code_of(second.Read, pb.Read(id=1))[0] == grpc.StatusCode.NOT_FOUND


def test_a_session_outlives_its_connection(daemon):
    """The token is good on any connection of the same user."""
    with channel(daemon.path) as link:
        session = Session(link)
        session.alloc(1, 4, pb.U8)
    with channel(daemon.path) as link:
        stub = service_pb2_grpc.HologramStub(link)
        assert stub.Read(pb.Read(id=1), metadata=session.metadata).data == bytes(4)
        stub.CloseSession(service_pb2.CloseSessionRequest(), metadata=session.metadata)


def test_leases_expire():
    """Without a call the session ends, and its memory with it."""
    with Daemon("--set", "grpc.session_lease_s=1") as daemon:
        with channel(daemon.path) as link, daemon.connect() as native:
            session = Session(link)
            assert session.lease_ms == 1000
            session.alloc(1, 1 << 20)
            assert native.used_bytes()["heap"] >= 4 << 20
            wait_for(lambda: native.used_bytes()["heap"] == 0, what="the lease's end")
            assert code_of(session.Read, pb.Read(id=1))[0] == grpc.StatusCode.NOT_FOUND


def test_sessions_of_a_user_are_bounded():
    """As many as connections; more are refused until one is closed."""
    with Daemon("--set", "server.user_connections_max=3") as daemon, channel(daemon.path) as link:
        sessions = [Session(link) for _ in range(3)]
        stub = service_pb2_grpc.HologramStub(link)
        request = service_pb2.OpenSessionRequest()
        assert code_of(stub.OpenSession, request)[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
        sessions.pop().close()
        wait_for(lambda: code_of(stub.OpenSession, request)[0] == OK, what="room")


# ---- streams --------------------------------------------------------------------------------------


def test_large_buffers_travel_in_chunks(session):
    """WriteStream and ReadStream carry what no single message could."""
    size = (24 << 20) + 123
    data = random.Random(1).randbytes(size)
    session.alloc(1, size, pb.U8)
    step = 1 << 20
    chunks = (pb.Write(id=1, offset=at, data=data[at:at + step]) for at in range(0, size, step))
    assert session.WriteStream(chunks).bytes == size
    pieces = list(session.ReadStream(pb.Read(id=1)))
    assert pieces[0].length == size and len(pieces) > 50
    assert b"".join(piece.data for piece in pieces) == data
    assert b"".join(p.data for p in session.ReadStream(pb.Read(id=1, offset=size - 10))) == \
        data[-10:]


def test_write_stream_ends_at_the_first_failure(session):
    """The status names what was wrong; what came before it stays."""
    session.alloc(1, 8, pb.U8)
    chunks = [pb.Write(id=1, data=b"abcd"), pb.Write(id=1, offset=6, data=b"efgh")]
    assert code_of(session.WriteStream, iter(chunks))[0] == grpc.StatusCode.OUT_OF_RANGE
    assert session.Read(pb.Read(id=1)).data == b"abcd\0\0\0\0"
    assert session.WriteStream(iter(())).bytes == 0


class Stream:
    """A Session stream: the native client's ask, post and receive over gRPC."""

    def __init__(self, link):
        self.outgoing = queue.Queue()
        self.call = service_pb2_grpc.HologramStub(link).Session(iter(self.outgoing.get, None))
        self.next_id = 0
        assert self.ask(hello=pb.Hello(protocol_version_min=1,
                                       protocol_version_max=1)).status.code == 0

    def post(self, **fields):
        self.next_id += 1
        self.outgoing.put(pb.Request(id=self.next_id, **fields))
        return self.next_id

    def ask(self, **fields):
        id = self.post(**fields)
        response = next(self.call)
        assert response.id == id
        return response

    def end(self):
        self.outgoing.put(None)
        assert list(self.call) == []
        assert self.call.code() == OK, self.call.details()


def test_session_stream_carries_native_messages(link):
    """A pipeline in one flight; bytes of reads are in `data`, copied or lent."""
    stream = Stream(link)
    data = os.urandom(1 << 19)
    stream.post(alloc=pb.Alloc(id=1, dtype=pb.U8, shape=[len(data)]))
    stream.post(write=pb.Write(id=1, data=data))
    stream.post(read=pb.Read(id=1))
    stream.post(read=pb.Read(id=1, length=100))
    stream.post(free=pb.Free(ids=[1]))
    replies = [next(stream.call) for _ in range(5)]
    assert [reply.status.code for reply in replies] == [0] * 5
    assert replies[2].read.data == data and replies[2].read.length == len(data)
    assert replies[3].read.data == data[:100]
    stream.end()


def test_session_stream_is_deep(link):
    """Thousands of requests in flight: every one answered once, in the order of its stream."""
    stream = Stream(link)
    for _ in range(5000):
        stream.post(ping=pb.Ping())
    assert [next(stream.call).id for _ in range(5000)] == list(range(2, 5002))
    stream.end()


def test_session_stream_must_say_hello(link):
    """Anything else first is answered and ends the stream."""
    call = service_pb2_grpc.HologramStub(link).Session(iter([pb.Request(id=4, ping=pb.Ping())]))
    assert next(call).status.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    assert code_of(lambda: next(call))[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_session_stream_with_garbage_ends(link):
    """What is no Request cannot be answered: the stream ends with the reason."""
    call = link.stream_stream("/hologram.v1.Hologram/Session",
                              response_deserializer=pb.Response.FromString)
    code, text = code_of(lambda: next(call(iter([b"\xff\xff"]), timeout=20)))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "malformed" in text


def test_session_streams_must_say_hello_soon():
    """One that says nothing is ended, as a native connection is."""
    with Daemon("--set", "timeouts.handshake_ms=200") as daemon, channel(daemon.path) as link:
        silent = threading.Event()

        def nothing():
            silent.wait(20)
            yield pb.Request()

        call = service_pb2_grpc.HologramStub(link).Session(nothing(), timeout=20)
        code, text = code_of(lambda: next(call))
        silent.set()
        assert code == grpc.StatusCode.DEADLINE_EXCEEDED and "hello" in text
