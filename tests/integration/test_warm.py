# SPDX-License-Identifier: Apache-2.0
"""The cache's keys in a file, from one daemon to the next."""

import os
import re

import grpc
import pytest
from conftest import Daemon, wait_for
from grpc_client import Session, channel, code_of
from hologram.v1 import hologram_pb2 as pb
from native import INVALID_ARGUMENT, OK

DATA_LOSS = 15


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.keys"


def start(path, *more):
    return Daemon("--set", f"cache.warm_file={path}", *more)


def add(client):
    """Runs one operation and tells where its program came from."""
    for id in (1, 2, 3):
        client.alloc(id, 8)
    reply = client.execute("vector_add", [1, 2], [3])
    assert reply.code == OK
    return reply.message.execute.outcome


def is_warm(client):
    return client.stats().warmed > 0


def test_first_call_after_a_restart_hits(path):
    """What ran before the restart is there when the next daemon is asked for it first."""
    with start(path) as first, first.connect() as client:
        assert add(client) != "hit"
        client.close()
        first.stop()
    assert path.stat().st_size > 0
    with start(path) as second, second.connect() as client:
        wait_for(lambda: is_warm(client), what="restored")
        assert add(client) == "hit"


def test_off_unless_asked_for(tmp_path):
    """Without a path nothing is written and nothing restored."""
    with Daemon() as daemon, daemon.connect() as client:
        add(client)
        assert client.stats().warmed == 0
        client.close()
        daemon.stop()
        assert set(os.listdir(daemon.folder)) <= {"log", "s.lock"}


def test_saved_while_it_runs(path):
    """The interval saves too, so that a kill loses no more than that; nothing else stays behind."""
    with start(path, "--set", "cache.save_interval_s=1") as daemon, daemon.connect() as client:
        add(client)
        wait_for(path.exists, what="saved")
        before = path.stat().st_mtime_ns
        wait_for(lambda: path.stat().st_mtime_ns != before, what="saved again")
        saved = path.read_bytes()
    assert os.listdir(path.parent) == [path.name]
    path.write_bytes(saved)
    with start(path) as second, second.connect() as client:
        wait_for(lambda: is_warm(client), what="restored")


@pytest.mark.parametrize("damage", [
    lambda data: b"", lambda data: b"not keys at all", lambda data: data[:-1],
    lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
], ids=["empty", "foreign", "cut", "flipped"])
def test_a_damaged_file_is_ignored(path, damage):
    """One line in the log, and a daemon that starts cold; at its end the file is good again."""
    with start(path) as first, first.connect() as client:
        add(client)
        client.close()
        first.stop()
    path.write_bytes(damage(path.read_bytes()))
    with start(path) as second, second.connect() as client:
        wait_for(lambda: "saved keys are ignored" in second.log(), what="told")
        assert add(client) != "hit"
        client.close()
        second.stop()
        assert second.log().count("saved keys are ignored") == 1
    with start(path) as third, third.connect() as client:
        wait_for(lambda: is_warm(client), what="restored")


def test_a_place_that_cannot_be_written_harms_nothing(tmp_path):
    """A directory that is not there: one line, though many saves fail; service goes on."""
    with start(tmp_path / "missing" / "keys", "--set", "cache.save_interval_s=1") as daemon, \
            daemon.connect() as client:
        add(client)
        wait_for(lambda: "keys not saved" in daemon.log(), what="told")
        assert client.ask(ping=pb.Ping()).code == OK
        client.close()
        assert daemon.stop() == 0
        assert daemon.log().count("keys not saved") == 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_directory_for_reading_only(tmp_path):
    """The same for a directory without the right to write."""
    tmp_path.chmod(0o500)
    with start(tmp_path / "keys") as daemon, daemon.connect() as client:
        add(client)
        client.close()
        daemon.stop()
        assert daemon.log().count("keys not saved") == 1
    tmp_path.chmod(0o700)


def test_a_profile_warms_another_daemon():
    """What one daemon gives as its profile another one builds, asked in either protocol."""
    with Daemon() as first, first.connect() as client:
        add(client)
        profile = client.ask(cache_profile=pb.CacheProfile()).message.cache_profile.profile
        with channel(first.path) as link, Session(link) as session:
            assert session.CacheProfile(pb.CacheProfile()).profile[:8] == profile[:8]
    with Daemon() as second, second.connect() as client:
        assert client.ask(cache_warm=pb.CacheWarm(profile=profile)).code == OK
        wait_for(lambda: is_warm(client), what="warmed")
        assert add(client) == "hit"
        with channel(second.path) as link, Session(link) as session:
            session.CacheWarm(pb.CacheWarm(profile=profile))


def test_what_is_no_profile_is_refused(client):
    """Bytes that are no key file, or a damaged one, are refused with a text."""
    profile = client.ask(cache_profile=pb.CacheProfile()).message.cache_profile.profile
    for data in (b"", b"not keys at all", profile[:-1], profile[:-1] + bytes([profile[-1] ^ 1])):
        reply = client.ask(cache_warm=pb.CacheWarm(profile=data))
        assert reply.code in (INVALID_ARGUMENT, DATA_LOSS) and reply.text


def test_others_are_refused():
    """Who does not administer, as nobody over TCP does, gets neither of the two."""
    with Daemon("--set", "grpc.listen=127.0.0.1:0") as daemon:
        port = int(re.search(r"grpc=127\.0\.0\.1:(\d+)", daemon.log())[1])
        with grpc.insecure_channel(f"127.0.0.1:{port}") as link, Session(link) as session:
            for call, request in ((session.CacheProfile, pb.CacheProfile()),
                                  (session.CacheWarm, pb.CacheWarm(profile=b"x"))):
                code, text = code_of(call, request)
                assert code == grpc.StatusCode.PERMISSION_DENIED
                assert text.endswith("is for administrators")
