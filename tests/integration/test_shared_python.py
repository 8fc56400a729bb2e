# SPDX-License-Identifier: Apache-2.0
"""Shared memory as users of libhologram and Python have it."""

import os

import numpy as np
import pytest

from conftest import Daemon, wait_for
from python_client import hologram
from test_shared import memfd, view


@pytest.fixture
def library(daemon):
    with hologram.connect(daemon.path) as connected:
        yield connected


def test_python_works_in_place(library):
    """Arrays are the buffers' own memory, of every type and shape, scalars and nothing included."""
    a, b = library.shared((500, 8)), library.shared((500, 8))
    assert a.array.shape == (500, 8) and a.array.dtype == np.float32 and not a.array.any()
    a.array[:] = np.arange(4000).reshape(500, 8)
    hologram.scalar_mul(a, 2.0, out=b)
    assert np.array_equal(b.array, 2 * a.array)
    assert np.array_equal(b.numpy(), b.array)
    for dtype in hologram.DType:
        buffer = library.shared(7, dtype)
        buffer.array[3] = 1
        assert buffer.numpy()[3] == 1
    assert library.shared(()).array.shape == () and library.shared((3, 0)).array.size == 0
    with pytest.raises(hologram.FailedPrecondition, match="expected a shared buffer"):
        library.zeros(3).array  # noqa: B018


def test_python_arrays_outlive_everything(daemon):
    """An array stays valid after its buffer, its client and its daemon; what it was of is zeros."""
    with Daemon() as doomed:
        client = hologram.connect(doomed.path)
        kept, freed = client.shared(1 << 16), client.shared(1 << 16)
        arrays = [kept.array, freed.array]
        for array_ in arrays:
            array_[:] = 4
        freed.free()
        client.ping()
        client.zeros(1)  # takes the free along
        assert not arrays[1].any() and arrays[0].all()
        arrays[1][:] = 1
        client.close()
        del kept, freed, client
    wait_for(lambda: not arrays[0].any(), what="the session's end")
    assert arrays[1].sum() == 1 << 16


def test_python_frees_what_is_not_used(library, daemon):
    """With the last reference the memory goes, here and there."""
    before = library.stats().pools["shared"].bytes_used
    for _ in range(1000):
        library.shared(4096).array[:] = 1
    library.ping()
    library.zeros(1)
    assert library.stats().pools["shared"].bytes_used <= before + 2 * 16384
    with open("/proc/self/maps", encoding="ascii") as maps:
        assert sum("memfd:hologram" in line for line in maps) < 50


def test_python_named(library, daemon):
    """Shared buffers opened by name are mapped, too; others are not."""
    x = library.shared(100)
    x.publish("shared/py")
    library.put([1.0]).publish("shared/heap")
    with hologram.connect(daemon.path) as other:
        reader, writer = other.open("shared/py"), other.open("shared/py", writable=True)
        writer.array[5] = 9
        assert reader.array[5] == 9 == x.array[5]
        with pytest.raises(ValueError):
            reader.array[0] = 1
        with pytest.raises(hologram.FailedPrecondition):
            other.open("shared/heap").array  # noqa: B018
    for name in ("shared/py", "shared/heap"):
        library.unpublish(name)


def test_python_adopts(library):
    """A memfd of this process, sparse and pipelined behind other work."""
    fd = memfd(4 * 1000, fill=False)
    buffer = library.adopt(fd, (10, 100))
    x = view(fd, 1000)
    x[:] = 3
    total = buffer.sum()
    assert total.item() == 3000
    hologram.fill(buffer, 1.0)
    assert x.sum() == 1000
    with pytest.raises(hologram.InvalidArgument, match="F_SEAL_SHRINK"):
        library.adopt(memfd(4096, seals=0), 1)
    os.close(fd)
