# SPDX-License-Identifier: Apache-2.0
"""hologramctl, as people and scripts use it, against a real daemon."""

import os
import re
import subprocess
import time

import numpy as np
import pytest

from conftest import ROOT, Daemon
from ctl_client import CTL, FILE, NOT_FOUND, UNREACHABLE, USAGE, Ctl, ctl, served

COMMANDS = ("ping info ops put get alloc free freeze ls run eval explain graph stats top cache bench "
            "asm disasm").split()


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


OPERATIONS = 53


def test_ops_are_listed_and_described(ctl):
    names = ctl("ops", "--names")[0].split()
    assert len(names) == OPERATIONS and {"gemm", "softmax", "vector_add"} <= set(names)
    assert len(ctl("ops")[0].splitlines()) == OPERATIONS
    text = ctl("ops", "gemm")[0]
    assert "gemm(A, B) -> C" in text and "--attr trans_b=flag" in text
    assert "types of cond: u8\n" in ctl("ops", "where")[0]
    assert {op["name"] for op in ctl.json("ops")} == set(names)
    _, error = ctl("ops", "nope", code=NOT_FOUND)
    assert "nope" in error


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
        _, error = ctl("ping", "--timeout", "0.2", code=UNREACHABLE, socket=path)
    assert "DEADLINE_EXCEEDED" in error
