# SPDX-License-Identifier: Apache-2.0
"""Handshake, versions, and what is refused before a session exists."""

import pytest

from hologram.v1 import hologram_pb2 as pb
from native import (HEADER, INVALID_ARGUMENT, OK, UNIMPLEMENTED, Connection, frame)


def test_hello_tells_limits_and_rights(daemon):
    """The reply to hello has the version, the limits of the configuration, and who one is."""
    with daemon.connect() as client:
        hello = client.hello
        assert hello.protocol_version == 1
        assert hello.server_version == "0.1.0"
        assert hello.limits.message_bytes_max == 1 << 20
        assert hello.limits.requests_in_flight_max == 256
        assert hello.limits.batch_steps_max == 256
        assert hello.session_id != 0
        assert hello.admin  # the daemon runs as the user of the test
        assert "streams" in hello.features


@pytest.mark.parametrize("low,high", [(1, 1), (0, 1), (1, 9), (0, 2**32 - 1)])
def test_a_range_with_our_version_is_met(daemon, low, high):
    """The server picks the version that both speak."""
    with Connection(daemon.path, hello=False) as client:
        reply = client.ask(hello=pb.Hello(protocol_version_min=low, protocol_version_max=high))
        assert (reply.code, reply.message.hello.protocol_version) == (OK, 1)


@pytest.mark.parametrize("low,high", [(2, 9), (0, 0)])
def test_a_range_without_our_version_is_refused(daemon, low, high):
    """An unknown protocol version in hello: an error that names both sides' versions, then the end."""
    with Connection(daemon.path, hello=False) as client:
        reply = client.ask(hello=pb.Hello(protocol_version_min=low, protocol_version_max=high))
        assert reply.code == UNIMPLEMENTED
        assert reply.text == ("hello: unknown protocol version: expected 1 to 1 among those "
                              f"offered, got {low} to {high}")
        client.expect_closed()


def test_an_unknown_version_in_the_frame_is_refused(daemon):
    """The header's version is checked before anything else of the frame is believed."""
    with Connection(daemon.path, hello=False) as client:
        client.send(frame(pb.Request(id=7, ping=pb.Ping()), version=2))
        reply = client.receive()
        assert (reply.id, reply.code) == (0, UNIMPLEMENTED)
        assert reply.text == "frame: unknown protocol version: expected 1, got 2"
        client.expect_closed()


def test_the_first_request_must_be_hello(daemon):
    """Anything before hello is answered with an error, and the connection ends."""
    with Connection(daemon.path, hello=False) as client:
        reply = client.ask(ping=pb.Ping())
        assert reply.code == INVALID_ARGUMENT
        assert reply.text == "ping: expected hello as the first request"
        client.expect_closed()


def test_a_write_with_payload_before_hello_is_refused(daemon):
    """The same for a request whose payload follows: it is not read."""
    with Connection(daemon.path, hello=False) as client:
        reply = client.ask(b"x" * 100, write=pb.Write(id=1))
        assert reply.code == INVALID_ARGUMENT
        assert reply.text == "write: expected hello as the first request"
        client.expect_closed()


def test_hello_comes_once(client):
    """A second hello is an error, and the session goes on."""
    reply = client.ask(hello=pb.Hello(protocol_version_min=1, protocol_version_max=1))
    assert reply.code == INVALID_ARGUMENT
    assert reply.text == "hello: expected once, as the first request"
    assert client.ask(ping=pb.Ping()).code == OK


def test_a_request_without_a_known_body(client):
    """A request of a newer schema is answered with UNIMPLEMENTED, and the session goes on."""
    client.send(frame(b"\x08\x63"))  # id = 99 and nothing else
    reply = client.receive()
    assert (reply.id, reply.code) == (99, UNIMPLEMENTED)
    assert reply.text == "request: no body that this server knows"
    assert client.ask(ping=pb.Ping()).code == OK


def test_sessions_have_ids_of_their_own(daemon):
    """Two connections are two sessions."""
    with daemon.connect() as one, daemon.connect() as two:
        assert one.hello.session_id != two.hello.session_id


def test_frames_may_arrive_in_pieces(daemon):
    """A frame that comes byte by byte is a frame."""
    with Connection(daemon.path, hello=False) as client:
        request = client.build(hello=pb.Hello(protocol_version_min=1, protocol_version_max=1))
        for byte in frame(request):
            client.send(bytes([byte]))
        assert client.receive().code == OK


def test_header_layout_is_as_documented():
    """24 bytes: magic, version, zero, message length, zero, payload length."""
    assert HEADER.size == 24
