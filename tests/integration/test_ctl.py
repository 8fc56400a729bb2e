# SPDX-License-Identifier: Apache-2.0
"""hologramctl, as people and scripts use it, against a real daemon."""

import json
import os
import pty
import re
import select
import subprocess
import time

import numpy as np
import pytest

from conftest import BUILD, ROOT, Daemon

CTL = str((BUILD / "bin" / "hologramctl").resolve())
OK, REFUSED, USAGE, UNREACHABLE, FILE, NOT_FOUND, DENIED, TIMEOUT, EXHAUSTED, SERVER = range(10)

DTYPES = {"i8": "i1", "i16": "<i2", "i32": "<i4", "i64": "<i8", "u8": "u1", "u16": "<u2",
          "u32": "<u4", "u64": "<u8", "f16": "<f2", "f32": "<f4", "f64": "<f8"}
COMMANDS = "ping info ops put get alloc free ls run stats top bench asm disasm".split()


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

    def json(self, *arguments):
        return json.loads(self(*arguments, "--json")[0])


@pytest.fixture(scope="module")
def served():
    with Daemon() as daemon:
        yield daemon


@pytest.fixture
def ctl(served, tmp_path):
    """A command line, and no named buffers left from the test before."""
    made = Ctl(served, tmp_path)
    names = made("ls", "--names")[0].split()
    if names:
        made("free", *names)
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


# ---- usage ---------------------------------------------------------------------------------------

def test_every_command_has_help_a_manual_and_completion(ctl):
    """--help lists every command, each has its own help, and all are in the manual and completion."""
    listing = ctl("--help")[0]
    assert re.findall(r"^  ([a-z]+) ", listing.split("Commands:")[1], re.MULTILINE) == COMMANDS
    manual = (ROOT / "client/man/hologramctl.1").read_text()
    completion = (ROOT / "client/cli/hologramctl.bash").read_text()
    for command in COMMANDS:
        text = ctl(command, "--help")[0]
        assert text.startswith(f"Usage: hologramctl {command}")
        assert f".It Cm {command} " in manual
        assert f'"{" ".join(COMMANDS)}"' in completion
        for option in re.findall(r"^ .*--([a-z]+)", text, re.MULTILINE):
            assert f"--{option}" in completion, f"{command} --{option}"


def test_manuals_are_well_formed():
    """groff has nothing to complain about."""
    for page in ("hologramctl.1", "hologramd.8"):
        done = subprocess.run(["groff", "-ww", "-mdoc", "-Tutf8", "-z", ROOT / "client/man" / page],
                              capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == ""


@pytest.mark.parametrize("arguments,text", [
    ((), "Usage: hologramctl"), (("nope",), "there is no command 'nope'"),
    (("put", "x"), "expected NAME and FILE"), (("get",), "expected NAME"),
    (("get", "x", "f", "z"), "got also 'z'"), (("put", "x", "f", "z"), "got also 'z'"),
    (("alloc", "x"), "expected a NAME and --shape"),
    (("alloc", "x", "--shape", "2,a"), "got '2,a'"),
    (("alloc", "x", "--shape", "1,1,1,1,1,1,1,1,1"), "up to 8 numbers"),
    (("alloc", "x", "--shape", "2", "-d", "f31"), "there is no dtype 'f31'"),
    (("alloc", "x", "--shape", "2", "-p", "stack"), "heap, boundary or shared, got 'stack'"),
    (("put", "x", "f", "-p", "stack"), "heap, boundary or shared, got 'stack'"),
    (("run", "relu", "x", "-o", "y", "-p", "stack"), "heap, boundary or shared, got 'stack'"),
    (("put", "x", "f", "-d", "f31"), "there is no dtype 'f31'"),
    (("bench", "-d", "f31"), "there is no dtype 'f31'"),
    (("free",), "expected at least one NAME"), (("run", "relu", "x"), "expected"),
    (("ping", "--timeout", "soon"), "got 'soon'"), (("ping", "--count", "0"), "'0'"),
    (("ping", "extra"), "hologramctl ping"), (("ls", "--nope"), "'--nope'"),
    (("asm",), "expected"), (("asm", "x.hasm", "buffer"), "--run"),
    (("asm", "x", "--param", "f32"), "'f32'"), (("bench", "-m", "fast"), "'fast'"),
    (("top", "--interval", "0"), "'0'"), (("put", "x", "f", "--mode", "999"), "got '999'"),
    (("put", "x", "f", "--group", "no such"), "there is no group 'no such'"),
    (("ping", "-t", "-1"), "got '-1'")])
def test_wrong_arguments_are_usage_errors(ctl, arguments, text):
    """Wrong arguments are refused with status 2 and a text that names them, without a server."""
    done = ctl.raw(*arguments, socket="/nonexistent")
    assert done.returncode == USAGE
    assert b"hologramctl" in done.stderr and text in done.stderr.decode()


def test_no_server_is_unreachable(ctl):
    """Status 3 and the path that was tried."""
    _, error = ctl("ping", code=UNREACHABLE, socket="/nonexistent/socket")
    assert "/nonexistent/socket" in error


def test_options_may_stand_before_or_after_the_command(ctl, served):
    for arguments in (("--socket", served.path, "ping"), ("ping", "--socket", served.path)):
        ctl(*arguments, socket="/nonexistent")


def test_full_disk_is_an_error(ctl):
    """What cannot be written is not a success."""
    with open("/dev/full", "wb") as full:
        done = subprocess.run([CTL, "ops", "--socket", ctl.daemon.path], stdout=full,
                              stderr=subprocess.PIPE)
    assert done.returncode == FILE


def test_version_is_the_programs(ctl):
    assert re.fullmatch(r"hologramctl \d+\.\d+\.\d+\n", ctl("--version")[0])


# ---- the server ----------------------------------------------------------------------------------

def test_ping_and_info_tell_who_answers(ctl):
    assert re.match(r"hologramd \S+: 3 round trips, min .*s, mean", ctl("ping", "-c", 3)[0])
    assert "limits of a session" in ctl("info")[0]
    info = ctl.json("info")
    assert info["protocol_version"] == 1
    assert info["limits"]["boundary_classes_max"] == 16


def test_ops_are_listed_and_described(ctl):
    names = ctl("ops", "--names")[0].split()
    assert len(names) == 26 and {"gemm", "softmax", "vector_add"} <= set(names)
    assert len(ctl("ops")[0].splitlines()) == 26
    text = ctl("ops", "gemm")[0]
    assert "gemm(A, B) -> C" in text and "--attr trans_b=flag" in text
    assert {op["name"] for op in ctl.json("ops")} == set(names)
    _, error = ctl("ops", "nope", code=NOT_FOUND)
    assert "nope" in error


# ---- buffers -------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 4), (2, 3, 4), (1,) * 8])
def test_arrays_come_back_as_they_went(ctl, dtype, shape):
    """Every type and rank survives the way to the server and back, byte for byte."""
    count = int(np.prod(shape))
    array = np.arange(count).astype(DTYPES[dtype]).reshape(shape)
    ctl.put("x", array)
    again = ctl.get("x")
    assert again.dtype == array.dtype and again.shape == array.shape
    assert again.tobytes() == array.tobytes()
    info = ctl.json("ls")[0]
    assert info["dtype"] == dtype and info["shape"] == list(shape)


def test_bf16_travels_as_uint16(ctl):
    """bf16 has no code of its own in .npy files."""
    bits = np.array([0x3F80, 0x4000, 0xC040], dtype="<u2")
    ctl.put("x", bits, "--dtype", "bf16")
    assert ctl("get", "x")[0] == "[ 1,  2, -3]\n"
    assert (ctl.get("x") == bits).all()
    np.save(ctl.folder / "in.npy", np.zeros(3, "f4"))
    _, error = ctl("put", "y", "in.npy", "--dtype", "bf16", code=FILE)
    assert "not the size of bf16" in error


def test_standard_input_and_output_are_files(ctl):
    array = np.linspace(0, 1, 1000)
    np.save(ctl.folder / "in.npy", array)
    data = (ctl.folder / "in.npy").read_bytes()
    ctl("put", "x", "-", stdin=data)
    assert ctl.raw("get", "x", "-").stdout == data


def test_put_writes_over_the_same_and_asks_before_replacing(ctl):
    """A second put of the same type and shape is an update; another shape needs --force."""
    ctl.put("x", np.zeros(4, "f4"))
    ctl.put("x", np.ones(4, "f4"))
    assert ctl.get("x").tolist() == [1] * 4
    np.save(ctl.folder / "in.npy", np.ones(5, "f4"))
    _, error = ctl("put", "x", "in.npy", code=REFUSED)
    assert "f32 [4]" in error and "--force" in error
    assert ctl.get("x").tolist() == [1] * 4
    ctl("put", "x", "in.npy", "--force")
    assert len(ctl.get("x")) == 5


@pytest.mark.parametrize("data,reason", [
    (b"", "ends early"), (b"\x93NUMPY\x01\x00\x76\x00{'descr", "ends early"),
    (b"PK\x03\x04 not an array", "not a .npy file"),
    (b"\x93NUMPY\x09\x00\x76\x00............", "version 9")])
def test_files_that_are_no_arrays_are_refused(ctl, data, reason):
    (ctl.folder / "x.npy").write_bytes(data)
    _, error = ctl("put", "x", "x.npy", code=FILE)
    assert reason in error and "x.npy" in error
    ctl("get", "x", code=NOT_FOUND)


def test_arrays_that_we_cannot_hold_are_refused(ctl):
    """Column-major, big-endian, complex: each with what to do; a file that ends early publishes
    nothing."""
    for array, reason in ((np.asfortranarray(np.zeros((2, 3))), "ascontiguousarray"),
                          (np.zeros(3, ">f4"), "big-endian"), (np.zeros(3, "c8"), "'<c8'")):
        np.save(ctl.folder / "x.npy", array)
        assert reason in ctl("put", "x", "x.npy", code=FILE)[1]
    np.save(ctl.folder / "x.npy", np.zeros(1000))
    whole = (ctl.folder / "x.npy").read_bytes()
    (ctl.folder / "x.npy").write_bytes(whole[:-1])
    assert "ends early" in ctl("put", "x", "x.npy", code=FILE)[1]
    assert ctl("ls", "--names")[0] == ""


def test_get_writes_whole_files_or_none(ctl):
    """A failing get leaves neither a file nor a part of one."""
    ctl.put("x", np.zeros(10))
    ctl("get", "x", "missing/x.npy", code=FILE)
    ctl("get", "nope", "y.npy", code=NOT_FOUND)
    assert sorted(path.name for path in ctl.folder.iterdir()) == ["in.npy"]
    ctl("get", "x", "x.npy")
    assert (ctl.folder / "x.npy").stat().st_mode & 0o777 == 0o666 & ~os.umask(os.umask(0o22))


def test_arrays_are_printed_readably(ctl):
    """Small arrays whole, large ones by their ends, values as short as they read back."""
    ctl.put("m", np.array([[1.5, -2, 10], [0.1, 1e10, np.nan]], "f4"))
    assert ctl("get", "m")[0] == "[[  1.5,    -2,    10],\n [  0.1, 1e+10,   nan]]\n"
    ctl.put("i", np.array([-128, 127], "i1"))
    assert ctl("get", "i")[0] == "[-128,  127]\n"
    ctl.put("s", np.float64(0.1))
    assert ctl("get", "s")[0] == "0.1\n"
    ctl.put("e", np.zeros((2, 0)))
    assert ctl("get", "e")[0] == "[[],\n []]\n"
    ctl.put("l", np.arange(2000, dtype="i4"))
    assert ctl("get", "l")[0] == "[   0,    1,    2, ..., 1997, 1998, 1999]\n"
    assert ctl("get", "l", "--all")[0].count(",") == 1999


def test_alloc_makes_zeros_where_asked(ctl):
    ctl("alloc", "x", "--shape", "2,3", "--dtype", "f16", "--mode", "640")
    assert ctl.get("x").tolist() == [[0] * 3] * 2
    text, _ = ctl("alloc", "b", "--shape", "3072", "--pool", "boundary")
    assert "12.0 KiB in the boundary pool" in text
    rows = {row["name"]: row for row in ctl.json("ls")}
    assert rows["x"]["mode"] == "0640" and rows["b"]["pool"] == "boundary"
    _, error = ctl("alloc", "x", "--shape", "1", code=REFUSED)
    assert "x" in error and "ALREADY_EXISTS" in error
    ctl("alloc", "big", "--shape", "3073", "--pool", "boundary", code=REFUSED)
    ctl("alloc", "huge", "--shape", str(1 << 50), code=EXHAUSTED)
    ctl("alloc", "huge", "--shape", str(1 << 62), code=REFUSED)
    assert "x  " in ctl("ls")[0]


def test_free_removes_and_names_what_it_cannot(ctl):
    ctl.put("x", np.zeros(1))
    ctl.put("y", np.zeros(1))
    _, error = ctl("free", "x", "nope", "y", code=NOT_FOUND)
    assert "nope" in error
    assert ctl("ls", "--names")[0] == ""


def test_large_transfers_go_in_pieces(ctl):
    """40 MB there and back, more than one piece, unchanged."""
    array = np.random.default_rng(1).standard_normal(5_000_000)
    ctl.put("x", array)
    assert (ctl.get("x") == array).all()


def test_shared_memory_is_read_and_written_in_place(ctl):
    """Files go straight to and from the mapped memory: their bytes pass no socket."""
    def moved():
        metrics = ctl.daemon.metrics()
        return sum(metrics[f"hologram_{way}_bytes_total"] for way in ("received", "sent"))

    array = np.random.default_rng(1).standard_normal((1000, 1000))
    before = moved()
    text, _ = ctl.put("x", array, "--pool", "shared")
    assert text == "x: f64 [1000, 1000], 7.6 MiB in the shared pool\n"
    assert (ctl.get("x") == array).all()
    ctl.put("x", -array)  # over the same memory
    assert (ctl.get("x") == -array).all()
    ctl("get", "x")  # printed from there
    assert moved() - before < 100_000
    assert "shared" in ctl("ls")[0] and ctl("info", "x")


def test_shared_memory_is_made_where_asked(ctl):
    """alloc and run make it, too; a buffer in another pool is replaced only with --force."""
    ctl("alloc", "a", "--shape", "0", "--pool", "shared")
    text, _ = ctl("alloc", "b", "--shape", "2,3", "--pool", "shared", "--dtype", "i16")
    assert text == "b: i16 [2, 3], 12 B in the shared pool\n"
    assert ctl.get("b").tolist() == [[0] * 3] * 2 and ctl.get("a").size == 0
    ctl.put("x", np.ones(5, "f4"))
    ctl("run", "vector_add", "x", "x", "-o", "y", "--pool", "shared")
    assert ctl.get("y").tolist() == [2] * 5
    pools = {row["name"]: row["pool"] for row in ctl.json("ls")}
    assert pools == {"a": "shared", "b": "shared", "x": "heap", "y": "shared"}
    _, error = ctl("put", "x", "in.npy", "--pool", "shared", code=REFUSED)
    assert "x exists and is f32 [5] in the heap pool; --force replaces it" in error
    ctl("put", "x", "in.npy", "--pool", "shared", "--force")
    np.save(ctl.folder / "in.npy", np.zeros(7, "f4"))
    ctl("put", "x", "in.npy", "--force")
    assert [row["pool"] for row in ctl.json("ls") if row["name"] == "x"] == ["heap"]


def test_a_short_file_leaves_no_new_shared_buffer(ctl):
    np.save(ctl.folder / "in.npy", np.ones(100))
    data = (ctl.folder / "in.npy").read_bytes()
    _, error = ctl("put", "x", "-", "--pool", "shared", stdin=data[:-1], code=FILE)
    assert "the file ends early" in error and ctl("ls", "--names")[0] == ""


def put_slowly(ctl, stderr):
    """Feeds a put so that it takes longer than a second; gives the process."""
    np.save(ctl.folder / "in.npy", np.zeros(3_000_000))
    data = (ctl.folder / "in.npy").read_bytes()
    process = subprocess.Popen([CTL, "put", "x", "-", "--socket", ctl.daemon.path],
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=stderr)
    process.stdin.write(data[:5_000_000])
    process.stdin.flush()
    time.sleep(1.2)
    process.stdin.write(data[5_000_000:])
    process.stdin.close()
    return process


def test_slow_transfers_show_a_bar_on_a_terminal(ctl):
    """A bar after a second, gone at the end; nothing when standard error is no terminal."""
    leader, follower = pty.openpty()
    process = put_slowly(ctl, follower)
    os.close(follower)
    text = read_terminal(leader, 20, until=b"\r\x1b[K")
    assert process.wait(20) == OK
    os.close(leader)
    assert b"x [#" in text and b"%" in text
    process = put_slowly(ctl, subprocess.PIPE)
    assert process.stderr.read() == b""
    assert process.wait(20) == OK
    process.stderr.close()


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
    for op in ("gemm", "matvec", "clip", "sum", "fill", "softmax"):
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


# ---- completion ----------------------------------------------------------------------------------

def complete(ctl, line):
    script = (f'PATH={os.path.dirname(CTL)}:$PATH; source {ROOT}/client/cli/hologramctl.bash; '
              'compopt() { :; }; '
              f'COMP_WORDS=({line}); [[ "$1" ]] && COMP_WORDS+=(""); '
              'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _hologramctl; printf "%s\\n" "${COMPREPLY[@]}"')
    environment = {**os.environ, "HOLOGRAM_SOCKET": str(ctl.daemon.path)}
    done = subprocess.run(["bash", "-c", script, "bash", "new" if line.endswith(" ") else ""],
                          env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    return done.stdout.split()


def test_bash_completes_commands_options_and_names(ctl):
    ctl.put("weights/w1", np.zeros(1))
    assert complete(ctl, "hologramctl pu") == ["put"]
    assert complete(ctl, "hologramctl get w") == ["weights/w1"]
    assert complete(ctl, "hologramctl run vector_a") == ["vector_add"]
    assert complete(ctl, "hologramctl run relu ") == ["weights/w1"]
    assert complete(ctl, "hologramctl alloc --dtype b") == ["bf16"]
    assert "--fallback" in complete(ctl, "hologramctl alloc --f")
    assert set(complete(ctl, "hologramctl ")) == set(COMMANDS)


# ---- faults --------------------------------------------------------------------------------------

def test_a_daemon_that_goes_away_is_unreachable(tmp_path):
    """The connection breaks in the middle of a benchmark: status 3, a text, no crash."""
    with Daemon() as daemon:
        ctl = Ctl(daemon, tmp_path)
        process = subprocess.Popen([CTL, "bench", "--seconds", "30", "--socket", daemon.path],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        time.sleep(0.3)
        daemon.stop()
        _, error = process.communicate(timeout=60)
        assert process.returncode == UNREACHABLE, error
        ctl("ping", code=UNREACHABLE)


def test_a_server_that_says_nothing_times_out(ctl, tmp_path):
    """Nobody accepts or answers: the client gives up by itself."""
    import socket
    path = tmp_path / "silent"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        _, error = ctl("ping", code=UNREACHABLE, socket=path)
    assert "DEADLINE_EXCEEDED" in error


def test_nothing_is_left_behind(ctl):
    """After everything above and no names, the pools are empty."""
    def used():
        return sum(pool["bytes_used"] for pool in ctl.json("stats")["pools"])

    deadline = time.monotonic() + 10
    while used() != 0:
        assert time.monotonic() < deadline, ctl.json("stats")["pools"]
        time.sleep(0.05)
