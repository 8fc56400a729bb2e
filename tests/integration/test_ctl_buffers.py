# SPDX-License-Identifier: Apache-2.0
"""hologramctl: named buffers, to and from files."""

import os
import pty
import subprocess
import time

import numpy as np
import pytest

from ctl_client import (CTL, DTYPES, EXHAUSTED, FILE, NOT_FOUND, OK, REFUSED, ctl, read_terminal,
                        served)


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
