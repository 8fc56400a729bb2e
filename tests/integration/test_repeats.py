# SPDX-License-Identifier: Apache-2.0
"""Requests that come again as they came are answered as if they had never come before."""

import random
import struct

import pytest
from conftest import Daemon
from hologram.v1 import hologram_pb2 as pb
from native import NOT_FOUND, OK, PERMISSION_DENIED, Closed, frame

BUFFERS = range(1, 7)
GRAPHS = ["c = a * 2 + b", "c = (a + b) / b", "c = softmax(a + b) * (a - max(b))"]
LENGTH = 24
ROUNDS = 150
# All work in the order in which it comes, also where it takes long: nothing is left to workers.
IN_PLACE = ("--set", "engine.inline_max_ns=100000000", "--set", "server.turn_us=1000000")


def add(a=1, b=2, c=3, op="vector_add", **attributes):
    given = [pb.Attribute(name=name, bits=bits) for name, bits in attributes.items()]
    return pb.Execute(op=op, inputs=[a, b] if b else [a], outputs=[c], attributes=given)


def repeats(daemon):
    """Requests that were repeated so far."""
    return daemon.metrics()["hologram_repeats_total"]


# ---- beside a daemon that repeats nothing ------------------------------------------------------


def clear_times(execution):
    for field in ("queue_ns", "lookup_ns", "build_ns", "run_ns"):
        execution.ClearField(field)


def said(reply):
    """What REPLY says but for times."""
    message = pb.Response.FromString(reply.message.SerializeToString())
    if message.WhichOneof("body") == "execute":
        clear_times(message.execute)
    if message.WhichOneof("body") == "run_graph":
        clear_times(message.run_graph.execute)
    return message, reply.payload


class Pair:
    """The same conversation with two daemons."""

    def __init__(self, *daemons):
        self.connections = [daemon.connect() for daemon in daemons]

    def ask(self, *bodies):
        """Sends all of BODIES, each (payload, stream, timeout, body), at once; gives replies."""
        answers = []
        for connection in self.connections:
            requests = [(payload, connection.build(stream, timeout_us, **body))
                        for payload, stream, timeout_us, body in bodies]
            connection.send(b"".join(frame(request, payload) for payload, request in requests))
            replies = connection.receive_all(len(requests))
            answers.append([said(replies[request.id]) for _, request in requests])
        for body, one, other in zip(bodies, *answers):
            assert one == other, body
        return answers[0]

    def ask_one(self, payload=b"", **body):
        return self.ask((payload, 0, 0, body))[0]


class Script:
    """Random requests, few of a kind, so that they come again."""

    def __init__(self, pair, seed):
        self.pair = pair
        self.random = random.Random(seed)
        self.calls = [self.call() for _ in range(24)]
        self.handles = []

    def buffer(self):
        return self.random.choice(BUFFERS)

    def call(self):
        op = self.random.choice(["vector_add", "vector_mul", "vector_div", "relu"])
        more = {"n": self.random.choice([LENGTH, LENGTH - 1, 7])} if self.random.random() < 0.3 else {}
        if self.random.random() < 0.05:
            op = "no_such_operation"
        return add(self.buffer(), None if op == "relu" else self.buffer(), self.buffer(), op, **more)

    def graph(self):
        """A run by id or by text, of a few. Some of them fail, some bind an id twice."""
        choice = random.Random(self.random.randrange(10))
        inputs = [pb.GraphBinding(name=name, id=choice.choice(BUFFERS)) for name in "ab"]
        outputs = [pb.GraphBinding(name="c", id=choice.choice([*BUFFERS, 50]))]
        if choice.random() < 0.5:
            return {"run_graph": pb.RunGraph(id=choice.choice([1, 2]), inputs=inputs,
                                             outputs=outputs)}
        return {"eval": pb.Eval(text=choice.choice(GRAPHS), inputs=inputs, outputs=outputs)}

    def reload(self, id):
        """Gives ID of a graph another one, or the same."""
        self.pair.ask_one(unload_graph=pb.UnloadGraph(id=id))
        self.pair.ask_one(load_graph=pb.LoadGraph(id=id, text=self.random.choice(GRAPHS)))

    def prepared(self):
        handle = self.random.choice(self.handles + [17])
        return pb.ExecutePrepared(handle=handle, inputs=[1, 2], outputs=[self.random.choice([3, 4])])

    def step(self):
        chance = self.random.random()
        if chance < 0.03:
            return pb.Step(write=pb.Write(id=self.buffer(), data=struct.pack("<I", 1)))
        if chance < 0.2:
            return pb.Step(execute_prepared=self.prepared())
        return pb.Step(execute=self.random.choice(self.calls[:10]))

    def body(self):
        chance = self.random.random()
        if chance < 0.15:
            return {"execute_prepared": self.prepared()}
        if chance < 0.4:
            choice = random.Random(self.random.randrange(12))
            kept, self.random = self.random, choice
            steps = [self.step() for _ in range(choice.randrange(12))]
            self.random = kept
            return {"batch": pb.Batch(steps=steps)}
        if chance < 0.45:
            return {"ping": pb.Ping()}
        if chance < 0.7:
            return self.graph()
        return {"execute": self.random.choice(self.calls)}

    def replace(self, id):
        """Gives ID another buffer, as likely as not of the same kind."""
        dtype = self.random.choice([pb.F32, pb.F32, pb.I32])
        self.pair.ask_one(free=pb.Free(ids=[id]))
        self.pair.ask_one(alloc=pb.Alloc(id=id, dtype=dtype, shape=[LENGTH]))
        values = [self.random.randrange(3) for _ in range(LENGTH)]
        self.pair.ask_one(struct.pack(f"<{LENGTH}{'f' if dtype == pb.F32 else 'i'}", *values),
                          write=pb.Write(id=id))

    def prepare(self):
        operands = [pb.OperandPattern(dtype=pb.F32)] * 3
        reply, _ = self.pair.ask_one(prepare=pb.Prepare(op="vector_add", operands=operands))
        self.handles.append(reply.prepare.handle)

    def change(self):
        chance = self.random.random()
        if chance < 0.5:
            self.replace(self.buffer())
        elif chance < 0.6 and len(self.handles) > 1:
            self.pair.ask_one(unprepare=pb.Unprepare(handle=self.handles.pop(0)))
        elif chance < 0.8:
            self.prepare()
        elif chance < 0.9:
            self.pair.ask_one(free=pb.Free(ids=[50]))
        else:
            self.reload(self.random.choice([1, 2]))

    def run(self):
        for id in BUFFERS:
            self.replace(id)
        self.prepare()
        for _ in range(ROUNDS):
            count = self.random.choice([1, 2, 40])
            self.pair.ask(*((b"", self.random.choice([0, 0, 0, 5]),
                             self.random.choice([0, 0, 0, 60_000_000]), self.body())
                            for _ in range(count)))
            self.pair.ask(*((b"", 0, 0, {"read": pb.Read(id=id)}) for id in BUFFERS))
            if self.random.random() < 0.3:
                self.change()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_same_with_repeats_and_without(seed):
    """A thousand requests, many of them again and again, get the same answers and leave the same
    bytes as from a daemon that keeps none."""
    with Daemon(*IN_PLACE) as keeps, Daemon(*IN_PLACE, "--set", "limits.repeats_max=0") as plain:
        Script(Pair(keeps, plain), seed).run()
        assert repeats(keeps) > ROUNDS
        assert repeats(plain) == 0


# ---- one at a time -----------------------------------------------------------------------------


def fill(client, count=4):
    for id in (1, 2, 3):
        assert client.alloc(id, count).code == OK
        assert client.write(id, struct.pack(f"<{count}f", *[float(id)] * count)).code == OK


def test_repeats_are_counted_as_what_they_are(daemon):
    """Requests, operations and hits count as ever; of the stages those that there are."""
    with daemon.connect() as client:
        fill(client)
        before = daemon.metrics()
        for _ in range(10):
            reply = client.ask(execute=add(3, 1, 3))
        assert (reply.message.execute.cache, reply.message.execute.outcome) == ("vector_add", "hit")
        steps = [pb.Step(execute=add(3, 1, 3))] * 20
        assert client.ask(batch=pb.Batch(steps=steps)).message.batch.completed == 20
        after = daemon.metrics()

    def grew(name):
        return after.get(name, 0) - before.get(name, 0)

    assert grew('hologram_requests_total{request="execute",code="OK"}') == 10
    assert grew('hologram_requests_total{request="batch",code="OK"}') == 1
    assert grew('hologram_operations_total{op="vector_add",code="OK"}') == 30
    assert grew("hologram_repeats_total") == 9
    assert grew('hologram_stage_duration_seconds_count{stage="total"}') == 11


def test_another_request_in_flight_is_waited_for(daemon):
    """What would be repeated does not overtake an earlier request of its stream."""
    count = 4_000_000
    with daemon.connect(timeout=60) as client:
        for id in (1, 2, 3):
            assert client.alloc(id, count).code == OK
        fill_one = pb.Execute(op="fill", outputs=[1],
                              attributes=[pb.Attribute(name="value", bits=0x3f800000)])
        small = add(4, 5, 6)
        for id in (4, 5, 6):
            assert client.alloc(id, 4).code == OK
        for _ in range(3):
            assert client.ask(execute=small).code == OK
        slow = client.post(execute=add(1, 2, 3))
        first = client.post(execute=fill_one)
        last = client.post(execute=small)
        assert [client.receive().id for _ in range(3)] == [slow, first, last]


def test_a_frame_in_pieces(daemon):
    """A request that would be repeated may come byte by byte."""
    with daemon.connect() as client:
        fill(client)
        for _ in range(3):
            assert client.ask(execute=add()).code == OK
        for byte in frame(client.build(execute=add())):
            client.send(bytes([byte]))
        assert client.receive().id == client.next_id


def test_a_wrong_frame_after_repeats(daemon):
    """Bytes that are no frame end the connection, also behind requests that were repeated."""
    with daemon.connect() as client:
        fill(client)
        good = frame(client.build(execute=add()))
        client.send(good * 5 + b"X" * 48)
        assert [client.receive().code for _ in range(5)] == [OK] * 5
        assert client.receive().id == 0
        with pytest.raises(Closed):
            client.receive()


def test_a_freed_buffer_is_not_found(daemon):
    """Alone and in the middle of a batch."""
    with daemon.connect() as client:
        fill(client)
        assert client.alloc(4, 4).code == OK
        steps = [pb.Step(execute=add(1, 2, 4)), pb.Step(execute=add(1, 2, 3))]
        for _ in range(3):
            assert client.ask(batch=pb.Batch(steps=steps)).code == OK
        assert client.ask(free=pb.Free(ids=[3])).code == OK
        reply = client.ask(batch=pb.Batch(steps=steps))
        assert (reply.code, reply.message.batch.completed) == (NOT_FOUND, 1)
        assert "batch: step 1" in reply.text
        assert client.ask(execute=add(1, 2, 3)).code == NOT_FOUND


def test_other_connections_have_calls_of_their_own(daemon):
    """The same bytes mean other buffers to another connection."""
    with daemon.connect() as one, daemon.connect() as other:
        fill(one)
        for _ in range(3):
            assert one.ask(execute=add()).code == OK
        assert other.ask(execute=add()).code == NOT_FOUND
        fill(other)
        assert other.write(1, struct.pack("<4f", *[40.0] * 4)).code == OK
        for _ in range(3):
            assert other.ask(execute=add()).code == OK
        assert one.read(3).payload == struct.pack("<4f", *[3.0] * 4)
        assert other.read(3).payload == struct.pack("<4f", *[42.0] * 4)


def test_more_calls_than_are_kept():
    """Everything is forgotten when there is no room, and learned again."""
    with Daemon("--set", "limits.repeats_max=4") as daemon, daemon.connect() as client:
        fill(client, 16)
        counts = []
        for kinds in (3, 9, 3):
            before = repeats(daemon)
            for n in [*range(1, kinds + 1)] * 4:
                assert client.ask(execute=add(n=n)).code == OK
            counts.append(repeats(daemon) - before)
        assert counts[0] == 6 and counts[1] < 6 and counts[2] >= 3


# ---- graphs ------------------------------------------------------------------------------------


def run_of(id=9, output=3):
    """c = a * 2 + b of the buffers 1 and 2."""
    return pb.RunGraph(id=id, inputs=[pb.GraphBinding(name="a", id=1), pb.GraphBinding(name="b", id=2)],
                       outputs=[pb.GraphBinding(name="c", id=output)])


def load(client, text="c = a * 2 + b", id=9):
    assert client.ask(load_graph=pb.LoadGraph(id=id, text=text)).code == OK


def ask_again(daemon, client, times=4, **body):
    """BODY some times; the last time it is a repeat. Gives its reply."""
    for _ in range(times - 1):
        assert client.ask(**body).code == OK
    before = repeats(daemon)
    reply = client.ask(**body)
    assert reply.code == OK and repeats(daemon) == before + 1
    return reply


def floats(client, id, count=4):
    return struct.unpack(f"<{count}f", client.read(id).payload)


def test_graphs_count_as_what_they_are(daemon):
    """Repeated runs are requests, operations and plans found as ever, and say what the first said."""
    with daemon.connect() as client:
        fill(client)
        load(client)
        first = client.ask(run_graph=run_of())
        before = daemon.metrics()
        again = ask_again(daemon, client, 10, run_graph=run_of())
        after = daemon.metrics()
        assert list(again.message.run_graph.outputs) == list(first.message.run_graph.outputs)
        assert again.message.run_graph.launches == first.message.run_graph.launches
        assert again.message.run_graph.execute.outcome == "hit"
        assert floats(client, 3) == (4.0,) * 4

    def grew(name):
        return after.get(name, 0) - before.get(name, 0)

    assert grew('hologram_requests_total{request="run_graph",code="OK"}') == 10
    assert grew("hologram_repeats_total") >= 8
    assert grew("hologram_graph_plan_hits_total") == 10


def test_texts_are_repeated(daemon):
    """So are runs of a text that come again, with an output that the first of them made."""
    with daemon.connect() as client:
        fill(client)
        run = run_of(output=40)
        run = pb.Eval(text="c = softmax(a) * 2 + b", inputs=run.inputs, outputs=run.outputs)
        assert client.ask(eval=run).message.run_graph.outputs[0].made
        reply = ask_again(daemon, client, eval=run)
        assert not reply.message.run_graph.outputs[0].made
        assert floats(client, 40) == (2.5,) * 4


def test_an_unloaded_graph_is_not_found(daemon):
    """And another one under its id is what runs."""
    with daemon.connect() as client:
        fill(client)
        load(client)
        ask_again(daemon, client, run_graph=run_of())
        assert client.ask(unload_graph=pb.UnloadGraph(id=9)).code == OK
        assert client.ask(run_graph=run_of()).code == NOT_FOUND
        load(client, "c = a - b")
        ask_again(daemon, client, run_graph=run_of())
        assert floats(client, 3) == (-1.0,) * 4


def test_a_graph_with_other_buffers_says_so(daemon):
    """Ids that stand for buffers of another shape are planned and described anew; a constant output
    is refused."""
    with daemon.connect() as client:
        fill(client)
        load(client)
        ask_again(daemon, client, run_graph=run_of())
        assert client.ask(free=pb.Free(ids=[3])).code == OK
        assert client.ask(run_graph=run_of()).message.run_graph.outputs[0].made
        assert client.ask(free=pb.Free(ids=[1, 2, 3])).code == OK
        assert client.ask(run_graph=run_of()).code == NOT_FOUND
        fill(client, 8)
        reply = ask_again(daemon, client, run_graph=run_of())
        assert list(reply.message.run_graph.outputs[0].buffer.shape) == [8]
        assert floats(client, 3, 8) == (4.0,) * 8
        assert client.ask(freeze=pb.Freeze(ids=[3])).code == OK
        assert client.ask(run_graph=run_of()).code == PERMISSION_DENIED


def test_graphs_go_on_without_their_programs(daemon):
    """A flush of the cache between repeats changes nothing that a client sees."""
    with daemon.connect() as client:
        fill(client)
        load(client, "c = softmax(a) * 2 + b")
        ask_again(daemon, client, run_graph=run_of())
        assert client.ask(cache_flush=pb.CacheFlush()).code == OK
        for _ in range(3):
            assert client.ask(run_graph=run_of()).message.run_graph.execute.outcome == "hit"
            assert floats(client, 3) == (2.5,) * 4
