# SPDX-License-Identifier: Apache-2.0
"""The cache's keys in a file, from one daemon to the next."""

import fcntl
import os
import pathlib
import re
import signal
import subprocess
import sys
import termios
import time

import grpc
import pytest
from conftest import Daemon, wait_for
from grpc_client import Session, channel, code_of
from hologram.v1 import hologram_pb2 as pb
from native import INVALID_ARGUMENT, OK, execute

DATA_LOSS = 15


@pytest.fixture
def path(tmp_path):
    return tmp_path / "cache.keys"


def start(path, *more, **how):
    return Daemon("--set", f"cache.warm_file={path}", *more, **how)


def start_saving(path, **how):
    """One that saves every second, with room for `fill`."""
    return start(path, "--set", "cache.save_interval_s=1", "--set",
                 "limits.boundary_classes_max=96", **how)


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
    """Without a path, and where the service's directory is not wanted, nothing is written."""
    for options, state in (((), None), (("--set", "cache.warm_file=off"), str(tmp_path))):
        environment = {} if state is None else {"STATE_DIRECTORY": state}
        with Daemon(*options, environment=environment) as daemon, daemon.connect() as client:
            add(client)
            assert client.stats().warmed == 0
            client.close()
            daemon.stop()
            assert set(os.listdir(daemon.folder)) <= {"log", "s.lock"}
    assert os.listdir(tmp_path) == []


def test_the_services_own_directory(tmp_path):
    """Where systemd gives a state directory, the keys are kept there without being asked for."""
    environment = {"STATE_DIRECTORY": f"{tmp_path}:/elsewhere"}
    with Daemon(environment=environment) as first, first.connect() as client:
        add(client)
        client.close()
        first.stop()
    assert os.listdir(tmp_path) == ["cache.keys"]
    with Daemon(environment=environment) as second, second.connect() as client:
        wait_for(lambda: is_warm(client), what="restored")


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


def fill(client, classes=36):
    """Caches some thousand programs: each pair of boundary buffers is another one."""
    for index in range(classes):
        assert client.alloc(100 + index, 8, pool=pb.BOUNDARY).code == OK
    pairs = [(a, b) for a in range(classes) for b in range(classes) if a != b]
    for a, b in pairs:
        client.post(execute=execute("relu", [100 + a], [100 + b]))
    assert all(reply.code == OK for reply in client.receive_all(len(pairs)).values())


def kill(daemon):
    daemon.signal(signal.SIGKILL)
    daemon.process.wait()


def check_restored(path):
    """A daemon that starts with PATH serves, ignores nothing, and saves over what was left."""
    with start(path) as daemon, daemon.connect() as client:
        wait_for(lambda: is_warm(client), what="restored")
        assert "ignored" not in daemon.log()
        assert add(client) != "build"
        client.close()
        assert daemon.stop() == 0
    assert os.listdir(path.parent) == [path.name]


def test_killed_while_it_saves(path):
    """kill -9 as soon as the new file is seen: the old one or the new one is there, whole."""
    for _ in range(3):
        daemon = start_saving(path)
        fresh = path.with_name(path.name + ".new")
        with daemon.connect() as client:
            fill(client)
            wait_for(path.exists, what="saved")
            wait_until_seen(fresh)
        kill(daemon)
        daemon.directory.cleanup()
        check_restored(path)


def wait_until_seen(file):
    """Without a pause between looks: it is there for some milliseconds only."""
    deadline = time.monotonic() + 20
    while not file.exists():
        assert time.monotonic() < deadline


def test_killed_in_the_middle_of_a_save(path):
    """The disk takes half of a file and no more: the daemon serves on meanwhile. Killed there, it
    starts again with the old file, and the half one is in nobody's way."""
    with start(path) as first, first.connect() as client:
        add(client)
        client.close()
        first.stop()
    fresh = path.with_name(path.name + ".new")
    os.mkfifo(fresh)  # takes 64 KiB, and then whoever writes waits
    end = os.open(fresh, os.O_RDONLY | os.O_NONBLOCK)
    daemon = start_saving(path)
    with daemon.connect() as client:
        fill(client)
        wait_for(lambda: unread(end) == 65536, what="half a file")
        assert client.ask(ping=pb.Ping()).code == OK
        assert add(client) != "build"
    kill(daemon)
    daemon.directory.cleanup()
    half = os.read(end, 65536)
    os.close(end)
    fresh.unlink()
    fresh.write_bytes(half)
    check_restored(path)


def unread(pipe):
    """Bytes that wait in a pipe."""
    count = bytearray(4)
    fcntl.ioctl(pipe, termios.FIONREAD, count)
    return int.from_bytes(count, sys.byteorder)


def in_small_disk(folder):
    """A prefix that runs a command with a file system of two pages on FOLDER, one of them taken."""
    script = (f"mount -t tmpfs -o size=8k,mode=700 none {folder} && "
              f"head -c 4096 /dev/zero > {folder}/filler && exec \"$@\"")
    return ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")


def test_a_full_disk_harms_nothing(tmp_path):
    """No space left: one line, the old file stays, service goes on; with space again it saves."""
    disk = tmp_path / "disk"
    disk.mkdir()
    prefix = in_small_disk(disk)
    if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("no file system can be mounted here, not even in a namespace of one's own")
    with start_saving(disk / "keys", prefix=prefix) as daemon, daemon.connect() as client:
        inside = pathlib.Path(f"/proc/{daemon.process.pid}/root{disk}")
        add(client)
        wait_for((inside / "keys").exists, what="saved")
        old = (inside / "keys").read_bytes()
        fill(client)
        wait_for(lambda: "keys not saved" in daemon.log(), what="told")
        assert "No space left on device" in daemon.log()
        assert (inside / "keys").read_bytes() == old
        assert sorted(os.listdir(inside)) == ["filler", "keys"]
        assert add(client) == "hit"
        subprocess.run(["nsenter", f"--target={daemon.process.pid}", "--user", "--mount", "mount",
                        "-o", "remount,size=1m", str(disk)], check=True)
        wait_for(lambda: (inside / "keys").stat().st_size > len(old), what="saved again")
        assert daemon.log().count("keys not saved") == 1


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
