# SPDX-License-Identifier: Apache-2.0
"""Graphs: many operations as one request, as text and as nodes, on every transport."""

import struct

import grpc
import numpy as np
import pytest
from conftest import Daemon
from grpc_client import Session, channel, code_of
from hologram.v1 import hologram_pb2 as pb
from native import ALREADY_EXISTS, INVALID_ARGUMENT, NOT_FOUND, OK, RESOURCE_EXHAUSTED

FIRST = 1000
RANDOM = np.random.default_rng(7)


def put(client, id, array):
    """ARRAY as a buffer."""
    dtype = {"f": pb.F32, "d": pb.F64, "i": pb.I32}[array.dtype.char]
    assert client.alloc(id, array.shape, dtype).code == OK
    assert client.write(id, np.ascontiguousarray(array).tobytes()).code == OK


def get(client, id, shape, dtype=np.float32):
    reply = client.read(id)
    assert reply.code == OK, reply.text
    return np.frombuffer(reply.payload, dtype).reshape(shape)


def bindings(**ids):
    return [pb.GraphBinding(name=name, id=id) for name, id in ids.items()]


def evaluate(client, text, inputs=None, outputs=None, outputs_from=FIRST, **options):
    """Asks for TEXT on buffers INPUTS, by name."""
    return client.ask(eval=pb.Eval(text=text, inputs=bindings(**(inputs or {})),
                                   outputs=bindings(**(outputs or {})),
                                   outputs_from=outputs_from), **options)


def floats(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def network(client, batch):
    """A two-layer network's operands as buffers 1 to 5; gives what it should compute."""
    x, w1, b1, w2, b2 = (floats(batch, 20), floats(20, 30), floats(30), floats(30, 10), floats(10))
    for id, array in enumerate((x, w1, b1, w2, b2), 1):
        put(client, id, array)
    hidden = np.maximum(x @ w1 + b1, 0)
    logits = hidden @ w2 + b2
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


NETWORK = """
h = relu(x @ w1 + b1)   # hidden
y = softmax(h @ w2 + b2)
"""
OPERANDS = {"x": 1, "w1": 2, "b1": 3, "w2": 4, "b2": 5}


def test_text_runs_as_one_request(client):
    """A network in one message: what it gives is made and described; the second time all is there.
    """
    expected = network(client, 16)
    reply = evaluate(client, NETWORK, OPERANDS)
    assert reply.code == OK, reply.text
    result = reply.message.run_graph
    assert [(o.name, o.made, o.buffer.id) for o in result.outputs] == [("y", True, FIRST)]
    assert list(result.outputs[0].buffer.shape) == [16, 10]
    assert result.outputs[0].buffer.dtype == pb.F32 and result.outputs[0].buffer.bytes == 640
    assert result.execute.outcome == "build" and result.execute.cache == "graph"
    assert 1 <= result.launches <= 3
    np.testing.assert_allclose(get(client, FIRST, (16, 10)), expected, rtol=1e-4)
    reply = evaluate(client, NETWORK, OPERANDS)
    assert reply.message.run_graph.execute.outcome == "hit"
    assert not reply.message.run_graph.outputs[0].made


def test_loaded_graphs_run_for_any_batch(client):
    """One handle, symbolic batch: each size is planned once; programs are shared between sizes."""
    reply = client.ask(load_graph=pb.LoadGraph(id=5, text="x: f32[n, 20]\n" + NETWORK))
    assert reply.code == OK, reply.text
    loaded = reply.message.load_graph
    assert list(loaded.inputs) == ["x", "w1", "b1", "w2", "b2"] and list(loaded.outputs) == ["y"]
    assert len(loaded.digest) == 64
    for batch in (1, 16, 1):
        expected = network(client, batch)
        run = pb.RunGraph(id=5, inputs=bindings(**OPERANDS), outputs=bindings(y=FIRST + batch))
        reply = client.ask(run_graph=run)
        assert reply.code == OK, reply.text
        np.testing.assert_allclose(get(client, FIRST + batch, (batch, 10)), expected, rtol=1e-4)
        client.ask(free=pb.Free(ids=[1, 2, 3, 4, 5]))
    put(client, 1, floats(16, 19))
    for id in range(2, 6):
        put(client, id, floats(3))
    reply = client.ask(run_graph=run)
    assert reply.code == INVALID_ARGUMENT and "node 0 (input x)" in reply.text
    assert client.ask(unload_graph=pb.UnloadGraph(id=5)).code == OK
    assert client.ask(unload_graph=pb.UnloadGraph(id=5)).code == NOT_FOUND
    reply = client.ask(run_graph=run)
    assert reply.code == NOT_FOUND and "no graph has id 5" in reply.text


def node(op, *inputs, **more):
    return pb.GraphNode(op=op, inputs=inputs, **more)


def test_nodes_say_what_text_says(client):
    """The flat list: symbols, literals with and without types, attributes."""
    x = floats(4, 6)
    put(client, 1, x)
    bits = struct.unpack("<Q", struct.pack("<d", 0.5))[0]
    graph = pb.Graph(
        nodes=[node("input", name="x", dtype=pb.F32, has_shape=True, sizes=[-2, 6]),
               node("literal", bits=bits, is_float=True),
               node("multiply", 0, 1),
               node("sum", 2, has_axis=True, axis=-1, keepdims=True),
               node("literal", dtype=pb.F32, bits=0x40000000),
               node("add", 3, 4),
               node("reshape", 5, sizes=[2, -1]),
               node("transpose", 6),
               node("softmax", 7, has_number=True, number=2.0)],
        results=[pb.GraphResult(node=7, name="z"), pb.GraphResult(node=8, name="s")],
        symbols=["n"])
    reply = client.ask(eval=pb.Eval(graph=graph, inputs=bindings(x=1), outputs_from=FIRST))
    assert reply.code == OK, reply.text
    expected = ((x * 0.5).sum(axis=-1, keepdims=True) + 2).reshape(2, 2).T
    np.testing.assert_allclose(get(client, FIRST, (2, 2)), expected, rtol=1e-5)
    text = "x: f32[n, 6]\nz = (sum(x * 0.5, axis=-1, keepdims=True) + 2).reshape(2, -1).T"
    evaluate(client, text, {"x": 1}, outputs_from=FIRST + 10)
    assert np.array_equal(get(client, FIRST, (2, 2)), get(client, FIRST + 10, (2, 2)))


@pytest.mark.parametrize("graph, part", [
    (pb.Graph(nodes=[node("frobnicate")]), "node 0: there is no operation 'frobnicate'"),
    (pb.Graph(nodes=[node("iota")]), "there is no operation"),
    (pb.Graph(nodes=[node("input", name="x"), node("add", 0, 1)]), "node 1 (add): input 1"),
    (pb.Graph(nodes=[node("input", name="x"), node("add", 0)]), "it takes 2 inputs, got 1"),
    (pb.Graph(nodes=[node("input", name="x"), node("add", *[0] * 17)]), "at most 16 inputs"),
    (pb.Graph(nodes=[node("input", name="x y")]), "its name is none"),
    (pb.Graph(nodes=[node("input", name="x" * 64)]), "at most 63"),
    (pb.Graph(nodes=[node("input", name="x"), node("input", name="x")]), "input x already"),
    (pb.Graph(nodes=[node("input", name="x", sizes=[1])]), "sizes: expected none"),
    (pb.Graph(nodes=[node("input", name="x", has_shape=True, sizes=[1] * 9)]), "at most 8"),
    (pb.Graph(nodes=[node("input", name="x", has_shape=True, sizes=[-2])]), "unknown symbol"),
    (pb.Graph(nodes=[node("input", name="x", has_shape=True, sizes=[-2**63])]), "unknown symbol"),
    (pb.Graph(nodes=[node("input", name="x", dtype=99)]), "node 0: input: dtype"),
    (pb.Graph(nodes=[node("input", name="x"), node("astype", 0)]), "dtype: expected one"),
    (pb.Graph(nodes=[node("input", name="x"), node("exp", 0, dtype=pb.F32)]), "dtype"),
    (pb.Graph(nodes=[node("input", name="x"), node("exp", 0, has_number=True)]), "number"),
    (pb.Graph(nodes=[node("input", name="x"), node("exp", 0, has_axis=True)]), "no axis"),
    (pb.Graph(nodes=[node("input", name="x"), node("exp", 0, keepdims=True)]), "node 1 (exp)"),
    (pb.Graph(nodes=[node("input", name="x"), node("transpose", 0, sizes=[-1, 0])]), "axes"),
    (pb.Graph(nodes=[node("input", name="x")]), "at least one output"),
    (pb.Graph(nodes=[node("input", name="x")], results=[pb.GraphResult(node=1, name="z")]),
     "there is no node 1"),
    (pb.Graph(nodes=[node("input", name="x")], results=[pb.GraphResult(node=0, name="a b")]),
     "output"),
    (pb.Graph(nodes=[node("input", name="x")],
              results=[pb.GraphResult(node=0, name="z")] * 2), "named twice"),
    (pb.Graph(nodes=[node("input", name="x")],
              results=[pb.GraphResult(node=0, name="z")] * 65), "at most"),
    (pb.Graph(nodes=[node("input", name="x")], symbols=["n", "n"]), "symbol 1"),
    (pb.Graph(symbols=["n"] * 65), "65"),
    (pb.Graph(nodes=[node("literal")] * 2049), "2049"),
    (pb.Graph(), "at least one output"),
])
def test_hostile_nodes_are_refused_by_name(client, graph, part):
    """Everything that a list of nodes can get wrong is said with the node, and harms nothing."""
    for body in ({"load_graph": pb.LoadGraph(id=9, graph=graph)},
                 {"eval": pb.Eval(graph=graph, outputs_from=FIRST)},
                 {"explain_graph": pb.ExplainGraph(graph=graph)}):
        reply = client.ask(**body)
        assert reply.code == INVALID_ARGUMENT, reply.text
        assert part in reply.text
    assert client.ask(ping=pb.Ping()).code == OK


@pytest.mark.parametrize("text, place", [
    ("z = x +", "line 1, column 8"), ("a = x\nz = (a", "line 2"), ("z = nosuch(x)", "column 5"),
    ("z = x ** ** x", "column 10"), ("z = x @", "column 8"),
    ("(" * 99 + "x", "line 1, column 33: more than 64"), ("z = 'x'", "column 5"),
])
def test_texts_are_refused_with_line_and_column(client, text, place):
    """What the parser stumbles over is shown."""
    reply = client.ask(eval=pb.Eval(text=text, outputs_from=FIRST))
    assert reply.code == INVALID_ARGUMENT and place in reply.text, reply.text


def test_requests_that_cannot_be_meant(client):
    """Sources, bindings, and what is bound."""
    put(client, 1, floats(2, 3))
    put(client, 2, floats(3))
    cases = [
        (pb.Eval(outputs_from=1), "expected a text or a graph, got neither"),
        (pb.Eval(text="x", graph=pb.Graph()), "got both"),
        (pb.Eval(text="z = x", inputs=bindings(x=1)), "output z is not bound"),
        (pb.Eval(text="z = x", outputs_from=5), "input x is not bound"),
        (pb.Eval(text="z = x", inputs=bindings(x=1, q=2), outputs_from=5), "no input 'q'"),
        (pb.Eval(text="z = x", inputs=bindings(x=1) * 2, outputs_from=5), "bound twice"),
        (pb.Eval(text="z = x", inputs=bindings(x=0), outputs_from=5), "0 is not an id"),
        (pb.Eval(text="z = x + 1", inputs=bindings(x=1), outputs=bindings(z=2)),
         "expected f32[2, 3], buffer 2 is f32[3]"),
        (pb.Eval(text="z = x", inputs=bindings(x=1) * 200, outputs_from=5), "at most 112"),
        (pb.Eval(text="h = x * 2; z = h @ x", inputs=bindings(x=1), outputs_from=5), "(matmul"),
    ]
    for body, part in cases:
        reply = client.ask(eval=body)
        assert reply.code == INVALID_ARGUMENT and part in reply.text, reply.text
    reply = evaluate(client, "z = x", {"x": 77})
    assert reply.code == NOT_FOUND and "input x: no buffer has id 77" in reply.text
    reply = client.ask(run_graph=pb.RunGraph(outputs_from=FIRST))
    assert reply.code == NOT_FOUND
    assert client.ask(load_graph=pb.LoadGraph(id=0, text="z = 1")).code == INVALID_ARGUMENT


def test_a_failed_run_leaves_no_buffers(client):
    """Division by zero on the way: nothing that the run made is there."""
    put(client, 1, np.array([1, 2, 0, 4], np.int32))
    reply = evaluate(client, "z = 7 / x", {"x": 1})
    assert reply.code == INVALID_ARGUMENT and reply.detail == "DIVISION_BY_ZERO", reply.text
    assert client.read(FIRST).code == NOT_FOUND


def test_updates_in_place(client):
    """Outputs in the memory of inputs, the training step's way; pipelined without waiting."""
    w, g = floats(300, 200), floats(300, 200)
    put(client, 1, w)
    put(client, 2, g)
    update = pb.Eval(text="w = v - 0.5 * g", inputs=bindings(v=1, g=2), outputs=bindings(w=1))
    for _ in range(3):
        client.post(eval=update)
    for _ in range(3):
        reply = client.receive()
        assert reply.code == OK, reply.text
    expected = w
    for _ in range(3):
        expected = (expected - np.float32(0.5) * g).astype(np.float32)
    np.testing.assert_allclose(get(client, 1, (300, 200)), expected, rtol=1e-5, atol=1e-6)


def test_steps_of_a_batch(client):
    """Graphs between other steps; the first that fails ends the batch, and is named."""
    put(client, 1, floats(8))
    assert client.ask(load_graph=pb.LoadGraph(id=1, text="y = x * 2")).code == OK
    steps = [pb.Step(run_graph=pb.RunGraph(id=1, inputs=bindings(x=1), outputs=bindings(y=2))),
             pb.Step(eval=pb.Eval(text="z = exp(y)", inputs=bindings(y=2), outputs_from=3)),
             pb.Step(eval=pb.Eval(text="z = q", inputs=bindings(y=2), outputs_from=4))]
    reply = client.ask(batch=pb.Batch(steps=steps))
    assert reply.code == INVALID_ARGUMENT and reply.text.startswith("batch: step 2: graph: ")
    assert reply.message.batch.completed == 2
    np.testing.assert_allclose(get(client, 3, (8,)), np.exp(2 * get(client, 1, (8,))), rtol=1e-5)


LARGE = "a0 = x\n" + "".join(f"a{i + 1} = exp(a{i} * 0.001) @ x.T @ x\n" for i in range(300))


def test_large_graphs_do_not_hold_up_others(daemon):
    """Parsing and planning of a large graph go to a worker, alone and in a batch."""
    with daemon.connect() as one, daemon.connect() as two:
        put(one, 1, floats(2, 3) * np.float32(0.01))
        reply = evaluate(one, LARGE, {"x": 1})
        assert reply.code == OK, reply.text
        assert reply.message.run_graph.launches > 64
        put(two, 1, floats(4, 3) * np.float32(0.01))
        step = pb.Step(eval=pb.Eval(text=LARGE, inputs=bindings(x=1), outputs_from=FIRST))
        reply = two.ask(batch=pb.Batch(steps=[step]))
        assert reply.code == OK, reply.text
        assert two.read(FIRST).code == OK
        request = one.post(eval=pb.Eval(text=LARGE + "# another", inputs=bindings(x=1),
                                        outputs_from=2 * FIRST), timeout_us=1)
        reply = one.receive()
        assert reply.id == request and reply.code != OK


def test_two_clients_share_programs(daemon):
    """The same graph of another client is planned and built already."""
    text = "z = tanh(x) * 3 + x * x * 0.125"
    with daemon.connect() as one, daemon.connect() as two:
        outcomes = []
        for client in (one, two):
            put(client, 1, floats(50))
            outcomes.append(evaluate(client, text, {"x": 1}).message.run_graph.execute.outcome)
        assert outcomes == ["build", "hit"]
        first = one.ask(load_graph=pb.LoadGraph(id=1, text=text)).message.load_graph
        second = two.ask(load_graph=pb.LoadGraph(id=1, text=text)).message.load_graph
        assert first.digest == second.digest


def test_programs_come_back_after_a_flush(client, daemon):
    """What the cache dropped is put back by the next run, which is counted."""
    put(client, 1, floats(3, 3))
    evaluate(client, "z = x @ x + x", {"x": 1})
    before = daemon.metrics()
    assert client.ask(cache_flush=pb.CacheFlush(cache="graph")).message.cache_flush.dropped >= 1
    reply = evaluate(client, "z = x @ x + x", {"x": 1})
    assert reply.code == OK and reply.message.run_graph.execute.outcome == "hit"
    after = daemon.metrics()
    for name in ('hologram_program_cache_builds_total{cache="graph"}',):
        assert after[name] > before[name]
    assert after["hologram_graph_plan_duration_seconds_count"] == \
        before["hologram_graph_plan_duration_seconds_count"]
    assert after["hologram_graph_plan_hits_total"] == before["hologram_graph_plan_hits_total"] + 1
    assert after["hologram_graph_plan_misses_total"] == before["hologram_graph_plan_misses_total"]
    assert after["hologram_graphs"] >= 1 and after["hologram_graph_plans"] >= 1


def test_explanations(client):
    """What a graph becomes, as text and as a picture, for operands that need not exist."""
    inputs = [pb.GraphPattern(name=name, operand=pb.OperandPattern(dtype=pb.F32, has_shape=True,
                                                                  shape=shape))
              for name, shape in (("x", [16, 20]), ("w1", [20, 30]), ("b1", [30]),
                                  ("w2", [30, 10]), ("b2", [10]))]
    reply = client.ask(explain_graph=pb.ExplainGraph(text=NETWORK, inputs=inputs))
    assert reply.code == OK, reply.text
    assert "matmul" in reply.message.explain_graph.text
    reply = client.ask(explain_graph=pb.ExplainGraph(text=NETWORK, inputs=inputs, dot=True))
    assert reply.message.explain_graph.text.startswith("digraph")
    reply = client.ask(explain_graph=pb.ExplainGraph(text=NETWORK, inputs=inputs[1:]))
    assert reply.code == INVALID_ARGUMENT and "input x" in reply.text
    reply = client.ask(explain_graph=pb.ExplainGraph(
        text="x", inputs=[pb.GraphPattern(name="x")]))
    assert reply.code == INVALID_ARGUMENT and "input x: expected a type" in reply.text


def test_named_graphs_outlive_sessions(daemon):
    """Saved by one session, opened by another; removed, those who opened it keep it."""
    with daemon.connect() as one:
        assert one.ask(load_graph=pb.LoadGraph(id=1, text="z = x + 1")).code == OK
        save = pb.SaveGraph(id=1, name="plus/one", mode=0o640)
        assert one.ask(save_graph=save).code == OK
        assert one.ask(save_graph=save).code == ALREADY_EXISTS
        assert one.ask(save_graph=pb.SaveGraph(id=1, name="a b")).code == INVALID_ARGUMENT
        assert one.ask(save_graph=pb.SaveGraph(id=2, name="c")).code == NOT_FOUND
    with daemon.connect() as two:
        listed = two.ask(list_graphs=pb.ListGraphs()).message.list_graphs.graphs
        assert [(g.name, g.mode, g.inputs, g.outputs) for g in listed] == [
            ("plus/one", 0o640, 1, 1)]
        opened = two.ask(open_graph=pb.OpenGraph(name="plus/one", id=4))
        assert list(opened.message.load_graph.inputs) == ["x"]
        assert two.ask(open_graph=pb.OpenGraph(name="plus/one", id=4)).code == ALREADY_EXISTS
        assert two.ask(open_graph=pb.OpenGraph(name="minus", id=5)).code == NOT_FOUND
        assert two.ask(remove_graph=pb.RemoveGraph(name="plus/one")).code == OK
        assert two.ask(remove_graph=pb.RemoveGraph(name="plus/one")).code == NOT_FOUND
        put(two, 1, floats(3))
        run = pb.RunGraph(id=4, inputs=bindings(x=1), outputs_from=FIRST)
        assert two.ask(run_graph=run).code == OK


def test_quotas():
    """Loaded graphs, memory between launches, and the table's own bounds."""
    config = ("[limits]\ngraphs_max = 2\nmemory_bytes_max = 1MiB\n"
              "[graphs]\nentries_max = 8\nbytes_max = 1MiB\n")
    with Daemon(config=config) as daemon, daemon.connect() as client:
        for id, code in ((1, OK), (2, OK), (3, RESOURCE_EXHAUSTED)):
            reply = client.ask(load_graph=pb.LoadGraph(id=id, text=f"z = x + {id}"))
            assert reply.code == code, reply.text
        assert "2 graphs" in reply.text
        put(client, 1, floats(1, 600))
        reply = evaluate(client, "z = sum(x.T @ x)", {"x": 1})
        assert reply.code == OK or "bytes between its launches" in reply.text
        reply = evaluate(client, "z = sum((x.T @ x) @ (x.T @ x))", {"x": 1})
        assert reply.code == RESOURCE_EXHAUSTED and "bytes between its launches" in reply.text
        for i in range(100):
            reply = evaluate(client, f"z = x * {i}", {"x": 1})
            assert reply.code == OK, reply.text
        metrics = daemon.metrics()
        assert metrics["hologram_graphs"] <= 8 and metrics["hologram_graphs_pinned"] == 2
        assert metrics["hologram_graphs_evicted_total"] >= 90
        for id in (1, 2):
            run = pb.RunGraph(id=id, inputs=bindings(x=1), outputs_from=2 * FIRST)
            assert client.ask(run_graph=run).code == OK


def test_over_grpc(daemon):
    """The same requests as typed calls, with the same answers and errors."""
    with channel(daemon.path) as link, Session(link) as session:
        x = floats(4)
        session.Alloc(pb.Alloc(id=1, dtype=pb.F32, shape=[4]))
        session.Write(pb.Write(id=1, data=x.tobytes()))
        loaded = session.LoadGraph(pb.LoadGraph(id=1, text="z = x * 2"))
        assert list(loaded.inputs) == ["x"]
        result = session.RunGraph(pb.RunGraph(id=1, inputs=bindings(x=1), outputs_from=FIRST))
        assert result.outputs[0].name == "z"
        result = session.Eval(pb.Eval(text="q = x + z", inputs=bindings(x=1, z=FIRST),
                                      outputs_from=FIRST + 1))
        data = session.Read(pb.Read(id=result.outputs[0].buffer.id)).data
        np.testing.assert_allclose(np.frombuffer(data, np.float32), 3 * x, rtol=1e-6)
        session.SaveGraph(pb.SaveGraph(id=1, name="twice", mode=0o600))
        assert [g.name for g in session.ListGraphs(pb.ListGraphs()).graphs] == ["twice"]
        session.OpenGraph(pb.OpenGraph(name="twice", id=2))
        session.RemoveGraph(pb.RemoveGraph(name="twice"))
        session.UnloadGraph(pb.UnloadGraph(id=2))
        explained = session.ExplainGraph(pb.ExplainGraph(text="1 + 2"))
        assert explained.text
        code, text = code_of(session.Eval, pb.Eval(text="z = x +", outputs_from=9))
        assert code == grpc.StatusCode.INVALID_ARGUMENT and "line 1, column 8" in text
