# SPDX-License-Identifier: Apache-2.0
"""Native code: no page is writable and executable, it works where the system forbids that, and
where there can be none the daemon says so once and computes all the same."""

import pathlib
import re
import struct
import subprocess

import pytest
from conftest import BUILD, SANITIZED, Daemon
from hologram.v1 import hologram_pb2 as pb
from native import OK

CONFINE = str(BUILD / "tests" / "support" / "confine")
LEVELS = ("avx512", "avx2")
RULES = ("seccomp", "mdwe")


def cpu_flags():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="ascii")
    return set(re.search(r"^flags\s*:(.*)$", text, re.MULTILINE)[1].split())


HAS_AVX2 = {"avx2", "fma", "f16c", "bmi2"} <= cpu_flags()
HAS_AVX512 = HAS_AVX2 and {"avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512cd"} <= cpu_flags()
needs_native = pytest.mark.skipif(not HAS_AVX2, reason="this CPU gets no native code")


def compute(daemon, count=5000):
    """Runs operations of several kinds, and checks one."""
    with daemon.connect() as client:
        for id in (1, 2, 3):
            assert client.alloc(id, count).code == OK
        assert client.write(1, struct.pack(f"<{count}f", *map(float, range(count)))).code == OK
        assert client.write(2, struct.pack(f"<{count}f", *[0.5] * count)).code == OK
        for op, inputs in (("gelu", [1]), ("softmax", [1]), ("vector_add", [1, 2])):
            reply = client.execute(op, inputs, [3])
            assert reply.code == OK, reply.text
        assert client.read(3).payload == struct.pack(f"<{count}f",
                                                     *(i + 0.5 for i in range(count)))
        return client.stats()


def mappings(daemon):
    """(mode, name) of every mapping of the daemon."""
    lines = pathlib.Path(f"/proc/{daemon.process.pid}/maps").read_text(encoding="utf-8").split("\n")
    parts = (line.split(None, 5) for line in lines if line)
    return [(part[1], part[5] if len(part) > 5 else "") for part in parts]


def confined(rule):
    """The prefix that starts a command under RULE; skips where the kernel has no such rule."""
    if subprocess.run([CONFINE, rule, "true"], check=False).returncode == 77:
        pytest.skip(f"this kernel has no {rule}")
    return (CONFINE, rule)


@needs_native
def test_no_page_is_writable_and_executable():
    """The code's file is mapped twice, once for each, and nothing is mapped for both."""
    with Daemon() as daemon:
        stats = compute(daemon)
        assert stats.executor == "native"
        modes = mappings(daemon)
        assert not [entry for entry in modes if "w" in entry[0] and "x" in entry[0]]
        code = sorted(mode for mode, name in modes if "hologram-code" in name)
        assert code == ["r-xs", "rw-s"]
        metrics = daemon.metrics()
        assert metrics["hologram_native_programs_total"] >= 3
        assert 0 < metrics["hologram_native_code_bytes"] < metrics["hologram_native_code_bytes_limit"]
        assert metrics["hologram_native_refused_total"] == 0


@needs_native
@pytest.mark.parametrize("rule", RULES)
def test_native_code_works_under_the_rules(rule):
    """Under what systemd's MemoryDenyWriteExecute forbids, and under PR_SET_MDWE."""
    with Daemon(prefix=confined(rule)) as daemon:
        assert compute(daemon).executor == "native"
        assert daemon.metrics()["hologram_native_programs_total"] >= 3
        assert "no native code" not in daemon.log()


@needs_native
@pytest.mark.parametrize("rule", RULES)
def test_every_kernel_is_right_under_the_rules(rule):
    """The quick round of the kernel harness, native code among it."""
    command = [*confined(rule), str(BUILD / "tests" / "kernels" / "check_kernels")]
    done = subprocess.run(command + (["vector_add"] if SANITIZED else []), check=False,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert " 0 failures" in done.stdout


@needs_native
def test_without_memory_for_code_the_daemon_computes():
    """It says so, once, and what runs is the block executor."""
    with Daemon(prefix=(CONFINE, "memfd")) as daemon:
        assert compute(daemon).executor == "block"
        log = daemon.log()
        assert log.count("no native code") == 1
        assert "no memory file" in log
        assert daemon.metrics()["hologram_native_programs_total"] == 0


def test_native_code_can_be_switched_off():
    """Then there is not even room for it, and no line in the log."""
    with Daemon("--set", "engine.native=off") as daemon:
        assert compute(daemon).executor == "block"
        assert not [name for _, name in mappings(daemon) if "hologram-code" in name]
        assert "no native code" not in daemon.log()


@pytest.mark.parametrize("level,has", zip(LEVELS, (HAS_AVX512, HAS_AVX2)))
def test_a_level_can_be_chosen(level, has):
    """That level or, where the CPU has it not, none."""
    with Daemon("--set", f"engine.native={level}") as daemon:
        assert compute(daemon).executor == ("native" if has else "block")
        assert f"native={level if has else 'off'}" in daemon.log()
        assert ("no native code" in daemon.log()) == (not has)


@needs_native
def test_a_full_arena_is_no_failure():
    """Programs that find no room run without."""
    with Daemon("--set", "engine.native_bytes_max=64KiB") as daemon:
        compute(daemon)
        with daemon.connect() as client:
            dtypes = (pb.F16, pb.BF16, pb.F32, pb.F64)
            for i, dtype in enumerate(dtypes):
                assert client.alloc(10 + i, 9000, dtype=dtype).code == OK
                for op in ("gelu", "softmax", "tanh", "sigmoid", "relu", "vector_add"):
                    inputs = [10 + i] * (2 if op == "vector_add" else 1)
                    for n in (100, 9000):
                        reply = client.execute(op, inputs, [10 + i], n=n) \
                            if op != "softmax" else client.execute(op, inputs, [10 + i])
                        assert reply.code == OK, reply.text
        metrics = daemon.metrics()
        assert metrics["hologram_native_code_bytes"] <= 64 * 1024


@needs_native
def test_profilers_are_told_names():
    """With perf_map on, each piece of code has a line."""
    with Daemon("--set", "engine.perf_map=on") as daemon:
        compute(daemon)
        path = pathlib.Path(f"/tmp/perf-{daemon.process.pid}.map")
        try:
            text = path.read_text(encoding="ascii")
        finally:
            path.unlink(missing_ok=True)
    assert re.search(r"^[0-9a-f]+ [0-9a-f]+ hologram:gelu\.f32 loop$", text, re.MULTILINE), text
    assert "hologram:vector_add.f32" in text
