# SPDX-License-Identifier: Apache-2.0
"""Order, concurrency, cancelling and deadlines."""

import socket
import struct
import time

import pytest

from conftest import SANITIZED, Daemon, wait_for
from hologram.v1 import hologram_pb2 as pb
from native import (ALREADY_EXISTS, CANCELLED, DEADLINE_EXCEEDED, NOT_FOUND, OK, Connection,
                    execute, frame)

# Everything that is not tiny goes to the workers, so that work really is in flight.
OPTIONS = ("--set", "engine.inline_max_ns=2000", "--set", "engine.workers=2")
COUNT = 1 << 18 if SANITIZED else 1 << 21  # elements that take some milliseconds
SIDE = 2000  # a gemm of this side takes some fifty milliseconds; native code is never sanitized


def floats(value, count):
    return struct.pack("<f", value) * count


def post_together(client, *requests):
    """Sends requests, each a stream and a body, at once, however slow the machine; gives their
    ids."""
    built = [client.build(stream, **body) for stream, body in requests]
    client.send(b"".join(frame(request) for request in built))
    return [request.id for request in built]


def test_a_flight_of_everything(client):
    """alloc, write, execute and read travel in one flight, without waiting in between."""
    request = [client.build(alloc=pb.Alloc(id=i, dtype=pb.F32, shape=[4])) for i in (1, 2)]
    data = frame(request[0]) + frame(request[1])
    data += frame(client.build(write=pb.Write(id=1)), floats(3.0, 4))
    data += frame(client.build(execute=execute("vector_add", [1, 1], [2])))
    data += frame(client.build(read=pb.Read(id=2)))
    client.send(data)
    replies = client.receive_all(5)
    assert {reply.code for reply in replies.values()} == {OK}
    assert replies[client.next_id].payload == floats(6.0, 4)


def test_replies_of_a_stream_come_in_order(client):
    """A stream is answered in the order of asking, whatever runs where."""
    client.alloc(1, COUNT)
    client.alloc(2, COUNT)
    client.alloc(3, 1)
    expected = []
    for _ in range(10):
        expected.append(client.post(execute=execute("tanh", [1], [2])))  # on a worker
        expected.append(client.post(execute=execute("relu", [3], [3])))  # in place
        expected.append(client.post(ping=pb.Ping()))
    assert [client.receive().id for _ in expected] == expected


def test_streams_are_independent(client):
    """A ping on another stream overtakes a long product; one on the same stream does not."""
    for id in (1, 2, 3):
        client.alloc(id, [SIDE, SIDE])
    product, behind, beside = post_together(
        client, (1, {"execute": execute("gemm", [1, 2], [3])}), (1, {"ping": pb.Ping()}),
        (2, {"ping": pb.Ping()}))
    assert [client.receive().id for _ in range(3)] == [beside, product, behind]


def test_streams_with_equal_low_bits_are_independent(client):
    """Stream numbers 64 apart are different streams all the same."""
    for id in (1, 2, 3):
        client.alloc(id, [SIDE, SIDE])
    product, queued, beside = post_together(
        client, (5, {"execute": execute("gemm", [1, 2], [3])}), (5, {"ping": pb.Ping()}),
        (5 + 64, {"ping": pb.Ping()}))
    assert [client.receive().id for _ in range(3)] == [beside, product, queued]


@pytest.mark.parametrize("streams", [(0, 0, 0, 0), (0, 1, 2, 3)])
def test_two_writes_around_a_running_execute(client, streams):
    """The write behind an execute waits until the execute is done with the buffer, whether the
    stream orders them or only the buffer does."""
    client.alloc(1, COUNT)
    client.alloc(2, COUNT)
    for _ in range(5):
        ids = [client.post(floats(2.0, COUNT), stream=streams[0], write=pb.Write(id=1))]
        # Other streams do not wait for the first write, so its answer is waited for.
        replies = client.receive_all(1) if streams[1] else {}
        ids.append(client.post(stream=streams[1], execute=execute("vector_mul", [1, 1], [2])))
        ids.append(client.post(floats(7.0, COUNT), stream=streams[2], write=pb.Write(id=1)))
        replies.update(client.receive_all(3 - len(replies)))
        assert [replies[id].code for id in ids] == [OK] * 3, [r.text for r in replies.values()]
        assert client.read(2).payload == floats(4.0, COUNT)
        assert client.read(1).payload == floats(7.0, COUNT)


def test_work_of_other_streams_waits_for_the_buffer(client):
    """Executes of several streams that write one buffer take turns; none is refused."""
    client.alloc(1, COUNT)
    client.alloc(2, COUNT)
    client.write(1, floats(1.0, COUNT))
    ids = [client.post(stream=i, execute=execute("vector_add", [1, 2], [2])) for i in range(20)]
    replies = client.receive_all(len(ids))
    assert [replies[id].code for id in ids] == [OK] * 20, [r.text for r in replies.values()]
    assert client.read(2).payload == floats(20.0, COUNT)


def test_a_read_and_what_overwrites_it(client):
    """An execute behind a read does not change what the read sends, however slowly it is taken."""
    count = 1 << 22
    client.alloc(1, count)
    client.alloc(2, count)
    client.write(1, floats(1.0, count))
    client.write(2, floats(5.0, count))
    read = client.post(read=pb.Read(id=1))
    copy = client.post(execute=execute("copy", [2], [1]))
    time.sleep(0.1)
    first, second = client.receive(), client.receive()
    assert (first.id, second.id) == (read, copy)
    assert first.payload == floats(1.0, count)
    assert second.code == OK, second.text
    assert client.read(1).payload == floats(5.0, count)


def test_free_while_in_use(client):
    """A buffer that is freed under a running execute goes when that ends; its id is free at once."""
    client.alloc(1, COUNT)
    client.alloc(2, COUNT)
    client.write(1, floats(3.0, COUNT))
    run = client.post(stream=1, execute=execute("vector_mul", [1, 1], [2]))
    free = client.post(stream=2, free=pb.Free(ids=[1]))
    again = client.post(stream=2, alloc=pb.Alloc(id=1, dtype=pb.F32, shape=[COUNT]))
    replies = client.receive_all(3)
    assert [replies[id].code for id in (run, free, again)] == [OK] * 3
    assert client.read(2).payload == floats(9.0, COUNT)
    assert client.read(1).payload == bytes(4 * COUNT)


def test_a_batch_waits_for_buffers_too(client):
    """A step whose buffer is in use resumes where it stopped."""
    for id in (1, 2, 3):
        client.alloc(id, [SIDE, SIDE])
    client.alloc(4, SIDE * SIDE)
    client.write(4, floats(2.0, SIDE * SIDE))
    product = client.post(stream=1, execute=execute("gemm", [1, 2], [3]))
    steps = [pb.Step(execute=execute("vector_add", [4, 4], [4])),
             pb.Step(execute=execute("copy", [4], [3])),
             pb.Step(execute=execute("vector_add", [4, 4], [4]))]
    batch = client.post(stream=2, batch=pb.Batch(steps=steps))
    replies = client.receive_all(2)
    assert replies[product].code == OK
    assert replies[batch].code == OK, replies[batch].text
    assert replies[batch].message.batch.completed == 3
    assert client.read(3).payload == floats(4.0, SIDE * SIDE)
    assert client.read(4).payload == floats(8.0, SIDE * SIDE)


def test_cancel_of_what_runs(client):
    """The cancel is answered OK at once, the cancelled request CANCELLED soon."""
    side = SIDE * 2
    for id in (1, 2, 3):
        client.alloc(id, [side, side])
    product = client.post(execute=execute("gemm", [1, 2], [3]))
    time.sleep(0.02)
    start = time.monotonic()
    cancel = client.post(cancel=pb.Cancel(request_id=product))
    replies = [client.receive(), client.receive()]
    assert [reply.id for reply in replies] == [cancel, product]
    assert [reply.code for reply in replies] == [OK, CANCELLED], replies[1].text
    assert time.monotonic() - start < (5 if SANITIZED else 1)


def test_cancel_of_what_waits(client):
    """A request behind another one of its stream can be cancelled; the others are not touched."""
    for id in (1, 2, 3):
        client.alloc(id, [SIDE, SIDE])
    product = client.post(execute=execute("gemm", [1, 2], [3]))
    first, second = client.post(ping=pb.Ping()), client.post(ping=pb.Ping())
    cancel = client.post(cancel=pb.Cancel(request_id=first))
    replies = [client.receive() for _ in range(4)]
    assert [reply.id for reply in replies] == [cancel, first, product, second]
    assert [reply.code for reply in replies] == [OK, CANCELLED, OK, OK]
    assert replies[1].text == "ping: cancelled before it started"


def test_cancel_is_of_one_session_only(daemon):
    """Request ids are the session's own: nobody cancels another's work by guessing them."""
    with daemon.connect() as one, daemon.connect() as two:
        for id in (1, 2, 3):
            one.alloc(id, [SIDE, SIDE])
        product = one.post(execute=execute("gemm", [1, 2], [3]))
        assert two.ask(cancel=pb.Cancel(request_id=product)).code == NOT_FOUND
        assert one.receive().code == OK


def test_deadline_of_what_runs(client):
    """Work stops when its deadline passes, and says so."""
    side = SIDE * 2
    for id in (1, 2, 3):
        client.alloc(id, [side, side])
    start = time.monotonic()
    reply = client.ask(timeout_us=20_000, execute=execute("gemm", [1, 2], [3]))
    assert reply.code == DEADLINE_EXCEEDED
    assert time.monotonic() - start < (10 if SANITIZED else 1.5)


def test_deadline_of_what_waits(client):
    """A request whose deadline passes in the queue is answered then, not when its turn comes."""
    for id in (1, 2, 3):
        client.alloc(id, [SIDE, SIDE])
    product = client.post(execute=execute("gemm", [1, 2], [3]))
    waiting = client.post(timeout_us=5_000, ping=pb.Ping())
    first, second = client.receive(), client.receive()
    assert (first.id, first.code) == (waiting, DEADLINE_EXCEEDED)
    assert first.text == "ping: the deadline passed before it started"
    assert (second.id, second.code) == (product, OK)


def test_deadline_of_a_write_that_waits(client):
    """A write that waits for its buffer beyond its deadline is refused and its payload skipped."""
    for id in (1, 2, 3):
        client.alloc(id, [SIDE, SIDE])
    product = client.post(stream=1, execute=execute("gemm", [1, 2], [3]))
    write = client.post(floats(1.0, SIDE), stream=2, timeout_us=5_000, write=pb.Write(id=3))
    first, second = client.receive(), client.receive()
    assert (first.id, first.code) == (write, DEADLINE_EXCEEDED)
    assert (second.id, second.code) == (product, OK)
    assert client.ask(ping=pb.Ping()).code == OK


def test_a_generous_deadline_changes_nothing(client):
    """Deadlines that do not pass are not noticed, not even absurd ones."""
    client.alloc(1, 4)
    for timeout_us in (10_000_000, 2**63, 2**64 - 1):
        reply = client.ask(timeout_us=timeout_us, execute=execute("relu", [1], [1]))
        assert reply.code == OK, reply.text


def test_deep_pipelines(client):
    """A thousand requests in flight: more than the server takes at a time, none lost, in order."""
    client.alloc(1, 64)
    client.alloc(2, 64)
    ids = []
    data = b""
    for _ in range(1000):
        request = client.build(execute=execute("vector_add", [1, 2], [2]))
        ids.append(request.id)
        data += frame(request)
    client.send(data)
    assert [client.receive().id for _ in ids] == ids


def test_many_streams_at_once(client):
    """Every request on its own stream, on workers, all answered."""
    client.alloc(1, COUNT // 8)
    for i in range(100):
        client.alloc(10 + i, COUNT // 8)
    ids = {client.post(stream=i, execute=execute("tanh", [1], [10 + i])) for i in range(100)}
    replies = client.receive_all(100)
    assert set(replies) == ids
    assert {reply.code for reply in replies.values()} == {OK}


def test_clients_share_the_loop(daemon):
    """One client's endless pipeline does not keep another from being answered."""
    with daemon.connect() as greedy, daemon.connect() as modest:
        greedy.alloc(1, 1)
        chunk = b"".join(frame(greedy.build(execute=execute("relu", [1], [1])))
                         for _ in range(2000))
        greedy.socket.setblocking(False)
        sent, slowest = 0, 0.0
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            try:
                sent += greedy.socket.send(chunk[sent % len(chunk):])
                greedy.socket.recv(1 << 16)
            except BlockingIOError:
                pass
            start = time.monotonic()
            assert modest.ask(ping=pb.Ping()).code == OK
            slowest = max(slowest, time.monotonic() - start)
        assert slowest < 0.25


def test_a_client_that_dies_while_work_runs(daemon):
    """Its work is cancelled and its memory comes back."""
    with daemon.connect() as watcher:
        before = watcher.used_bytes()
        client = daemon.connect()
        side = SIDE * 2
        for id in (1, 2, 3):
            client.alloc(id, [side, side])
        for _ in range(5):
            client.post(execute=execute("gemm", [1, 2], [3]))
        wait_for(lambda: watcher.used_bytes() != before, what="allocation")
        client.close()
        wait_for(lambda: watcher.used_bytes() == before, 10, "memory given back")


def test_half_closed_connections_get_their_answers(daemon):
    """A client may say that it is done and still read what it asked for."""
    client = daemon.connect()
    for id in (1, 2, 3):
        client.alloc(id, [SIDE, SIDE])
    product = client.post(execute=execute("gemm", [1, 2], [3]))
    last = client.post(ping=pb.Ping())
    client.socket.shutdown(socket.SHUT_WR)
    assert [client.receive().id for _ in range(2)] == [product, last]
    client.expect_closed()


def test_in_flight_limit_is_back_pressure(daemon):
    """With little allowed in flight, everything is answered all the same, in order."""
    with Daemon("--set", "limits.requests_in_flight_max=2", "--set",
                "engine.inline_max_ns=0") as small:
        with small.connect() as client:
            assert client.hello.limits.requests_in_flight_max == 2
            client.alloc(1, 1000)
            ids = [client.post(execute=execute("tanh", [1], [1])) for _ in range(50)]
            assert [client.receive().id for _ in ids] == ids


def test_no_work_takes_for_ever(daemon):
    """engine.work_ms_max: what a client gave no deadline for ends all the same, and is told why."""
    side = SIDE * 2
    with Daemon("--set", "engine.work_ms_max=20") as strict:
        with strict.connect() as client:
            for id in (1, 2, 3):
                client.alloc(id, [side, side])
            reply = client.ask(execute=execute("gemm", [1, 2], [3]))
            assert reply.code == DEADLINE_EXCEEDED
            assert "20 ms (work_ms_max)" in reply.text
            assert client.ask(ping=pb.Ping()).code == OK


def test_everything_on_workers_gives_the_same(daemon):
    """engine.inline_max_ns = 0: nothing runs on the loop, the answers are the same."""
    with Daemon("--set", "engine.inline_max_ns=0") as other:
        results = []
        for running in (daemon, other):
            with Connection(running.path) as client:
                client.alloc(1, 5000)
                client.alloc(2, 5000)
                client.write(1, floats(0.37, 5000))
                assert client.execute("gelu", [1], [2]).code == OK
                results.append(client.read(2).payload)
        assert results[0] == results[1]


def test_ids_are_the_sessions_own(daemon):
    """Two sessions may use one id for two buffers; within one it is taken once."""
    with daemon.connect() as one, daemon.connect() as two:
        one.alloc(1, 4, pb.U8)
        two.alloc(1, 8, pb.U8)
        one.write(1, b"abcd")
        assert two.read(1).payload == bytes(8)
        assert one.alloc(1, 1).code == ALREADY_EXISTS
