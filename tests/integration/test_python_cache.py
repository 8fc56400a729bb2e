# SPDX-License-Identifier: Apache-2.0
"""The Python client's view of the program cache, and its administration."""

import asyncio
import re

import pytest
from python_client import client, daemon, hologram, wait_for  # noqa: F401  (fixtures)

NAME = re.compile(r"[0-9a-f]{64}")


@pytest.fixture
def traffic(client):
    """A cache of three programs, of which relu's is used most."""
    client.cache_flush(everything=True)
    x = client.put([1.0, -2.0], "f32")
    x + x
    for _ in range(5):
        hologram.relu(x)
    client.full(2, 3.0)
    return client


def test_list_and_top(traffic):
    """Every program once, with its figures; the most used first; those of one cache."""
    programs = {program.cache: program for program in traffic.cache_list()}
    assert set(programs) == {"vector_add", "relu", "fill"}
    assert all(NAME.fullmatch(program.key) and program.bytes > 0 and not program.pinned
               for program in programs.values())
    assert programs["relu"].hits == 4
    assert [program.cache for program in traffic.cache_top(1)] == ["relu"]
    assert [program.cache for program in traffic.cache_top(cache="fill")] == ["fill"]
    assert traffic.cache_list("sum") == []


def test_a_list_of_many_pages(traffic):
    """However many pages there are, each program is listed once."""
    buffer = traffic.empty(1)
    for value in range(300):  # among them 3, which is there already
        hologram.fill(buffer, value)
    programs = traffic.cache_list("fill")
    assert len(programs) == len({program.key for program in programs}) == 300
    assert len(traffic.cache_top(7)) == 7


def test_show(traffic):
    """The key in words, code, and what runs it; by the program or the beginning of its name."""
    [program] = traffic.cache_list("vector_add")
    shown = traffic.cache_show(program.key[:12])
    assert shown == traffic.cache_show(program)
    assert shown.program == program
    assert shown.fields["form"] == "unrolled" and "add.f32" in shown.code
    assert (shown.instructions, shown.slots, shown.origin) == (4, 3, "precompiled")
    assert not shown.withheld and shown.executor and shown.isa_level
    with pytest.raises(hologram.NotFound):
        traffic.cache_show("0123456789")


def test_what_if(traffic):
    """An estimate for each size; without any, for sizes around the cache's own."""
    sizes = (0, 1, 2**64 - 1)
    found = traffic.cache_what_if(*sizes)
    assert tuple(found.hit_ratios) == sizes and found.hit_ratios[0] == 0
    around = traffic.cache_what_if()
    assert [size * 4 // around.entries_max for size in around.hit_ratios] == [1, 2, 4, 8, 16]
    with pytest.raises(hologram.InvalidArgument, match="numbers of programs"):
        traffic.cache_what_if(-1)


def test_pin_and_flush(traffic):
    """A pinned program stays when everything else goes; unpinned it goes as well."""
    [pinned] = traffic.cache_list("relu")
    traffic.cache_pin(pinned)
    assert traffic.cache_show(pinned).program.pinned
    assert traffic.cache_flush(cache="fill") == 1
    assert traffic.cache_flush(everything=True) == 1
    assert [program.key for program in traffic.cache_list()] == [pinned.key]
    traffic.cache_unpin(pinned.key)
    assert traffic.cache_flush(pinned) == 1
    assert traffic.cache_list() == []
    assert traffic.stats().caches["relu"].entries == 0


@pytest.mark.parametrize("what", [{}, {"key": "abcd", "cache": "relu"},
                                  {"cache": "relu", "everything": True}])
def test_one_way_of_flushing(traffic, what):
    """Nothing is dropped by a call that does not say what, or says it twice."""
    with pytest.raises(hologram.InvalidArgument, match="one of"):
        traffic.cache_flush(**what)
    assert len(traffic.cache_list()) == 3


def test_a_profile_warms(traffic):
    """The keys of a profile are built again by a daemon that is given them, and counted."""
    keys = traffic.cache_profile()
    before = {program.key for program in traffic.cache_list()}
    traffic.cache_flush(everything=True)
    warmed = traffic.stats().server.warmed
    traffic.cache_warm(keys)
    wait_for(lambda: traffic.stats().server.warmed == warmed + len(before))
    assert {program.key for program in traffic.cache_list()} == before
    with pytest.raises((hologram.InvalidArgument, hologram.DataLoss)):
        traffic.cache_warm(b"not keys at all")


def test_misses_have_reasons(traffic):
    """Statistics tell a program that was flushed from one that was never seen."""
    before = traffic.stats().caches["relu"]
    traffic.cache_flush(cache="relu")
    hologram.relu(traffic.put([1.0], "f32"))
    after = traffic.stats().caches["relu"]
    assert after.missed_flushed == before.missed_flushed + 1
    reasons = ("first_seen", "evicted", "flushed", "failed")
    assert sum(getattr(after, f"missed_{reason}") for reason in reasons) == after.misses


def test_in_asyncio(daemon, traffic):
    """The same functions of the asyncio client."""
    async def main():
        async with hologram.aio.connect(daemon.socket) as client:
            top = await client.cache_top(2)
            assert top == traffic.cache_top(2) and top[0] in await client.cache_list()
            await client.cache_pin(top[0])
            assert (await client.cache_show(top[0])).program.pinned
            await client.cache_unpin(top[0])
            assert (await client.cache_what_if(8)).hit_ratios.keys() == {8}
            keys = await client.cache_profile()
            assert await client.cache_flush(everything=True) == 3
            await client.cache_warm(keys)

    asyncio.run(main())


def test_each_client_has_all_of_them():
    """asyncio's client has what the other has, with the same parameters."""
    import inspect
    for name in dir(hologram.Client):
        if name.startswith("cache_"):
            ours = inspect.signature(getattr(hologram.Client, name))
            assert inspect.signature(getattr(hologram.aio.AsyncClient, name)) == ours, name
