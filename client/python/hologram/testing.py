# SPDX-License-Identifier: Apache-2.0
"""A daemon of one's own, for tests.

    with hologram.testing.private_daemon() as daemon:
        client = daemon.connect()
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import Iterator

from .client import Client
from .errors import Unavailable

__all__ = ["Daemon", "find_program", "private_daemon"]

START_S = 30.0
STOP_S = 30.0


@dataclass
class Daemon:
    """A running daemon. `socket` is its path, `log` what it wrote."""

    socket: str
    process: subprocess.Popen[bytes]
    log_path: str

    def connect(self, timeout: float | None = 30.0) -> Client:
        """A client of it; the caller closes it."""
        return Client(self.socket, timeout)

    @property
    def log(self) -> str:
        return pathlib.Path(self.log_path).read_text("utf-8", "replace")

    def stop(self, *, kill: bool = False) -> int:
        """Ends it, politely unless `kill`, and gives its exit status."""
        if self.process.poll() is None:
            if kill:
                self.process.kill()
            else:
                self.process.terminate()
        try:
            return self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def find_program(name: str) -> str:
    """hologramd, hologramctl …: in $HOLOGRAM_BUILD/bin, in a checkout's build, or in the PATH."""
    build = os.environ.get("HOLOGRAM_BUILD")
    checkout = pathlib.Path(__file__).resolve().parents[3] / "build" / "release"
    for folder in (build, checkout):
        path = pathlib.Path(folder) / "bin" / name if folder else None
        if path is not None and os.access(path, os.X_OK):
            return str(path)
    found = shutil.which(name)
    if found is None:
        raise FileNotFoundError(f"{name} is neither in $HOLOGRAM_BUILD/bin nor in the PATH")
    return found


@contextlib.contextmanager
def private_daemon(settings: dict[str, str] | None = None, *, socket: str | None = None,
                   set_environment: bool = False) -> Iterator[Daemon]:
    """Starts a daemon on a socket of its own and stops it at the end.

    settings: options of the daemon, such as {"engine.workers": "1"}. HTTP is off by default.
    socket: its path, to start one where another was; by default a fresh one.
    set_environment: sets $HOLOGRAM_SOCKET meanwhile, so that `hologram.connect()` finds it.
    """
    with tempfile.TemporaryDirectory(prefix="hologram-") as folder:
        path = socket or os.path.join(folder, "hologram.sock")
        log_path = os.path.join(folder, "log")
        arguments = [f"{key}={value}"
                     for key, value in ({"http.listen": "off"} | (settings or {})).items()]
        command = [find_program("hologramd"), "--socket", path]
        command += [word for argument in arguments for word in ("--set", argument)]
        with open(log_path, "wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log, stdout=log)
        daemon = Daemon(path, process, log_path)
        before = os.environ.get("HOLOGRAM_SOCKET")
        try:
            _await_start(daemon)
            if set_environment:
                os.environ["HOLOGRAM_SOCKET"] = path
            yield daemon
        finally:
            if set_environment:
                _restore(before)
            daemon.stop()


def _restore(before: str | None) -> None:
    if before is None:
        os.environ.pop("HOLOGRAM_SOCKET", None)
    else:
        os.environ["HOLOGRAM_SOCKET"] = before


def _await_start(daemon: Daemon) -> None:
    give_up = time.monotonic() + START_S
    while True:
        try:
            daemon.connect().close()
            return
        except Unavailable:
            if daemon.process.poll() is not None or time.monotonic() >= give_up:
                daemon.stop(kill=True)
                raise RuntimeError(f"hologramd did not start:\n{daemon.log}") from None
        time.sleep(0.01)
