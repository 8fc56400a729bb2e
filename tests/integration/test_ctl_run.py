# SPDX-License-Identifier: Apache-2.0
"""hologramctl: operations, programs, and what they cost."""

import os
import pty
import subprocess

import numpy as np
import pytest

from ctl_client import (CTL, EXHAUSTED, FILE, NOT_FOUND, OK, REFUSED, USAGE, ctl, read_terminal,
                        served)


# ---- operations ----------------------------------------------------------------------------------

def test_run_makes_the_outputs_it_needs(ctl):
    """Shapes of new outputs: the first input's, a product's, a reduction's, a loss's."""
    a = np.array([[1, 2, 3], [4, 5, 6]], "f4")
    b = np.array([[7, 8], [9, 10], [11, 12]], "f4")
    ctl.put("a", a)
    ctl.put("b", b)
    ctl.put("x", np.array([7, 8, 9], "f4"))
    ctl("run", "gemm", "a", "b", "-o", "c")
    assert ctl.get("c").tolist() == [[58, 64], [139, 154]]
    ctl("run", "gemm", "a", "a", "-o", "aat", "--attr", "trans_b=true")
    assert ctl.get("aat").tolist() == (a @ a.T).tolist()
    ctl("run", "matvec", "a", "x", "-o", "y")
    assert ctl.get("y").tolist() == [50, 122]
    ctl("run", "sum", "a", "-o", "all")
    assert ctl.get("all").tolist() == [21]
    ctl("run", "sum", "a", "-o", "rows", "--attr", "cols=3")
    assert ctl.get("rows").tolist() == [6, 15]
    ctl("run", "mse", "a", "a", "-o", "loss")
    assert ctl.get("loss").tolist() == [0]
    ctl("run", "vector_mul", "a", "a", "-o", "a")
    assert ctl.get("a").tolist() == (a * a).tolist()
    assert ctl.get("c").shape == (2, 2)


def test_run_takes_scalars_in_the_operands_type(ctl):
    ctl.put("i", np.array([-5, 0, 5], "i2"))
    ctl("run", "clip", "i", "-o", "c", "--attr", "lo=-1", "--attr", "hi=1")
    assert ctl.get("c").tolist() == [-1, 0, 1]
    _, error = ctl("run", "clip", "i", "-o", "c", "--attr", "lo=-1", "--attr", "hi=40000",
                   code=USAGE)
    assert "hi" in error and "i16" in error and "40000" in error
    ctl("run", "clip", "i", "-o", "c", "--attr", "low=1", code=USAGE)
    ctl("alloc", "f", "--shape", "4", "--dtype", "f64")
    ctl("run", "fill", "-o", "f", "--attr", "value=0.1")
    assert ctl.get("f").tolist() == [0.1] * 4
    _, error = ctl("run", "fill", "-o", "nope", "--attr", "value=1", code=NOT_FOUND)
    assert "hologramctl alloc" in error


def test_run_tells_what_the_cache_did(ctl):
    """The first run of a form builds it, the second finds it."""
    ctl.put("x", np.arange(5, dtype="u4"))
    ctl("run", "neg", "x", "-o", "y", code=REFUSED)
    ctl.put("x", np.arange(5, dtype="i8"), "--force")
    first = ctl.json("run", "neg", "x", "-o", "y")
    second = ctl.json("run", "neg", "x", "-o", "y")
    assert (first["cache"], first["outcome"], second["outcome"]) == ("neg", "precompiled", "hit")
    assert "cache neg: hit" in ctl("run", "neg", "x", "-o", "y")[0]


@pytest.mark.parametrize("arguments,code,words", [
    (("nope", "x", "-o", "y"), NOT_FOUND, "nope"),
    (("relu", "x", "x", "-o", "y"), USAGE, "expected 1 inputs"),
    (("relu", "nope", "-o", "y"), NOT_FOUND, "nope"),
    (("vector_div", "x", "zero", "-o", "y"), REFUSED, "DIVISION_BY_ZERO"),
    (("gemm", "x", "x", "-o", "y"), REFUSED, "gemm"),
])
def test_run_reports_what_is_wrong(ctl, arguments, code, words):
    """Errors have their status and text, and outputs that were not computed are not published."""
    ctl.put("x", np.ones(4, "i4"))
    ctl.put("zero", np.zeros(4, "i4"))
    _, error = ctl("run", *arguments, code=code)
    assert words in error
    ctl("get", "y", code=NOT_FOUND)


# Types and shapes of outputs that are made: of comparisons, indices, other places.
def test_outputs_have_the_operations_types_and_shapes(ctl):
    a = np.arange(12, dtype="f4").reshape(3, 4)
    ctl.put("a", a)
    ctl.put("b", a[::-1].copy())
    ctl.put("i", np.array([2, 0], "i4"))
    cases = (
        (("less", "a", "b"), (a < a[::-1]).astype("u1")),
        (("where", "y0", "a", "b"), np.where(a < a[::-1], a, a[::-1])),
        (("argmax", "a", "--attr", "cols=4"), a.argmax(axis=1)),
        (("transpose", "a"), a.T),
        (("concat", "a", "b"), np.concatenate((a, a[::-1])).reshape(-1)),
        (("concat", "a", "b", "--attr", "rows=3"), np.concatenate((a, a[::-1]), axis=1)),
        (("gather_rows", "a", "i"), a[[2, 0]]),
        (("sum_axis", "a"), a.sum(axis=0)))
    for i, (arguments, expected) in enumerate(cases):
        ctl("run", *arguments, "-o", f"y{i}")
        result = ctl.get(f"y{i}")
        assert result.dtype == expected.dtype and result.shape == expected.shape
        assert np.array_equal(result, expected)
    error = ctl("run", "gather_rows", "a", "y0", "-o", "y9", code=REFUSED)[1]
    assert "gather_rows: input indices: expected i32 or i64 or u32, got u8" in error


# ---- statistics ----------------------------------------------------------------------------------

def test_stats_count_hits_and_misses(ctl):
    def cache(name):
        return next(row for row in ctl.json("stats")["caches"] if row["cache"] == name)

    ctl.put("x", np.ones(4, "f8"))
    before = cache("tanh")
    for _ in range(3):
        ctl("run", "tanh", "x", "-o", "y")
    after = cache("tanh")
    assert after["hits"] + after["misses"] - before["hits"] - before["misses"] == 3
    assert after["builds"] - before["builds"] <= 1
    table = ctl("stats")[0]
    row = next(line for line in table.splitlines() if line.startswith("tanh "))
    assert row.split()[1] == str(after["hits"])
    assert len(ctl("stats", "--all")[0].splitlines()) > len(table.splitlines())
    pools = {pool["pool"]: pool for pool in ctl.json("stats")["pools"]}
    assert pools["heap"]["bytes_used"] >= 64


def test_top_prints_once_without_a_terminal(ctl):
    assert "CACHE" in ctl("top", "--once")[0]
    ctl("top", code=USAGE)


def test_top_runs_on_a_terminal_until_q(ctl):
    leader, follower = pty.openpty()
    environment = {**os.environ, "HOLOGRAM_SOCKET": str(ctl.daemon.path), "TERM": "xterm"}
    process = subprocess.Popen([CTL, "top", "--interval", "0.1"], stdin=follower, stdout=follower,
                               stderr=follower, env=environment)
    os.close(follower)
    try:
        text = read_terminal(leader, 20, until=b"q quits")
        assert b"hologramd" in text and b"CACHE" in text
        os.write(leader, b"q")
        read_terminal(leader, 1)
        assert process.wait(20) == OK
    finally:
        process.kill()
        os.close(leader)


def test_bench_measures_three_ways(ctl):
    rows = ctl.json("bench", "vector_add", "--seconds", "0.1", "--depth", "8")
    assert [row["mode"] for row in rows] == ["single", "pipelined", "batch"]
    for row in rows:
        assert 0 < row["p50_ns"] <= row["p99_ns"] <= row["p999_ns"]
        assert row["operations"] > 0
    for op in ("gemm", "matvec", "linear", "clip", "sum", "fill", "softmax", "less", "where",
               "argmax", "layer_norm", "sum_axis", "transpose", "concat", "gather_rows"):
        assert "single" in ctl("bench", op, "-m", "single", "-l", "0.02", "-n", "16")[0]
    ctl("bench", "nope", code=NOT_FOUND)


# ---- programs ------------------------------------------------------------------------------------

ADD = """ldg.f32 r1, [b0 + lane]
ldg.f32 r2, [b1 + lane]
param.f32 r4, 3
add.f32 r3, r1, r2
mul.f32 r3, r3, r4
stg.f32 [b2 + lane], r3
"""


def test_programs_run_on_named_buffers(ctl):
    """A user's program, with a parameter, on buffers by name."""
    (ctl.folder / "add.hasm").write_text(ADD)
    ctl.put("a", np.array([1, 2, 3], "f4"))
    ctl.put("b", np.array([10, 20, 30], "f4"))
    ctl("alloc", "c", "--shape", "3")
    text, _ = ctl("asm", "--run", "add.hasm", "a", "b", "c", "--param", "f32:0.5")
    assert "cache user" in text
    assert ctl.get("c").tolist() == [5.5, 11, 16.5]
    ctl("asm", "--run", "add.hasm", "a", "b", "c", "--param", "f32:2", "--rows", "1", "--cols", "2")
    assert ctl.get("c").tolist() == [22, 44, 16.5]


def test_programs_survive_the_binary_form(ctl):
    """asm -o and disasm are inverses."""
    (ctl.folder / "add.hasm").write_text(ADD)
    assert "6 instructions, 3 slots" in ctl("asm", "add.hasm")[1]
    ctl("asm", "add.hasm", "-o", "add.bin")
    text = ctl("disasm", "add.bin")[0]
    (ctl.folder / "again.hasm").write_text(text)
    ctl("asm", "again.hasm", "-o", "again.bin")
    assert (ctl.folder / "add.bin").read_bytes() == (ctl.folder / "again.bin").read_bytes()


def test_wrong_programs_are_refused_where_they_are_wrong(ctl):
    """Text: line and column. Meaning: the instruction. Binary: what it is not. Run time: status."""
    (ctl.folder / "x.hasm").write_text("ldg.f32 r1, [b0 + lane]\nfrobnicate r1\n")
    assert "line 2" in ctl("asm", "x.hasm", code=FILE)[1]
    (ctl.folder / "x.hasm").write_text("stg.f32 [b0 + lane], r1\n")
    assert "r1" in ctl("asm", "x.hasm", code=FILE)[1]
    (ctl.folder / "x.bin").write_bytes(b"no program at all")
    ctl("disasm", "x.bin", code=FILE)
    ctl("asm", "missing.hasm", code=FILE)
    (ctl.folder / "x.hasm").write_text(ADD)
    ctl.put("a", np.zeros(3, "f4"))
    ctl("asm", "--run", "x.hasm", "a", "a", "nope", code=NOT_FOUND)
    _, error = ctl("asm", "--run", "x.hasm", "a", "a", "a", "--cols", "4", code=REFUSED)
    assert "OUT_OF_RANGE" in error or "INVALID_ARGUMENT" in error


def test_fuel_ends_a_program_that_does_not(ctl):
    (ctl.folder / "spin.hasm").write_text("@again:\nbra @again\n")
    assembled = ctl.raw("asm", "spin.hasm")
    if assembled.returncode != OK:
        (ctl.folder / "spin.hasm").write_text("again:\nbra @again\n")
        ctl("asm", "spin.hasm")
    _, error = ctl("asm", "--run", "spin.hasm", "--cols", "1", "--fuel", "1000", code=EXHAUSTED)
    assert "FUEL_EXHAUSTED" in error
