# SPDX-License-Identifier: Apache-2.0
"""A small client of the native protocol, written from proto/README.md: frames over a Unix socket.

It can also send what no client should, which is what most tests here are about.
"""

import socket
import struct

from hologram.v1 import hologram_pb2 as pb

HEADER = struct.Struct("<4sHHIIQ")
MAGIC = b"HGRM"
VERSION = 1

# gRPC's codes, which Status.code carries.
OK = 0
CANCELLED = 1
INVALID_ARGUMENT = 3
DEADLINE_EXCEEDED = 4
NOT_FOUND = 5
ALREADY_EXISTS = 6
PERMISSION_DENIED = 7
RESOURCE_EXHAUSTED = 8
FAILED_PRECONDITION = 9
OUT_OF_RANGE = 11
UNIMPLEMENTED = 12
UNAVAILABLE = 14


class Closed(Exception):
    """The server closed the connection."""


def frame(message, payload=b"", version=VERSION, magic=MAGIC, payload_length=None):
    """Bytes of one frame; message is a protobuf message or raw bytes."""
    body = message if isinstance(message, bytes) else message.SerializeToString()
    length = len(payload) if payload_length is None else payload_length
    return HEADER.pack(magic, version, 0, len(body), 0, length) + body + payload


class Reply:
    """A response with its payload."""

    def __init__(self, message, payload):
        self.message = message
        self.payload = payload
        self.id = message.id
        self.code = message.status.code
        self.text = message.status.message
        self.detail = message.status.detail


class Connection:
    """One connection. Ids of requests count up; `ask` waits for the answer, `post` does not."""

    def __init__(self, path, hello=True, timeout=20.0):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(str(path))
        self.next_id = 0
        self.buffer = b""
        self.hello = None
        if hello:
            reply = self.ask(hello=pb.Hello(protocol_version_min=1, protocol_version_max=1,
                                            client_name="test"))
            assert reply.code == OK, reply.text
            self.hello = reply.message.hello

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def build(self, stream=0, timeout_us=0, **body):
        self.next_id += 1
        return pb.Request(id=self.next_id, stream=stream, timeout_us=timeout_us, **body)

    def send(self, data):
        self.socket.sendall(data)

    def post(self, payload=b"", stream=0, timeout_us=0, **body):
        """Sends a request and gives its id."""
        request = self.build(stream, timeout_us, **body)
        self.send(frame(request, payload))
        return request.id

    def receive_exactly(self, size):
        while len(self.buffer) < size:
            piece = self.socket.recv(1 << 20)
            if not piece:
                raise Closed(f"after {len(self.buffer)} bytes")
            self.buffer += piece
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken

    def receive(self):
        magic, version, zero, length, also_zero, payload_length = HEADER.unpack(
            self.receive_exactly(HEADER.size))
        assert (magic, version, zero, also_zero) == (MAGIC, VERSION, 0, 0)
        message = pb.Response.FromString(self.receive_exactly(length))
        return Reply(message, self.receive_exactly(payload_length))

    def receive_all(self, count):
        """The next COUNT replies by id."""
        return {reply.id: reply for reply in (self.receive() for _ in range(count))}

    def ask(self, payload=b"", stream=0, timeout_us=0, **body):
        request_id = self.post(payload, stream, timeout_us, **body)
        reply = self.receive()
        assert reply.id == request_id, (reply.id, request_id, reply.text)
        return reply

    def expect_closed(self):
        """Reads to the end of the connection, which must come."""
        try:
            while True:
                piece = self.socket.recv(65536)
                if not piece:
                    return
                self.buffer += piece
        except ConnectionResetError:
            return

    # ---- shorthand -----------------------------------------------------------------------------

    def alloc(self, id, count, dtype=pb.F32, pool=pb.HEAP, **more):
        shape = [count] if isinstance(count, int) else list(count)
        return self.ask(alloc=pb.Alloc(id=id, dtype=dtype, shape=shape, pool=pool, **more))

    def write(self, id, data, offset=0):
        return self.ask(data, write=pb.Write(id=id, offset=offset))

    def read(self, id, offset=0, length=0):
        return self.ask(read=pb.Read(id=id, offset=offset, length=length))

    def execute(self, op, inputs, outputs, stream=0, timeout_us=0, **attributes):
        return self.ask(stream=stream, timeout_us=timeout_us,
                        execute=execute(op, inputs, outputs, **attributes))

    def stats(self):
        reply = self.ask(stats=pb.Stats())
        assert reply.code == OK, reply.text
        return reply.message.stats

    def used_bytes(self):
        return {pool.pool: pool.bytes_used for pool in self.stats().pools}


def bits(value):
    """An attribute's bits: floats as F32, integers as they are."""
    if isinstance(value, float):
        return struct.unpack("<I", struct.pack("<f", value))[0]
    return value & (2**64 - 1)


def execute(op, inputs, outputs, **attributes):
    return pb.Execute(op=op, inputs=inputs, outputs=outputs,
                      attributes=[pb.Attribute(name=name, bits=bits(value))
                                  for name, value in attributes.items()])
