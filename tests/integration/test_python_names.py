# SPDX-License-Identifier: Apache-2.0
"""The Python client: named buffers, programs of users, and what the daemon knows."""

import numpy as np
import pytest

from python_client import SCALE, X, assemble, client, daemon, hologram


def test_named_buffers_outlive_their_client(daemon, client):
    with daemon.connect() as first:
        x = first.put(X).publish("test/x", 0o600)
        assert x.name == "test/x"
        with pytest.raises(hologram.AlreadyExists):
            first.put([1.0]).publish("test/x")
    mine = client.open("test/x")
    assert (mine.shape, mine.dtype) == (X.shape, "f32") and np.array_equal(mine.numpy(), X)
    with pytest.raises(hologram.PermissionDenied):
        mine += 1
    writable = client.open("test/x", writable=True)
    writable += 1
    assert np.array_equal(mine.numpy(), X + 1)
    listed = {info.name: info for info in client.buffers("named")}
    assert listed["test/x"].mode == 0o600 and listed["test/x"].shape == X.shape
    client.unpublish("test/x")
    with pytest.raises(hologram.NotFound):
        client.open("test/x")


def test_users_programs(client, assemble):
    x, y = client.put(X), client.empty_like(client.put(X))
    with client.load_program(assemble(SCALE)) as program:
        assert program.slots == 2 and program.instructions >= 5 and program.block == 3072
        program.run(x, y, cols=8, params=[("f32", 2.5)])
        assert np.array_equal(y.numpy(), X * 2.5)
        with client.batch():
            program.run(x, y, cols=8, params=[hologram.DType.F32.bits(3.0)])
            z = y + 1
        assert np.array_equal(z.numpy(), X * 3 + 1)
        with pytest.raises(hologram.InvalidArgument, match="params: expected 64 bits"):
            program.run(x, y, cols=8, params=[1.5])
    with pytest.raises(hologram.NotFound):
        program.run(x, y, cols=8, params=[0])
    with pytest.raises(hologram.InvalidArgument):
        client.load_program(b"no program")


def test_statistics_and_server(client):
    client.put([1.0]) + 1
    stats = client.stats()
    assert stats.server.version == hologram.__version__ == client.server.version
    assert stats.server.executor in ("block", "reference", "native") and stats.server.sessions >= 1
    assert stats.caches["scalar_add"].entries >= 1 and len(stats.caches) >= 34
    assert {"heap", "boundary"} <= set(stats.pools)
    assert client.server.batch_steps_max > 0 and "batch" in client.server.features


def test_raw_execution(client):
    x, y = client.put([-1.0, 2.0]), client.empty(2, "f64")
    hologram.clip(x, 0, 1)
    done = client.execute("clip", [x], [y], {"lo": 0, "hi": 1.5})
    assert (done.cache, done.outcome) == ("clip", "hit") and y.tolist() == [0, 1.5]
    with pytest.raises(hologram.InvalidArgument, match="among lo, hi, n, got low"):
        client.execute("clip", [x], [y], {"low": 0})
    with pytest.raises(hologram.NotFound, match="no operation 'clop'"):
        client.execute("clop", [x], [y])
