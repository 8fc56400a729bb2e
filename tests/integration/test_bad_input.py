# SPDX-License-Identifier: Apache-2.0
"""What clients get wrong, each with its exact error; afterwards the daemon serves and nothing is lost.

(An unknown protocol version is in test_hello.py; typos in options and a socket path in use are in
test_config.py.)
"""

import random
import struct
import subprocess

import pytest

from conftest import BUILD
from hologram.v1 import hologram_pb2 as pb
from native import (ALREADY_EXISTS, HEADER, INVALID_ARGUMENT, NOT_FOUND, OK, OUT_OF_RANGE,
                    PERMISSION_DENIED, RESOURCE_EXHAUSTED, Connection, execute, frame)


@pytest.fixture
def client(daemon):
    """Buffers to err with: 1, 2: 8 f32; 3, 4: 8 i32; 5: 7 f32; 6, 7, 8: matrices; 9: freed."""
    with daemon.connect() as connection:
        for id, dtype, shape in ((1, pb.F32, [8]), (2, pb.F32, [8]), (3, pb.I32, [8]),
                                 (4, pb.I32, [8]), (5, pb.F32, [7]), (6, pb.F32, [2, 3]),
                                 (7, pb.F32, [4, 5]), (8, pb.F32, [2, 5]), (9, pb.F32, [8])):
            assert connection.alloc(id, shape, dtype).code == OK
        assert connection.write(3, struct.pack("<8i", *[6] * 8)).code == OK
        assert connection.write(4, struct.pack("<8i", 1, 2, 3, 1, 2, 0, 1, 0)).code == OK
        assert connection.ask(free=pb.Free(ids=[9])).code == OK
        yield connection
        assert connection.ask(ping=pb.Ping()).code == OK


# ---- requests that cannot be meant --------------------------------------------------------------

OPERATIONS = [
    ("unknown op", ("vector_ad", [1, 2], [2], {}), INVALID_ARGUMENT,
     "there is no operation 'vector_ad'"),
    ("wrong dtype", ("vector_add", [1, 3], [2], {}), INVALID_ARGUMENT,
     "vector_add: input b: expected f32, got i32"),
    ("dtype that the op has not", ("sigmoid", [3], [3], {}), INVALID_ARGUMENT,
     "sigmoid: input a: expected f16 or bf16 or f32 or f64, got i32"),
    ("output too small", ("vector_add", [1, 2], [5], {}), INVALID_ARGUMENT,
     "vector_add: output c: expected at least 8 elements, got 7"),
    ("shape mismatch", ("vector_add", [1, 5], [2], {}), INVALID_ARGUMENT,
     "vector_add: input b: expected 8 elements, a divisor of that, or 1, got 7"),
    ("shape mismatch of matrices", ("gemm", [6, 7], [8], {}), INVALID_ARGUMENT,
     "gemm: input B: expected op() of 3 rows, as many as op(A) has columns, got 4"),
    ("too few inputs", ("vector_add", [1], [2], {}), INVALID_ARGUMENT,
     "vector_add takes 2 inputs and 1 outputs, got 1 and 1"),
    ("too many inputs", ("vector_add", [1] * 9, [2], {}), INVALID_ARGUMENT,
     "vector_add takes 2 inputs and 1 outputs, got 9 and 1"),
    ("unknown attribute", ("vector_add", [1, 2], [2], {"m": 1}), INVALID_ARGUMENT,
     "vector_add has no attribute 'm'"),
    ("missing attribute", ("clip", [1], [2], {"lo": 1.0}), INVALID_ARGUMENT,
     "clip: hi: expected a value, got none"),
    ("lo > hi", ("clip", [1], [2], {"lo": 1.0, "hi": -1.0}), INVALID_ARGUMENT,
     "clip: lo 1 > hi -1"),
    ("n beyond the operand", ("vector_add", [1, 2], [2], {"n": 9}), OUT_OF_RANGE,
     "vector_add: input a: expected at least 9 elements, got 8"),
    ("id not found", ("vector_add", [1, 99], [2], {}), NOT_FOUND,
     "vector_add: b: no buffer has id 99"),
    ("freed buffer", ("relu", [9], [1], {}), NOT_FOUND, "relu: a: no buffer has id 9"),
    ("overlapping output", ("sum", [1], [1], {}), INVALID_ARGUMENT,
     "sum: output out: expected memory of its own, overlaps input a"),
    ("integer division by zero", ("vector_div", [3, 4], [3], {}), INVALID_ARGUMENT,
     "vector_div: integer division by zero at element 5 (instruction 2, div.i32)"),
]


@pytest.mark.parametrize("what,call,code,text", OPERATIONS, ids=[row[0] for row in OPERATIONS])
def test_operations(client, what, call, code, text):
    """An operation that cannot run says which argument is wrong, what was expected, what came."""
    op, inputs, outputs, attributes = call
    reply = client.execute(op, inputs, outputs, **attributes)
    assert (reply.code, reply.text) == (code, text)
    assert reply.detail == ("DIVISION_BY_ZERO" if "division" in what else "")


@pytest.mark.parametrize("row", OPERATIONS, ids=[row[0] for row in OPERATIONS])
def test_operations_in_a_batch(client, row):
    """The same inside a batch, which names the step."""
    _, (op, inputs, outputs, attributes), code, text = row
    step = pb.Step(execute=execute(op, inputs, outputs, **attributes))
    reply = client.ask(batch=pb.Batch(steps=[pb.Step(free=pb.Free()), step]))
    assert (reply.code, reply.text) == (code, "batch: step 1: " + text)
    assert reply.message.batch.completed == 1
    assert reply.message.batch.failed.message == text


BUFFERS = [
    ("id taken", dict(alloc=pb.Alloc(id=1, dtype=pb.F32, shape=[1])), ALREADY_EXISTS,
     "a buffer has id 1 already"),
    ("id 0", dict(alloc=pb.Alloc(id=0, dtype=pb.F32, shape=[1])), INVALID_ARGUMENT,
     "0 is not an id: ids start at 1"),
    ("too many dimensions", dict(alloc=pb.Alloc(id=20, dtype=pb.F32, shape=[1] * 9)),
     INVALID_ARGUMENT, "alloc: shape: expected at most 8 dimensions, got 9"),
    ("no dtype", dict(alloc=pb.Alloc(id=20, shape=[1])), INVALID_ARGUMENT,
     "alloc: dtype: expected one, got none"),
    ("unknown dtype", dict(alloc=pb.Alloc(id=20, dtype=13, shape=[1])), INVALID_ARGUMENT,
     "alloc: dtype: expected 1 to 12, got 13"),
    ("unknown pool", dict(alloc=pb.Alloc(id=20, dtype=1, pool=7)), INVALID_ARGUMENT,
     "alloc: pool: expected HEAP, BOUNDARY or SHARED, got 7"),
    ("overflowing shape", dict(alloc=pb.Alloc(id=20, dtype=1, shape=[2**32, 2**32, 2])),
     INVALID_ARGUMENT, "buffer 20: the product of the shape overflows"),
    ("overflowing bytes", dict(alloc=pb.Alloc(id=20, dtype=pb.F64, shape=[2**62])),
     INVALID_ARGUMENT, "buffer 20: the product of the shape overflows"),
    ("over a class", dict(alloc=pb.Alloc(id=20, dtype=pb.U8, shape=[12289], pool=pb.BOUNDARY)),
     INVALID_ARGUMENT,
     "buffer 20: boundary pool: at most 12288 bytes expected, 12289 asked for"),
    ("freed twice", dict(free=pb.Free(ids=[9])), NOT_FOUND, "no buffer has id 9"),
    ("freed and read", dict(read=pb.Read(id=9)), NOT_FOUND, "no buffer has id 9"),
    ("freed and written", dict(write=pb.Write(id=9, data=b"x")), NOT_FOUND, "no buffer has id 9"),
    ("write too long", dict(write=pb.Write(id=1, data=b"x" * 33)), OUT_OF_RANGE,
     "buffer 1: offset 0 and length 33 pass its size of 32 bytes"),
    ("offset out of range", dict(write=pb.Write(id=1, offset=32, data=b"x")), OUT_OF_RANGE,
     "buffer 1: offset 32 and length 1 pass its size of 32 bytes"),
    ("read out of range", dict(read=pb.Read(id=1, offset=33)), OUT_OF_RANGE,
     "buffer 1: offset 33 and length 0 pass its size of 32 bytes"),
    ("sum that overflows", dict(read=pb.Read(id=1, offset=2**64 - 1, length=2)), OUT_OF_RANGE,
     "buffer 1: offset 18446744073709551615 and length 2 pass its size of 32 bytes"),
    ("mode of a name", dict(publish=pb.Publish(id=1, name="a", mode=0o7777)), INVALID_ARGUMENT,
     "mode 07777 has bits other than read and write (0666)"),
    ("group of a name", dict(publish=pb.Publish(id=1, name="a", gid=12345, has_gid=True)),
     PERMISSION_DENIED, "group 12345 is not one of the session's"),
    ("unknown name", dict(open=pb.Open(id=20, name="no-such")), NOT_FOUND,
     "no buffer is named 'no-such'"),
]


@pytest.mark.parametrize("what,body,code,text", BUFFERS, ids=[row[0] for row in BUFFERS])
def test_buffers(client, what, body, code, text):
    """The same for requests about buffers."""
    before = client.used_bytes()
    reply = client.ask(**body)
    assert (reply.code, reply.text) == (code, text)
    assert client.used_bytes() == before


def test_a_raw_write_out_of_range(client):
    """The range is checked before a byte of the payload is stored."""
    reply = client.write(1, b"\xff" * 100, offset=8)
    assert (reply.code, reply.text) == (
        OUT_OF_RANGE, "buffer 1: offset 8 and length 100 pass its size of 32 bytes")
    assert client.read(1).payload == bytes(32)


def test_over_the_quota(client):
    """One session cannot have more than limits.memory_bytes_max."""
    reply = client.alloc(20, [2**30, 5], pb.U8)
    assert reply.code == RESOURCE_EXHAUSTED
    assert reply.text.startswith("buffer 20: 5368709120 bytes more would pass the session's bound "
                                 "of 4294967296 (in use: ")


# ---- programs -----------------------------------------------------------------------------------

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def program(*words, slots=1, count=None, magic=b"HGPR", version=1):
    """The binary form of lib/isa/README.md section 6."""
    body = b"".join(struct.pack("<Q", word) for word in words)
    head = magic + struct.pack("<HBBIII", version, slots, 0, 0,
                               len(words) if count is None else count, len(words))
    return head + struct.pack("<I", crc32c(head + body)) + body


F32 = 10
# ldg.f32 r1, [phi + lane]: op 0, stride mode, address mode 1, the offset in the upper 24 bits.
LDG_PHI = 0 | F32 << 8 | 1 << 12 | 1 << 16 | 1 << 24
# stg.f32 [b0 + lane], r1: op 1
STG_B0 = 1 | F32 << 8 | 1 << 12 | 1 << 16


def phi(word, byte):
    return word | byte << 40


def load(client, id, binary):
    return client.ask(load_program=pb.LoadProgram(id=id, binary=binary))


def test_a_program_that_names_class_96(client):
    """There are 96 classes: what lies behind the last one is no address, and has no encoding."""
    assert load(client, 1, program(phi(LDG_PHI, 95 * 12288), STG_B0)).code == OK
    reply = load(client, 2, program(phi(LDG_PHI, 96 * 12288), STG_B0))
    assert (reply.code, reply.text) == (INVALID_ARGUMENT, "instruction 0: no instruction at word 0")


def test_class_96_in_the_text_of_a_program(tmp_path):
    """The assembler says where, and what it wanted."""
    source = tmp_path / "p.hasm"
    source.write_text("ldg.f32 r1, [Φ(96, 0, 0) + lane]\nstg.f32 [b0 + lane], r1\n")
    done = subprocess.run([str(BUILD / "bin" / "hologramctl"), "asm", str(source)],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode != 0
    assert done.stderr == (f"hologramctl: {source}: line 1, column 16: "
                           "the class of Φ is an integer of at most 95\n")


def test_a_program_that_names_a_class_of_others(client):
    """Programs may name only what their session owns."""
    load(client, 1, program(phi(LDG_PHI, 95 * 12288), STG_B0))
    reply = client.ask(run_program=pb.RunProgram(id=1, buffers=[1], cols=8))
    assert (reply.code, reply.text) == (
        PERMISSION_DENIED, "program 1: it names class 95, which the session does not own")


@pytest.mark.parametrize("binary", [
    b"", b"hello", program(STG_B0)[:-1], program(STG_B0) + b"\0", program(STG_B0, magic=b"HGPX"),
    program(STG_B0, version=2), program(STG_B0, count=2), program(0xFFFFFFFFFFFFFFFF),
    program(STG_B0)[:-1] + b"\xff", bytes(1 << 19)], ids=range(10))
def test_bytes_that_are_no_program(client, binary):
    """Nothing is kept of what does not verify: the id stays free."""
    reply = load(client, 1, binary)
    assert reply.code == INVALID_ARGUMENT and reply.text
    assert client.ask(unload_program=pb.UnloadProgram(id=1)).code == NOT_FOUND


def test_program_ids(client):
    """Taken, zero and unknown ids of programs."""
    binary = program(phi(LDG_PHI, 0), STG_B0)
    assert load(client, 1, binary).code == OK
    reply = load(client, 1, binary)
    assert (reply.code, reply.text) == (ALREADY_EXISTS, "a program has id 1 already")
    assert load(client, 0, binary).code == INVALID_ARGUMENT
    assert client.ask(unload_program=pb.UnloadProgram(id=1)).code == OK
    assert client.ask(run_program=pb.RunProgram(id=1)).code == NOT_FOUND


# ---- frames that are none -----------------------------------------------------------------------

def end_of(daemon, data, hello=True):
    """Sends DATA; gives the error that ends the connection."""
    with Connection(daemon.path, hello=hello) as client:
        client.send(data)
        reply = client.receive()
        assert reply.id == 0
        client.expect_closed()
        return reply.code, reply.text


def header(message=0, payload=0, magic=b"HGRM", version=1, zero=0, also_zero=0):
    return HEADER.pack(magic, version, zero, message, also_zero, payload)


@pytest.mark.parametrize("hello", [False, True])
@pytest.mark.parametrize("data,code,text", [
    (header(message=(1 << 20) + 1), RESOURCE_EXHAUSTED,
     "frame: message too large: expected at most 1048576 bytes, got 1048577"),
    (header(message=2**32 - 1), RESOURCE_EXHAUSTED,
     "frame: message too large: expected at most 1048576 bytes, got 4294967295"),
    (header(payload=2**64 - 1), RESOURCE_EXHAUSTED,
     "frame: payload too large: expected at most 1073741824 bytes, got 18446744073709551615"),
    (header(zero=1), INVALID_ARGUMENT, "frame: reserved bytes: expected 0"),
    (header(also_zero=1), INVALID_ARGUMENT, "frame: reserved bytes: expected 0"),
    (header(magic=b"HGRX"), INVALID_ARGUMENT,
     "frame: bad magic: expected 48 47 52 4d, got 48 47 52 58"),
    (b"GET / HTTP/1.1\r\n\r\n", INVALID_ARGUMENT,
     "frame: bad magic: expected 48 47 52 4d, got 47 45 54 20"),
    (b"X", INVALID_ARGUMENT, "frame: bad magic: expected 48 47 52 4d, got 58 00 00 00"),
    (frame(b"\xff\xff\xff"), INVALID_ARGUMENT,
     "malformed message: bad field tag"),
    (frame(b"\x08"), INVALID_ARGUMENT, "malformed message: truncated or overlong number"),
    (frame(b"\x0a\x05ab"), INVALID_ARGUMENT, "malformed message: field longer than its message"),
    (frame(b"\x0f"), INVALID_ARGUMENT, "malformed message: unknown wire type"),
], ids=range(12))
def test_what_is_no_frame(daemon, data, code, text, hello):
    """One error with id 0 that says what was expected, then the connection closes."""
    assert end_of(daemon, data, hello) == (code, text)


def test_a_payload_with_something_else_than_write(daemon):
    """Only a write has a payload."""
    code, text = end_of(daemon, frame(pb.Request(id=5, ping=pb.Ping()), b"0123456789"))
    assert (code, text) == (INVALID_ARGUMENT,
                            "frame: payload: expected one with write only, got 10 bytes with ping")


@pytest.mark.parametrize("data,text", [
    (b"HGRM\1\0", "frame: truncated: expected a header of 24 bytes, got 6"),
    (header(message=50) + b"\x08\1", "frame: truncated: expected a message of 50 bytes, got 2"),
    (frame(pb.Request(id=3, write=pb.Write(id=1)), b"12345", payload_length=1000),
     "frame: truncated: expected a payload of 1000 bytes, got 5"),
])
def test_a_truncated_frame(daemon, data, text):
    """A peer that stops sending in the middle is told where it stopped."""
    with daemon.connect() as client:
        client.alloc(1, 1000, pb.U8)
        client.send(data)
        client.socket.shutdown(1)
        reply = client.receive()
        assert (reply.id, reply.code, reply.text) == (0, INVALID_ARGUMENT, text)
        client.expect_closed()


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, body):
    return varint(number << 3 | 2) + varint(len(body)) + body


BATCH, STEPS, STEP_EXECUTE, ATTRIBUTES = 16, 1, 4, 4


def test_a_bomb_of_empty_messages(daemon):
    """65 KB of empty steps would unpack to megabytes: refused before anything is unpacked."""
    bomb = field(BATCH, b"\x0a\x00" * 32_000)
    assert len(bomb) < 65_536
    assert end_of(daemon, frame(bomb)) == (INVALID_ARGUMENT,
                                           "malformed message: too many nested messages")


def test_a_bomb_of_nested_messages(daemon):
    """Many steps with many attributes each: the product is bounded, not only each factor."""
    step = field(STEPS, field(STEP_EXECUTE, field(ATTRIBUTES, b"") * 100))
    assert end_of(daemon, frame(field(BATCH, step * 100))) == (
        INVALID_ARGUMENT, "malformed message: too many nested messages")


def test_a_bomb_of_depth(daemon):
    """Nesting that the schema does not have is skipped as an unknown field, at no depth."""
    deep = b""
    for _ in range(10_000):
        deep = field(99, deep)
    with daemon.connect() as client:
        client.send(frame(pb.Request(id=4, ping=pb.Ping()).SerializeToString() + deep))
        assert client.receive().code == OK


def test_a_bomb_of_numbers(daemon):
    """A megabyte of one-byte ids is eight megabytes of ids: refused by their number."""
    assert end_of(daemon, frame(field(12, field(1, b"\1" * 1_000_000)))) == (
        INVALID_ARGUMENT, "malformed message: too many list elements")


def test_a_bomb_of_fields(daemon):
    """The same for single fields, known or not."""
    assert end_of(daemon, frame(b"\x98\x06\x01" * 300_000)) == (
        INVALID_ARGUMENT, "malformed message: too many fields")


@pytest.mark.parametrize("body,text", [
    (field(27, b"") + field(27, b""), "two bodies"),
    (field(27, b"") + field(23, b""), "two bodies"),
    (field(15, field(1, b"re\0lu")), "NUL byte in a text"),
])
def test_ambiguous_messages(daemon, body, text):
    """What decoders disagree about is refused."""
    assert end_of(daemon, frame(body)) == (INVALID_ARGUMENT, "malformed message: " + text)


def test_garbage(daemon):
    """Random bytes, raw and as messages, end their connection and nothing else."""
    chance = random.Random(7)
    for _ in range(100):
        noise = chance.randbytes(chance.randrange(1, 300))
        for data in (noise, frame(noise)):
            with daemon.connect() as client:
                client.send(data)
                client.socket.shutdown(1)
                client.expect_closed()
    with daemon.connect() as client:
        assert client.ask(ping=pb.Ping()).code == OK


def test_mutated_requests(daemon):
    """Valid requests with flipped bytes: an answer or the end, never silence."""
    chance = random.Random(8)
    requests = [pb.Request(id=1, alloc=pb.Alloc(id=1, dtype=pb.F32, shape=[4, 4])),
                pb.Request(id=2, execute=execute("clip", [1], [1], lo=0.0, hi=1.0)),
                pb.Request(id=3, batch=pb.Batch(steps=[pb.Step(free=pb.Free(ids=[1]))])),
                pb.Request(id=4, open=pb.Open(id=1, name="x", writable=True))]
    for _ in range(200):
        body = bytearray(chance.choice(requests).SerializeToString())
        for _ in range(chance.randrange(1, 4)):
            body[chance.randrange(len(body))] ^= 1 << chance.randrange(8)
        with daemon.connect() as client:
            client.send(frame(bytes(body)))
            client.receive()


def test_the_memory_of_the_transport_comes_back(daemon):
    """After everything above the daemon's own counters are where they were with one client."""
    with daemon.connect() as client:
        client.ask(ping=pb.Ping())
        metrics = daemon.metrics()
        assert metrics["hologram_connections"] == 1
        assert metrics["hologram_pool_used_bytes{pool=\"heap\"}"] == 0
        # Kept requests and their arenas are bounded, whatever was sent.
        assert metrics["hologram_transport_bytes"] < 16 << 20
