# SPDX-License-Identifier: Apache-2.0
"""Life as a service: readiness, the watchdog, activation, draining, rights."""

import os
import pathlib
import signal
import socket
import subprocess
import time

import pytest

from conftest import BUILD, HOLOGRAMD, SANITIZED, Daemon, wait_for
from hologram.v1 import hologram_pb2 as pb
from native import OK, Closed, Connection, execute

OPS_SIZE = 600 if SANITIZED else 3000  # a gemm of this side takes some hundred milliseconds


class Manager:
    """The service manager's end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = pathlib.Path(folder) / "notify"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(10)

    def receive(self):
        return self.socket.recv(4096).decode()

    def expect(self, word):
        while True:
            message = self.receive()
            if word in message:
                return message


@pytest.fixture
def manager(tmp_path):
    return Manager(tmp_path)


def test_ready_reloading_stopping(manager):
    """READY after the socket listens, RELOADING and READY around a reload, STOPPING at the end."""
    with Daemon(config="[log]\nlevel = info\n",
                environment={"NOTIFY_SOCKET": str(manager.path)}) as daemon:
        assert "READY=1" in manager.receive()
        daemon.connect().close()
        daemon.signal(signal.SIGHUP)
        reloading = manager.receive()
        assert "RELOADING=1" in reloading and "MONOTONIC_USEC=" in reloading
        assert "READY=1" in manager.receive()
        daemon.signal(signal.SIGTERM)
        assert "STOPPING=1" in manager.receive()


def test_the_watchdog_is_fed(manager):
    """WATCHDOG=1 comes more often than the period asks."""
    with Daemon(environment={"NOTIFY_SOCKET": str(manager.path), "WATCHDOG_USEC": "300000"}):
        manager.expect("READY=1")
        start = time.monotonic()
        for _ in range(4):
            assert manager.receive() == "WATCHDOG=1"
        assert time.monotonic() - start < 4 * 0.3


def test_no_watchdog_unless_asked(manager):
    """Without WATCHDOG_USEC nothing is sent after READY."""
    with Daemon(environment={"NOTIFY_SOCKET": str(manager.path)}):
        manager.expect("READY=1")
        manager.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            manager.receive()


def test_a_frozen_daemon_does_not_feed_the_dog(manager):
    """When the loop stands still, so does the feeding."""
    with Daemon(environment={"NOTIFY_SOCKET": str(manager.path),
                             "WATCHDOG_USEC": "150000"}) as daemon:
        manager.expect("WATCHDOG=1")
        daemon.signal(signal.SIGSTOP)
        time.sleep(0.1)
        manager.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while True:
                manager.receive()
        daemon.signal(signal.SIGCONT)
        manager.socket.settimeout(10)
        manager.expect("WATCHDOG=1")


def connection_or_none(path):
    try:
        return Connection(path)
    except (FileNotFoundError, ConnectionRefusedError):
        return None


def test_socket_activation(tmp_path):
    """The first connection starts the daemon, which serves the socket that it was passed."""
    path = tmp_path / "activated"
    # It passes on nothing of its environment but what it is told to.
    kept = [f"--setenv={name}" for name in os.environ if name.endswith("SAN_OPTIONS")]
    process = subprocess.Popen(["systemd-socket-activate", *kept, "-l", str(path), HOLOGRAMD,
                                "--http", "off"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    try:
        # The path is there a moment before it is listened on.
        with wait_for(lambda: connection_or_none(path), what="the socket") as client:
            assert client.ask(ping=pb.Ping()).code == OK
    finally:
        process.terminate()
        _, log = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"passed by the service manager" in log
    assert path.exists()  # it is the manager's, not the daemon's


def test_a_passed_descriptor_must_be_a_listening_unix_socket(tmp_path):
    """Anything else is refused by number and kind."""
    process = subprocess.run(
        ["systemd-socket-activate", "-l", "127.0.0.1:0", "--now", HOLOGRAMD, "--http", "off"],
        capture_output=True, text=True, timeout=20)
    if "unrecognized option" in process.stderr:
        with socket.socket() as tcp:
            tcp.bind(("127.0.0.1", 0))
            tcp.listen()
            process = subprocess.run(
                ["/bin/sh", "-c", f"LISTEN_PID=$$ LISTEN_FDS=1 exec {HOLOGRAMD} --http off 3<&0"],
                stdin=tcp, capture_output=True, text=True, timeout=20)
    assert process.returncode == 1
    assert ("socket activation: descriptor 3: expected a listening Unix stream socket"
            in process.stderr)


def big_product(client, stream=0):
    """Posts a gemm that takes long; gives its request's id."""
    n = OPS_SIZE
    for id in (1, 2, 3):
        assert client.alloc(id, [n, n]).code == OK
    return client.post(stream=stream, execute=execute("gemm", [1, 2], [3]))


def test_sigterm_lets_work_finish():
    """What runs when SIGTERM comes is answered; then the connection closes and the exit is 0."""
    with Daemon() as daemon:
        client = daemon.connect()
        request = big_product(client)
        time.sleep(0.05)
        daemon.signal(signal.SIGTERM)
        reply = client.receive()
        assert (reply.id, reply.code) == (request, OK), reply.text
        client.expect_closed()
        assert daemon.process.wait(10) == 0
        assert not daemon.path.exists()


def test_sigterm_refuses_newcomers():
    """While it drains, /readyz says so and nobody can connect."""
    with Daemon() as daemon:
        client = daemon.connect()
        big_product(client)
        time.sleep(0.05)
        daemon.signal(signal.SIGTERM)
        wait_for(lambda: "draining" in daemon.log(), what="drain")
        with pytest.raises(OSError):
            daemon.connect()
        try:
            assert daemon.http("/readyz")[0] == 503
        except OSError:
            pass  # it was faster than we
        assert client.receive().code == OK


def test_asking_again_changes_nothing():
    """Signals that come all through the end, to the last moment, do not spoil the exit status."""
    for _ in range(4):
        with Daemon("--set", "server.drain_ms=50") as daemon, daemon.connect() as client:
            big_product(client)
            while daemon.process.poll() is None:
                daemon.signal(signal.SIGTERM)
                daemon.signal(signal.SIGHUP)
            assert daemon.process.returncode == 0


def test_a_drain_has_an_end():
    """After server.drain_ms work is cancelled and everyone closed; still exit 0."""
    with Daemon("--set", "server.drain_ms=50") as daemon:
        client = daemon.connect()
        for id in (1, 2, 3):
            client.alloc(id, [2048, 2048])
        for _ in range(20):
            client.post(execute=execute("gemm", [1, 2], [3]))
        time.sleep(0.05)
        start = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - start < 8
        assert "drain timed out" in daemon.log()


def test_sigint_drains_too():
    """Ctrl-C is as good as SIGTERM."""
    with Daemon() as daemon:
        daemon.signal(signal.SIGINT)
        assert daemon.process.wait(10) == 0


def test_idle_connections_do_not_hold_up_the_end():
    """Connected but silent clients, hello or not, are closed at once."""
    with Daemon() as daemon:
        said = daemon.connect()
        silent = daemon.connect(hello=False)
        half = daemon.connect()
        half.send(b"HGRM\1")
        start = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - start < 2
        for client in (said, silent, half):
            client.expect_closed()


def test_units_pass_systemds_own_check(tmp_path):
    """systemd-analyze finds nothing wrong in the units as they are installed."""
    root = BUILD.parent.parent
    for name in ("hologramd.service", "hologramd.socket"):
        text = (root / "systemd" / f"{name}.in").read_text(encoding="utf-8")
        text = text.replace("@bindir@/hologramd", "/bin/true").replace("@sysconfdir@", "/etc")
        (tmp_path / name).write_text(text)
    done = subprocess.run(["systemd-analyze", "verify", "--man=no",
                           str(tmp_path / "hologramd.service"), str(tmp_path / "hologramd.socket")],
                          capture_output=True, text=True, timeout=60)
    assert "hologramd" not in done.stderr, done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become somebody else")
def test_who_may_administer():
    """Another user may connect when the mode allows it, but not administer; a group may be given
    the right."""
    script = ("import os, sys; os.setgroups([{groups}]); os.setgid(65534); os.setuid(65534); "
              "sys.path[:0] = {paths!r}; from native import Connection; from hologram.v1 import "
              "hologram_pb2 as pb; c = Connection({path!r}); r = c.ask(list_buffers="
              "pb.ListBuffers(all_sessions=True)); print(c.hello.admin, r.code)")
    paths = [str(pathlib.Path(__file__).parent), str(BUILD / "gen" / "python")]

    def try_as(daemon, groups):
        os.chmod(daemon.folder, 0o755)
        code = script.format(groups=groups, paths=paths, path=str(daemon.path))
        return subprocess.run(["/usr/bin/python3", "-c", code], capture_output=True, text=True,
                              timeout=20).stdout.split()

    with Daemon("--set", "server.socket_mode=0666", "--set", "server.admin_group=daemon") as daemon:
        assert try_as(daemon, "") == ["False", "7"]
        assert try_as(daemon, "1") == ["True", "0"]  # the group daemon has gid 1


def test_connections_are_limited():
    """At the limit a newcomer is told why and closed; room that was made is used."""
    with Daemon("--set", "server.connections_max=2") as daemon:
        with daemon.connect(), daemon.connect():
            refused = daemon.connect(hello=False)
            reply = refused.receive()
            assert reply.text == "connections: expected at most 2"
            refused.expect_closed()
        wait_for(lambda: daemon.metrics()["hologram_connections"] == 0, what="room")
        daemon.connect().close()
        assert daemon.metrics()["hologram_connections_refused_total"] == 1


def test_connections_of_one_user_are_limited():
    """One user cannot take every connection."""
    with Daemon("--set", "server.user_connections_max=1") as daemon:
        with daemon.connect():
            reply = daemon.connect(hello=False).receive()
            assert reply.text == f"connections of user {os.getuid()}: expected at most 1"


def test_running_out_of_descriptors():
    """Without descriptors newcomers are closed, those who are there are served, and it recovers."""
    prefix = ("/bin/sh", "-c", 'ulimit -n 40; exec "$@"', "sh")
    with Daemon(prefix=prefix) as daemon:
        client = daemon.connect()
        held = []
        for _ in range(60):
            other = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            other.connect(str(daemon.path))
            held.append(other)
        wait_for(lambda: "out of descriptors" in daemon.log(), what="the reserve")
        assert client.ask(ping=pb.Ping()).code == OK
        for other in held:
            other.close()
        wait_for(lambda: can_ping(daemon), what="recovery")


def can_ping(daemon):
    try:
        with daemon.connect() as client:
            return client.ask(ping=pb.Ping()).code == OK
    except (OSError, Closed):
        return False
