# SPDX-License-Identifier: Apache-2.0
"""hologramctl cache, every command of it, against a real daemon."""

import json
import os
import re
import subprocess

import numpy as np
import pytest
from conftest import ROOT, Daemon
from ctl_client import CTL, DENIED, FILE, NOT_FOUND, REFUSED, USAGE, Ctl
from test_ctl import complete

COMMANDS = "top ls stats show what-if flush pin unpin profile warm".split()


@pytest.fixture(scope="module")
def served():
    with Daemon() as daemon:
        yield daemon


@pytest.fixture
def ctl(served, tmp_path):
    """A cache that holds vector_add and relu, which was used most; nothing pinned."""
    made = Ctl(served, tmp_path)
    for program in made.json("cache", "ls"):
        if program["pinned"]:
            made("cache", "unpin", program["key"])
    made("cache", "flush", "--all")
    made.put("x", np.arange(8, dtype="<f4"), "--force")
    made("run", "vector_add", "x", "x", "-o", "y")
    for _ in range(4):
        made("run", "relu", "x", "-o", "y")
    yield made
    made("free", "x", "y")


def key_of(ctl, cache):
    [program] = ctl.json("cache", "ls", "--cache", cache)
    return program["key"]


def test_every_command_has_help_a_manual_and_completion(ctl):
    """The table of commands is the manual's and the completion's."""
    listing = ctl("cache", "--help")[0]
    assert re.findall(r"^  ([a-z-]+) +\w", listing.split("Commands:")[1], re.MULTILINE) == COMMANDS
    manual = (ROOT / "client/man/hologramctl.1").read_text(encoding="utf-8")
    for command in COMMANDS:
        text = ctl("cache", command, "--help")[0]
        assert text.startswith(f"Usage: hologramctl cache {command}")
        assert f"Cm cache {command} " in manual
        offered = complete(ctl, f"hologramctl cache {command} --")
        for option in re.findall(r"^ .*--([a-z]+)", text, re.MULTILINE):
            assert f"--{option}" in offered, f"cache {command} --{option}"
    assert complete(ctl, "hologramctl cache ") == COMMANDS
    assert complete(ctl, "hologramctl cache ls --cache relu_") == []
    assert complete(ctl, "hologramctl cache ls --cache rel") == ["relu"]
    key = key_of(ctl, "relu")[:12]
    assert complete(ctl, f"hologramctl cache show {key[:6]}") == [key]


def test_top_and_ls(ctl):
    """Columns for people, everything for programs; the most used first."""
    lines = ctl("cache", "top")[0].splitlines()
    assert lines[0].split() == ["KEY", "CACHE", "HITS", "SIZE", "FLAGS", "PROGRAM"]
    assert lines[1].split()[1:3] == ["relu", "3"]
    assert [program["cache"] for program in ctl.json("cache", "top", "--count", 1)] == ["relu"]
    listed = ctl.json("cache", "ls")
    assert {program["cache"] for program in listed} == {"relu", "vector_add"}
    assert set(listed[0]) == {"key", "cache", "summary", "hits", "bytes", "pinned", "held"}
    assert len(ctl.json("cache", "ls", "--count", 1)) == 1
    assert len(ctl("cache", "ls")[0].splitlines()) == 3
    assert ctl.json("cache", "ls", "--cache", "tanh") == []


def test_ls_takes_several_pages(tmp_path):
    """More programs than a page holds are all listed, each once."""
    with Daemon("--set", "cache.specialize=full") as daemon, daemon.connect() as client:
        for id in range(1, 701):
            assert client.alloc(id, 8).code == 0
            assert client.execute("relu", [id], [id]).code == 0
        listed = Ctl(daemon, tmp_path).json("cache", "ls")
        assert len({program["key"] for program in listed}) == len(listed) == 700


def test_stats(ctl):
    """Misses by reason; with --all every cache, and which count only without fusion."""
    text = ctl("cache", "stats")[0]
    assert "FLUSHED" in text and "relu" in text and "tanh" not in text
    assert "tanh" in ctl("cache", "stats", "--all")[0]
    stats = ctl.json("cache", "stats")
    caches = {cache["cache"]: cache for cache in stats["caches"]}
    assert sum(caches["relu"]["missed"].values()) == caches["relu"]["misses"] > 0
    assert caches["softmax_exp"]["unfused"] and not caches["relu"]["unfused"]
    assert stats["entries"] == 2 and stats["entries_max"] == 16384


def test_show(ctl):
    """The key in words, the origin, what runs it, and the code."""
    key = key_of(ctl, "vector_add")
    text = ctl("cache", "show", key[:8])[0]
    for part in (key, "operand 1    f32, lane", "precompiled", "executor", "add.f32"):
        assert part in text
    shown = ctl.json("cache", "show", key)
    assert shown["fields"]["form"] == "unrolled" and "add.f32" in shown["code"]
    assert (shown["native_bytes"] > 0) == (shown["executor"] == "native")


def test_what_if(ctl):
    """For the sizes given, or for those around its own."""
    answer = ctl.json("cache", "what-if", 1, 10)
    assert [estimate["entries"] for estimate in answer["estimates"]] == [1, 10]
    text = ctl("cache", "what-if")[0]
    assert "(the size it has)" in text and "samples" in text
    assert "got 'x'" in ctl("cache", "what-if", "x", code=USAGE)[1]


def test_flush(ctl):
    """One, those of a cache, all; and exactly one of these has to be said."""
    assert ctl("cache", "flush", key_of(ctl, "relu"))[0] == "1 dropped\n"
    assert ctl("cache", "flush", "--cache", "vector_add")[0] == "1 dropped\n"
    assert ctl("cache", "flush", "--all")[0] == "0 dropped\n"
    for wrong in ((), ("--all", "--cache", "relu"), ("abcd", "--all")):
        assert "one of them" in ctl("cache", "flush", *wrong, code=USAGE)[1]


def test_pin_and_unpin(ctl):
    """Pinned ones stay; every key of several is tried, and the first failure is the status."""
    key, other = key_of(ctl, "relu"), key_of(ctl, "vector_add")
    _, error = ctl("cache", "pin", key, "zz", other, code=REFUSED)
    assert "got 'zz'" in error
    assert ctl("cache", "flush", "--all")[0] == "0 dropped\n"
    assert " P " in ctl("cache", "ls")[0]
    assert "pinned" in ctl("cache", "flush", key, code=REFUSED)[1]
    ctl("cache", "unpin", key, other)
    assert ctl("cache", "flush", "--all")[0] == "2 dropped\n"


def test_profile_and_warm(ctl):
    """What one command writes the other reads, through files or pipes."""
    ctl("cache", "profile", "keys")
    piped = ctl.raw("cache", "profile").stdout
    assert piped[:6] == b"HGKEYS" == (ctl.folder / "keys").read_bytes()[:6]
    ctl("cache", "flush", "--all")
    ctl("cache", "warm", "keys")
    assert ctl.raw("cache", "warm", "-", stdin=piped).returncode == 0
    ctl("run", "relu", "x", "-o", "y")
    stats = {cache["cache"]: cache for cache in ctl.json("cache", "stats")["caches"]}
    assert stats["relu"]["entries"] == 1


def test_what_is_wrong_is_named(ctl):
    """Each mistake with its status and in its words."""
    (ctl.folder / "nonsense").write_bytes(b"no keys")
    damaged = ctl.raw("cache", "profile").stdout
    (ctl.folder / "broken").write_bytes(damaged[:-1] + bytes([damaged[-1] ^ 1]))
    for arguments, code, part in (
            (("show", "zzzz"), REFUSED, "expected 4 to 64 of the digits 0-9 a-f, got 'zzzz'"),
            (("show", "0000000000"), NOT_FOUND, "begins with '0000000000'"),
            (("show",), USAGE, "expected KEY"),
            (("show", "abcd", "x"), USAGE, "unexpected argument 'x'"),
            (("ls", "--cache", "nope"), NOT_FOUND, "none called 'nope'"),
            (("top", "--count", "1001"), REFUSED, "expected at most 1000, got 1001"),
            (("top", "--count", "99999999999"), REFUSED, "at most 1000"),
            (("top", "--count", "0"), USAGE, "at least 1"),
            (("ls", "--count", "-1"), USAGE, "got '-1'"),
            (("nope",), USAGE, "cache: there is no command 'nope'"),
            ((), USAGE, "Usage: hologramctl cache"),
            (("warm", "missing"), FILE, "missing: No such file"), (("warm",), USAGE, "expected FILE"),
            (("warm", "nonsense"), FILE, "nonsense: "), (("warm", "broken"), FILE, "broken: "),
            (("profile", "no/such/place"), FILE, "no/such/place")):
        assert part in ctl("cache", *arguments, code=code)[1], arguments


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_others_may_look_but_not_touch(ctl, served):
    """Who does not administer sees programs, but no values, and changes nothing."""
    served.path.chmod(0o666)
    served.folder.chmod(0o755)
    if not readable_by_others(CTL):
        pytest.skip("the build is out of others' reach")

    def other(*arguments):
        return subprocess.run([CTL, "cache", *arguments, "--socket", str(served.path)], cwd="/",
                              user=54321, group=54321, extra_groups=[], capture_output=True,
                              text=True, timeout=60)
    key = key_of(ctl, "relu")
    for arguments in (("flush", "--all"), ("pin", key), ("unpin", key), ("profile",)):
        done = other(*arguments)
        assert (done.returncode, done.stdout) == (DENIED, "")
        assert "is for administrators" in done.stderr
    assert len(json.loads(other("ls", "--json").stdout)) == 2
    assert "add" not in other("show", key).stderr
    assert other("show", key).returncode == 0


def readable_by_others(path):
    """True if a stranger gets there."""
    done = subprocess.run(["test", "-r", str(path)], user=54321, group=54321, extra_groups=[],
                          check=False)
    return done.returncode == 0
