# SPDX-License-Identifier: Apache-2.0
"""What the tests of the Python client share: the package itself, its daemon, and helpers."""

import gc
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLOGRAM_BUILD", ROOT / "build" / "release")).resolve()
RELEASE = ROOT / "build" / "release"
PACKAGE = ROOT / "client" / "python"

# A sanitizer's library cannot be loaded into a Python without it: the release library then talks to
# the sanitized daemon.
os.environ.setdefault("HOLOGRAM_BUILD", str(BUILD))
if BUILD.name != "release":
    if not (RELEASE / "lib" / "libhologram.so").exists():
        pytest.skip("needs the release library: run `make`", allow_module_level=True)
    os.environ["HOLOGRAM_LIBRARY"] = str(RELEASE / "lib" / "libhologram.so")
sys.path.insert(0, str(PACKAGE))

# The schema's generated code, which other tests import, is part of a package of the same name.
if not hasattr(sys.modules.get("hologram"), "connect"):
    sys.modules.pop("hologram", None)

import hologram  # noqa: E402  (needs the path above)
import hologram.aio  # noqa: E402
import hologram.testing  # noqa: E402

# Tests import the fixtures that they use, and those take `daemon` from the module that uses them: it
# has to import that as well.
FLOATS = ("f16", "bf16", "f32", "f64")
SIGNED = ("i8", "i16", "i32", "i64", *FLOATS)
ALL = tuple(hologram.DType)
ENVIRONMENT = dict(os.environ, PYTHONPATH=str(PACKAGE), PYTHONDONTWRITEBYTECODE="1")


@pytest.fixture(scope="module")
def daemon():
    """A daemon of the module. At the end nothing is held: all that the tests made came back."""
    with hologram.testing.private_daemon() as running:
        yield running
        gc.collect()
        with running.connect() as last:
            wait_for(lambda: all(p.bytes_used == 0 for p in last.stats().pools.values()))
        assert running.process.poll() is None


@pytest.fixture
def client(daemon):
    with daemon.connect() as connection:
        yield connection


def wait_for(condition, seconds=10.0):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "did not happen in time"
        time.sleep(0.005)


def values(dtype, shape, low=1, high=100):
    """Small positive numbers that every type holds exactly."""
    rng = np.random.default_rng(7)
    whole = rng.integers(low, high, shape)
    return hologram.f32_to_bf16(whole) if dtype == "bf16" else whole.astype(dtype.numpy)


def plain(buffer):
    """Content as NumPy computes with it."""
    array = buffer.numpy()
    return hologram.bf16_to_f32(array) if buffer.dtype == "bf16" else array


def np_softmax(a, axis=-1):
    e = np.exp(a - a.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


X = np.array([[-3, -2.5, -1, -0.5], [0.25, 0.5, 2, 3]], np.float32)
Y = np.array([[1, 2, 4, 0.5], [8, 0.25, -1, -2]], np.float32)
Q = np.array([[0.1, 0.2, 0.3, 0.4], [0.5, 0.6, 0.7, 0.8]], np.float32)
ONE_HOT = np.array([[0, 1, 0, 0], [1, 0, 0, 1]], np.float32)


@pytest.fixture
def assemble(tmp_path):
    def run(text):
        source, binary = tmp_path / "p.hasm", tmp_path / "p.bin"
        source.write_text(text)
        subprocess.run([hologram.testing.find_program("hologramctl"), "asm", str(source), "-o",
                        str(binary)], check=True, stdin=subprocess.DEVNULL)
        return binary.read_bytes()

    return run


SCALE = """.slots 2
  param.f32 r2, 3
  loop.blocks @end
  ldg.f32 r1, [b0 + lane]
  mul.f32 r1, r1, r2
  stg.f32 [b1 + lane], r1
end:
"""

SPIN = """.slots 1
  mov_imm.u32 r1, 0
again:
  add.u32 r1, r1, r1
  bra @again
"""


@pytest.fixture
def slow(client):
    """Something that takes a second or more."""
    a = client.full((3000, 3000), 1e-3)
    return lambda: hologram.gemm(a, a)
