# SPDX-License-Identifier: Apache-2.0
"""What the tests of hologramctl share: running it against a daemon of the module."""

import json
import os
import select
import subprocess
import time

import numpy as np
import pytest

from conftest import BUILD, Daemon, wait_for

CTL = str((BUILD / "bin" / "hologramctl").resolve())
OK, REFUSED, USAGE, UNREACHABLE, FILE, NOT_FOUND, DENIED, TIMEOUT, EXHAUSTED, SERVER = range(10)

DTYPES = {"i8": "i1", "i16": "<i2", "i32": "<i4", "i64": "<i8", "u8": "u1", "u16": "<u2",
          "u32": "<u4", "u64": "<u8", "f16": "<f2", "f32": "<f4", "f64": "<f8"}


class Ctl:
    """Runs commands in a directory of its own."""

    def __init__(self, daemon, folder):
        self.daemon = daemon
        self.folder = folder

    def __call__(self, *arguments, code=OK, stdin=None, socket=None):
        done = self.raw(*arguments, stdin=stdin, socket=socket)
        assert done.returncode == code, done.stderr.decode()
        return done.stdout.decode(), done.stderr.decode()

    def raw(self, *arguments, stdin=None, socket=None):
        environment = {**os.environ, "HOLOGRAM_SOCKET": str(socket or self.daemon.path)}
        return subprocess.run([CTL, *map(str, arguments)], cwd=self.folder, env=environment,
                              input=stdin, capture_output=True, timeout=120)

    def put(self, name, array, *options):
        np.save(self.folder / "in.npy", array)
        return self("put", name, "in.npy", *options)

    def get(self, name):
        self("get", name, "out.npy")
        return np.load(self.folder / "out.npy")

    def free_all(self):
        names = self("ls", "--names")[0].split()
        if names:
            self("free", *names)

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json")[0])


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A daemon of the module. At the end, without names, its pools are empty."""
    with Daemon() as daemon:
        yield daemon
        ctl = Ctl(daemon, tmp_path_factory.mktemp("end"))
        ctl.free_all()
        wait_for(lambda: sum(pool["bytes_used"] for pool in ctl.json("stats")["pools"]) == 0)


@pytest.fixture
def ctl(served, tmp_path):
    """A command line, and no named buffers left from the test before."""
    made = Ctl(served, tmp_path)
    made.free_all()
    return made


def read_terminal(leader, seconds, until=None):
    text = b""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and (until is None or until not in text):
        if select.select([leader], [], [], 0.1)[0]:
            try:
                text += os.read(leader, 65536)
            except OSError:
                break
    return text
