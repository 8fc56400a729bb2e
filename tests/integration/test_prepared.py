# SPDX-License-Identifier: Apache-2.0
"""Operations that are prepared once and executed by handle."""

import struct

import grpc
import pytest
from conftest import Daemon
from grpc_client import Session, channel, code_of
from hologram.v1 import hologram_pb2 as pb
from native import INVALID_ARGUMENT, NOT_FOUND, OK

ADD = "vector_add"


def pattern(dtype=pb.F32, shape=None):
    """An operand to be; SHAPE None: not known yet."""
    return pb.OperandPattern(dtype=dtype, has_shape=shape is not None, shape=shape or [])


def prepare(client, op=ADD, dtypes=(pb.F32, pb.F32, pb.F32), shape=None, **attributes):
    """Asks for a handle of OP."""
    given = [pb.Attribute(name=name, bits=bits) for name, bits in attributes.items()]
    return client.ask(prepare=pb.Prepare(op=op, operands=[pattern(d, shape) for d in dtypes],
                                         attributes=given))


def execute_prepared(client, handle, inputs=(1, 2), outputs=(3,)):
    """Executes HANDLE."""
    return client.ask(execute_prepared=pb.ExecutePrepared(handle=handle, inputs=inputs,
                                                          outputs=outputs))


def fill(client, count=4, first=1):
    """Three buffers of COUNT elements: 1s, 2s, and room for their sum."""
    for id, value in ((first, 1.0), (first + 1, 2.0), (first + 2, 0.0)):
        assert client.alloc(id, count).code == OK
        assert client.write(id, struct.pack(f"<{count}f", *[value] * count)).code == OK


def test_prepared_with_shapes_hits_at_once(client):
    """All shapes given: the programs are there before the first execution."""
    fill(client)
    handle = prepare(client, shape=[4]).message.prepare.handle
    assert handle != 0
    for _ in range(2):
        reply = execute_prepared(client, handle)
        assert (reply.code, reply.message.execute.outcome) == (OK, "hit")
    assert client.read(3).payload == struct.pack("<4f", *[3.0] * 4)


def test_shapes_may_differ_from_call_to_call(client):
    """One handle serves buffers of other shapes, small and beyond a block, and then the first."""
    handle = prepare(client).message.prepare.handle
    for first, count in ((1, 4), (11, 5000), (21, 0), (1, 4)):
        if count != 4 or first == 1 and client.read(1).code == NOT_FOUND:
            fill(client, count, first)
        reply = execute_prepared(client, handle, (first, first + 1), (first + 2,))
        assert reply.code == OK
        assert client.read(first + 2).payload == struct.pack(f"<{count}f", *[3.0] * count)


@pytest.mark.parametrize("asked, text", [
    ({"op": "nothing"}, "there is no operation 'nothing'"),
    ({"dtypes": (pb.F32, pb.F32)}, f"{ADD} takes 3 operands, inputs and outputs together, got 2"),
    ({"dtypes": (pb.F32, 99, pb.F32)}, "prepare: dtype: expected 1 to 12, got 99"),
    ({"dtypes": (pb.F32, 0, pb.F32)}, "prepare: dtype: expected one, got none"),
    ({"shape": [1] * 9}, "prepare: shape: expected at most 8 dimensions, got 9"),
    ({"colour": 1}, f"{ADD} has no attribute 'colour'"),
])
def test_what_cannot_be_prepared(client, asked, text):
    """It is refused when it is prepared, with a text that says what was expected."""
    reply = prepare(client, **asked)
    assert (reply.code, reply.text) == (INVALID_ARGUMENT, text)


def test_types_that_do_not_fit_are_named(client):
    """Types are checked against each other when preparing, and against the buffers later."""
    reply = prepare(client, dtypes=(pb.F32, pb.I32, pb.F32))
    assert reply.code == INVALID_ARGUMENT and reply.text.startswith(ADD)
    fill(client)
    assert client.alloc(4, 4, pb.I32).code == OK
    handle = prepare(client).message.prepare.handle
    reply = execute_prepared(client, handle, (1, 4))
    assert reply.code == INVALID_ARGUMENT and ADD in reply.text
    assert execute_prepared(client, handle, (1,)).text == (
        f"{ADD} takes 2 inputs and 1 outputs, got 1 and 1")
    assert execute_prepared(client, handle).code == OK


def test_unprepared_is_not_found(client):
    """A handle ends with unprepare, and its number is not given again."""
    fill(client)
    handle = prepare(client).message.prepare.handle
    assert client.ask(unprepare=pb.Unprepare(handle=handle)).code == OK
    for reply in (execute_prepared(client, handle),
                  client.ask(unprepare=pb.Unprepare(handle=handle)), execute_prepared(client, 0)):
        assert reply.code == NOT_FOUND and "no prepared operation" in reply.text
        assert reply.message.status.detail == "NOT_PREPARED"
    handle = prepare(client).message.prepare.handle
    missing = execute_prepared(client, handle, (1, 99))
    assert (missing.code, missing.message.status.detail) == (NOT_FOUND, "")
    assert prepare(client).message.prepare.handle not in (0, handle)


def test_handles_belong_to_their_session(daemon):
    """Another session does not know them."""
    with daemon.connect() as owner, daemon.connect() as other:
        handle = prepare(owner).message.prepare.handle
        fill(other)
        assert execute_prepared(other, handle).code == NOT_FOUND


def test_step_of_a_batch(client):
    """Handles work in a batch; one that is not there fails its step by number."""
    fill(client)
    handle = prepare(client).message.prepare.handle
    step = pb.Step(execute_prepared=pb.ExecutePrepared(handle=handle, inputs=[1, 3], outputs=[3]))
    reply = client.ask(batch=pb.Batch(steps=[step] * 5))
    assert (reply.code, reply.message.batch.completed) == (OK, 5)
    assert client.read(3).payload == struct.pack("<4f", *[5.0] * 4)
    wrong = pb.Step(execute_prepared=pb.ExecutePrepared(handle=9, inputs=[1, 3], outputs=[3]))
    reply = client.ask(batch=pb.Batch(steps=[step, wrong]))
    assert (reply.code, reply.message.batch.completed) == (NOT_FOUND, 1)
    assert reply.text.startswith("batch: step 1: ")


def test_evicted_programs_are_built_again():
    """Of more programs than the cache holds some are dropped; their handles build them again."""
    with Daemon("--set", "cache.entries_max=64") as small, small.connect() as client:
        ops = client.ask(list_ops=pb.ListOps()).message.list_ops.ops
        handles = []
        for base, dtype in enumerate((pb.F32, pb.F64, pb.I32, pb.I64, pb.U8, pb.U16, pb.I16)):
            ids = [10 * base + i for i in range(1, 6)]
            for id in ids:
                assert client.alloc(id, 4, dtype).code == OK
                assert client.write(id, b"\1" * len(client.read(id).payload)).code == OK
            for op in (op for op in ops if op.inputs + op.outputs <= 5):
                reply = prepare(client, op.name, [dtype] * (op.inputs + op.outputs), [4])
                if reply.code == OK:
                    handles.append((reply.message.prepare.handle, ids[:op.inputs],
                                    ids[op.inputs:op.inputs + op.outputs]))
        assert len(handles) > 64
        assert sum(cache.evictions for cache in client.stats().caches) > 0
        replies = [execute_prepared(client, *handle) for handle in handles]
        outcomes = [reply.message.execute.outcome for reply in replies if reply.code == OK]
        assert len(outcomes) > 64 and {"build", "precompiled"} & set(outcomes)


def test_counted_by_kind(daemon):
    """Metrics tell the new kinds apart."""
    with daemon.connect() as client:
        prepare(client)
    assert daemon.metrics()['hologram_requests_total{request="prepare",code="OK"}'] > 0


def test_hello_tells_the_feature(client):
    """Clients learn from hello that handles are to be had."""
    assert "prepared" in client.hello.features


def test_over_grpc(daemon):
    """The typed methods do the same."""
    with channel(daemon.path) as link, Session(link) as session:
        for id in (1, 2, 3):
            session.alloc(id, 4)
        for id in (1, 2):
            session.Write(pb.Write(id=id, data=struct.pack("<4f", *[1.5] * 4)))
        handle = session.Prepare(pb.Prepare(op=ADD, operands=[pattern()] * 3)).handle
        request = pb.ExecutePrepared(handle=handle, inputs=[1, 2], outputs=[3])
        assert session.ExecutePrepared(request).cache != ""
        assert session.Read(pb.Read(id=3)).data == struct.pack("<4f", *[3.0] * 4)
        session.Unprepare(pb.Unprepare(handle=handle))
        assert code_of(session.ExecutePrepared, request)[0] == grpc.StatusCode.NOT_FOUND


def test_counted_as_the_operation_that_it_is(daemon, client):
    """Executions by handle, alone and in a batch, count in the row of their operation."""
    fill(client)
    handle = prepare(client, shape=[4]).message.prepare.handle
    name = 'hologram_operations_total{op="vector_add",code="OK"}'
    unknown = 'hologram_operations_total{op="user_or_unknown",code="OK"}'
    before = daemon.metrics()
    assert execute_prepared(client, handle).code == OK
    step = pb.Step(execute_prepared=pb.ExecutePrepared(handle=handle, inputs=(1, 2), outputs=(3,)))
    assert client.ask(batch=pb.Batch(steps=[step] * 3)).code == OK
    after = daemon.metrics()
    assert after[name] - before[name] == 4
    assert after[unknown] == before[unknown]
