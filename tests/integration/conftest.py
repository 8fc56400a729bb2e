# SPDX-License-Identifier: Apache-2.0
"""Starts real daemons on private sockets, and makes the schema's Python code importable."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLOGRAM_BUILD", ROOT / "build" / "release"))
SANITIZED = BUILD.name in ("asan", "tsan")
sys.path.insert(0, str(BUILD / "gen" / "python"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from native import Closed, Connection  # noqa: E402  (needs the path above)

HOLOGRAMD = os.environ.get("HOLOGRAMD", str(BUILD / "bin" / "hologramd"))


def wait_for(condition, seconds=10.0, what="condition"):
    """Polls until CONDITION gives something true, and gives that."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.005)


class Daemon:
    """A running hologramd with a directory of its own."""

    def __init__(self, *options, config=None, socket_name="s", environment=None, prefix=(),
                 pass_fds=(), start=True):
        self.directory = tempfile.TemporaryDirectory(prefix="hg")
        self.folder = pathlib.Path(self.directory.name)
        self.path = self.folder / socket_name
        self.log_path = self.folder / "log"
        command = [*prefix, HOLOGRAMD, "--socket", str(self.path), "--http", "127.0.0.1:0"]
        if config is not None:
            self.config_path = self.folder / "hologramd.conf"
            self.config_path.write_text(config, encoding="utf-8")
            command += ["--config", str(self.config_path)]
        self.command = command + list(options)
        self.environment = {k: v for k, v in os.environ.items()
                            if not k.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))}
        self.environment.update(environment or {})
        self.pass_fds = pass_fds
        self.process = None
        if start:
            self.start()

    def start(self, wait=True):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stderr=log, stdin=subprocess.DEVNULL,
                                            env=self.environment, pass_fds=self.pass_fds)
        if wait:
            wait_for(self.is_up, what="the daemon's start")

    def is_up(self):
        assert self.process.poll() is None, self.log()
        return "ready" in self.log()

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    def connect(self, **options):
        return Connection(self.path, **options)

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, seconds=20.0):
        """SIGTERM; gives the exit status."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("the daemon did not stop:\n" + self.log()) from None

    def close(self):
        try:
            status = self.stop()
            assert status == 0, f"exit status {status}\n{self.log()}"
            assert "Sanitizer" not in self.log(), self.log()
        finally:
            self.directory.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is None:
            self.close()
            return
        self.process.kill()
        self.process.wait()
        sys.stderr.write(self.log())
        self.directory.cleanup()

    # ---- HTTP ----------------------------------------------------------------------------------

    def http_port(self):
        return int(re.search(r"http://127\.0\.0\.1:(\d+)/", self.log())[1])

    def http(self, path, method="GET", raw=None):
        """Status line, headers and body of one request."""
        with socket.create_connection(("127.0.0.1", self.http_port()), timeout=10) as connection:
            request = raw if raw is not None else (
                f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            connection.sendall(request)
            answer = b""
            while True:
                piece = connection.recv(65536)
                if not piece:
                    break
                answer += piece
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, head.decode(), body.decode()

    def metrics(self):
        """Samples of /metrics by their full name with labels."""
        _, _, body = self.http("/metrics")
        pairs = (line.rsplit(" ", 1) for line in body.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}


@pytest.fixture(scope="module")
def daemon(request):
    """One daemon for all tests of a module (OPTIONS there, if any): each leaves it serving and
    empty."""
    with Daemon(*getattr(request.module, "OPTIONS", ())) as running:
        yield running
        with running.connect() as client:
            # Sessions of earlier tests may still be closing.
            wait_for(lambda: not any(client.used_bytes().values()),
                     what="memory given back")


@pytest.fixture
def client(daemon):
    with daemon.connect() as connection:
        yield connection


__all__ = ["Closed", "Connection", "Daemon", "wait_for"]
