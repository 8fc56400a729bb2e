# SPDX-License-Identifier: Apache-2.0
"""Looking into the program cache, and administering it, over the wire."""

import re
import subprocess
import tempfile
import threading

import grpc
import pytest
from conftest import BUILD, Daemon, wait_for
from grpc_client import Session, channel, code_of
from hologram.v1 import hologram_pb2 as pb
from native import FAILED_PRECONDITION, INVALID_ARGUMENT, NOT_FOUND, OK, OUT_OF_RANGE

NAME = re.compile(r"[0-9a-f]{64}")
USER_CODE = ".slots 1\nldg.f32 r1, [b0 + lane]\nexit\n"


@pytest.fixture
def traffic(client):
    """A cache that holds vector_add, relu (most used) and fill of 3."""
    assert client.ask(cache_flush=pb.CacheFlush()).code == OK
    for id in (1, 2, 3):
        assert client.alloc(id, 8).code == OK
    run(client, "vector_add", [1, 2])
    for _ in range(5):
        run(client, "relu", [1])
    run(client, "fill", [], value=3.0)
    return client


def run(client, op, inputs, **attributes):
    reply = client.execute(op, inputs, [3], **attributes)
    assert reply.code == OK, reply.text
    return reply.message.execute.outcome


def listed(client, **options):
    reply = client.ask(cache_list=pb.CacheList(**options))
    assert reply.code == OK, reply.text
    return reply.message.cache_list


def key_of(client, cache):
    [program] = listed(client, cache=cache).programs
    return program.key


def show(client, key):
    reply = client.ask(cache_show=pb.CacheShow(key=key))
    assert reply.code == OK, reply.text
    return reply.message.cache_show


def flush(client, **what):
    reply = client.ask(cache_flush=pb.CacheFlush(**what))
    assert reply.code == OK, reply.text
    return reply.message.cache_flush.dropped


def pin(client, key, pinned):
    return client.ask(cache_pin=pb.CachePin(key=key, pinned=pinned))


# ---- reading -------------------------------------------------------------------------------------

def test_list(traffic):
    """Every program once, with a name, the key in words, and figures."""
    programs = {program.cache: program for program in listed(traffic).programs}
    assert set(programs) == {"vector_add", "relu", "fill"}
    for program in programs.values():
        assert NAME.fullmatch(program.key)
        assert program.bytes > 0 and not program.pinned
    assert programs["relu"].hits == 4
    assert programs["vector_add"].summary == "f32[lane] f32[lane] f32[lane]; unrolled"


def test_list_in_pages(traffic):
    """Pages of one entry give what one page gives; beyond the end there is nothing."""
    names, position = [], 0
    while True:
        page = listed(traffic, position=position, count=1)
        names += [program.key for program in page.programs]
        position = page.position
        if position == 0:
            break
    assert names == [program.key for program in listed(traffic).programs]
    for position in (1 << 20, 2**63, 2**64 - 1):
        page = listed(traffic, position=position)
        assert (len(page.programs), page.position) == (0, 0)


def test_top(traffic):
    """Best first, of all caches or one, and no more than wanted."""
    top = traffic.ask(cache_top=pb.CacheTop(count=2)).message.cache_top.programs
    assert [program.cache for program in top][0] == "relu" and len(top) == 2
    top = traffic.ask(cache_top=pb.CacheTop(cache="fill")).message.cache_top.programs
    assert [program.cache for program in top] == ["fill"]


def test_show(traffic):
    """Fields in words, disassembly, how it runs; the beginning of the name is enough."""
    key = key_of(traffic, "vector_add")
    shown = show(traffic, key[:12])
    assert shown.program.key == key
    fields = {field.name: field.value for field in shown.fields}
    assert fields["form"] == "unrolled" and fields["operand 2"] == "f32, lane"
    assert "add.f32" in shown.code and not shown.withheld
    assert shown.origin == "precompiled"
    assert shown.executor in ("block", "reference", "native") and shown.isa_level
    assert (shown.instructions, shown.slots, shown.block) == (4, 3, 3072)


def test_showing_is_no_use(traffic):
    """Looking does not count as a hit."""
    key = key_of(traffic, "relu")
    before = traffic.stats()
    assert show(traffic, key).program.hits == show(traffic, key).program.hits == 4
    after = traffic.stats()
    assert [cache.hits for cache in before.caches] == [cache.hits for cache in after.caches]


def test_what_if(traffic):
    """An estimate for each size, from none to all; without sizes, those around the cache's own."""
    for _ in range(300):
        run(traffic, "relu", [1])
    sizes = [0, 1, 1000, 2**64 - 1]
    answer = traffic.ask(cache_what_if=pb.CacheWhatIf(entries=sizes)).message.cache_what_if
    ratios = [estimate.hit_ratio for estimate in answer.estimates]
    assert [estimate.entries for estimate in answer.estimates] == sizes
    assert ratios == sorted(ratios) and ratios[0] == 0 and 0 < ratios[-1] <= 1
    assert answer.samples > 0
    answer = traffic.ask(cache_what_if=pb.CacheWhatIf()).message.cache_what_if
    assert [e.entries * 4 // answer.entries_max for e in answer.estimates] == [1, 2, 4, 8, 16]


def test_reasons_of_misses(traffic):
    """Per cache, by reason; they add up to the misses."""
    before = {cache.cache: cache for cache in traffic.stats().caches}
    flush(traffic, cache="relu")
    run(traffic, "relu", [1])
    after = {cache.cache: cache for cache in traffic.stats().caches}
    assert after["relu"].missed_flushed == before["relu"].missed_flushed + 1
    assert after["relu"].build_ns > before["relu"].build_ns
    for cache in after.values():
        assert cache.misses == (cache.missed_first_seen + cache.missed_evicted +
                                cache.missed_flushed + cache.missed_failed)
    assert after["softmax_exp"].unfused and not after["softmax"].unfused


# ---- administration ------------------------------------------------------------------------------

def test_flush(traffic):
    """One program, one cache, or all; the next call builds again."""
    assert flush(traffic, key=key_of(traffic, "relu")) == 1
    assert run(traffic, "relu", [1]) in ("build", "precompiled")
    assert flush(traffic, cache="vector_add") == 1
    assert flush(traffic, cache="vector_add") == 0
    assert flush(traffic) == 2
    assert len(listed(traffic).programs) == 0


def test_pinned_programs_stay(traffic):
    """Flushing everything leaves them; flushing one by name is refused until it is unpinned."""
    key = key_of(traffic, "relu")
    assert pin(traffic, key, True).code == OK
    flush(traffic)
    [program] = listed(traffic).programs
    assert program.key == key and program.pinned
    refused = traffic.ask(cache_flush=pb.CacheFlush(key=key))
    assert refused.code == FAILED_PRECONDITION
    assert "pinned" in refused.text
    assert pin(traffic, key, False).code == OK
    assert flush(traffic, key=key) == 1


def test_others_programs_are_shown_to_administrators(traffic):
    """A user's program, with its digest."""
    assert traffic.ask(load_program=pb.LoadProgram(id=7, binary=assembled())).code == OK
    shown = show(traffic, key_of(traffic, "user"))
    assert shown.origin == "loaded" and "ldg.f32" in shown.code
    assert {field.name for field in shown.fields} >= {"sha256", "size"}
    assert shown.program.held


def assembled():
    """The binary of a small program, by hologramctl."""
    with tempfile.TemporaryDirectory() as folder:
        with open(f"{folder}/p.s", "w", encoding="utf-8") as file:
            file.write(USER_CODE)
        subprocess.run([BUILD / "bin" / "hologramctl", "asm", f"{folder}/p.s", "-o", f"{folder}/p"],
                       check=True)
        with open(f"{folder}/p", "rb") as file:
            return file.read()


@pytest.fixture(scope="module")
def stranger_place():
    """A daemon where one client administers and another, over TCP, does not."""
    with Daemon("--set", "grpc.listen=127.0.0.1:0") as daemon:
        port = int(re.search(r"grpc=127\.0\.0\.1:(\d+)", daemon.log())[1])
        with grpc.insecure_channel(f"127.0.0.1:{port}") as link, Session(link) as session:
            with daemon.connect() as client:
                for id in (1, 2, 3):
                    client.alloc(id, 8)
                run(client, "vector_add", [1, 2])
                run(client, "fill", [], value=3.0)
                client.ask(load_program=pb.LoadProgram(id=7, binary=assembled()))
                yield client, session


def test_strangers_do_not_administer(stranger_place):
    """Flush and pin are refused, whatever they name; nothing happens."""
    client, stranger = stranger_place
    key = key_of(client, "vector_add")
    for call, request in ((stranger.CacheFlush, pb.CacheFlush()),
                          (stranger.CacheFlush, pb.CacheFlush(cache="no such")),
                          (stranger.CacheFlush, pb.CacheFlush(key=key)),
                          (stranger.CachePin, pb.CachePin(key=key, pinned=True)),
                          (stranger.CachePin, pb.CachePin(key="?", pinned=False))):
        code, text = code_of(call, request)
        assert code == grpc.StatusCode.PERMISSION_DENIED
        assert text.endswith("is for administrators")
    assert len(listed(client).programs) == 3


def test_strangers_see_no_values(stranger_place):
    """They may look, but constants, and what others loaded, are kept back."""
    client, stranger = stranger_place
    keys = {program.cache: program.key for program in stranger.CacheList(pb.CacheList()).programs}
    assert keys == {program.cache: program.key for program in listed(client).programs}
    assert len(stranger.CacheTop(pb.CacheTop()).programs) == 3
    assert len(stranger.CacheWhatIf(pb.CacheWhatIf()).estimates) == 5
    shown = stranger.CacheShow(pb.CacheShow(key=keys["vector_add"]))
    assert "add.f32" in shown.code and not shown.withheld
    for cache in ("fill", "user"):
        shown = stranger.CacheShow(pb.CacheShow(key=keys[cache]))
        assert shown.withheld and shown.code == ""
        assert not {field.name for field in shown.fields} & {"constant 0", "sha256", "size"}
    assert "0x40400000" in show(client, keys["fill"]).code + str(show(client, keys["fill"]).fields)


# ---- both protocols, hostile input, many at once -------------------------------------------------

def test_over_grpc_too(daemon, traffic):
    """The typed methods give what the native protocol gives."""
    with channel(daemon.path) as link, Session(link) as session:
        names = [program.key for program in session.CacheList(pb.CacheList()).programs]
        assert names == [program.key for program in listed(traffic).programs]
        assert session.CacheTop(pb.CacheTop(count=1)).programs[0].cache == "relu"
        shown = session.CacheShow(pb.CacheShow(key=names[0]))
        assert shown == show(traffic, names[0])
        session.CachePin(pb.CachePin(key=names[0], pinned=True))
        assert session.CacheFlush(pb.CacheFlush()).dropped == 2
        session.CachePin(pb.CachePin(key=names[0], pinned=False))
        assert session.CacheFlush(pb.CacheFlush()).dropped == 1
        code, text = code_of(session.CacheShow, pb.CacheShow(key="0000"))
        assert code == grpc.StatusCode.NOT_FOUND and "begins with '0000'" in text


@pytest.mark.parametrize("key", ["", "abc", "x" * 64, "ABCDEF", "%s%s%n", "a" * 65, "é" * 10,
                                 "a" + "é" * 90, "a" * 100_000])
def test_malformed_keys(client, key):
    """Are refused with what was expected."""
    for body in (dict(cache_show=pb.CacheShow(key=key)),
                 dict(cache_pin=pb.CachePin(key=key, pinned=True))):
        reply = client.ask(**body)
        assert reply.code == INVALID_ARGUMENT
        assert "expected 4 to 64 of the digits 0-9 a-f, got" in reply.text
        assert len(reply.text) < 300


def test_unknown_caches(client):
    """Are named in the refusal."""
    for body in (dict(cache_list=pb.CacheList(cache="nope")), dict(cache_top=pb.CacheTop(cache="nope")),
                 dict(cache_flush=pb.CacheFlush(cache="nope"))):
        reply = client.ask(**body)
        assert reply.code == NOT_FOUND
        assert "there is none called 'nope'" in reply.text


def test_huge_counts(client):
    """More than can be answered is refused, and nothing is allocated for it."""
    for body in (dict(cache_list=pb.CacheList(count=2**32 - 1)),
                 dict(cache_top=pb.CacheTop(count=1001))):
        reply = client.ask(**body)
        assert reply.code == INVALID_ARGUMENT and "count: expected at most 1000" in reply.text
    reply = client.ask(cache_what_if=pb.CacheWhatIf(entries=range(65)))
    assert reply.code == INVALID_ARGUMENT and "expected at most 64 sizes, got 65" in reply.text


def test_answers_fit_small_messages():
    """With small messages pages are smaller, and all of them together the same."""
    with Daemon("--set", "limits.message_bytes_max=4096") as daemon, daemon.connect() as client:
        for id in (1, 2, 3):
            client.alloc(id, 8)
        for op in ("vector_add", "vector_sub", "vector_mul", "min", "max"):
            run(client, op, [1, 2])
        for op in ("relu", "neg", "abs", "tanh", "sigmoid", "gelu", "softmax", "copy"):
            run(client, op, [1])
        page = listed(client, count=1000)
        assert 0 < len(page.programs) < 13 and page.position != 0
        rest = listed(client, position=page.position, count=1000)
        while rest.position:
            page.programs.extend(rest.programs)
            rest = listed(client, position=rest.position, count=1000)
        page.programs.extend(rest.programs)
        assert len({program.key for program in page.programs}) == 13
        reply = client.ask(cache_show=pb.CacheShow(key=key_of(client, "softmax")))
        assert reply.code in (OK, OUT_OF_RANGE)


def test_many_at_once(daemon):
    """Listing, showing and flushing while others work: no answer is lost, no program wrong."""
    def work(index, failures):
        try:
            with daemon.connect() as client:
                for id in (1, 2, 3):
                    client.alloc(id, 64)
                for round in range(40):
                    run(client, "vector_add", [1, 2])
                    run(client, "relu", [1])
                    if index == 0:
                        flush(client)
                    for program in listed(client).programs:
                        assert client.ask(cache_show=pb.CacheShow(
                            key=program.key)).code in (OK, NOT_FOUND)
        except Exception as error:  # noqa: BLE001  (shown by the test's thread)
            failures.append(error)
    failures = []
    threads = [threading.Thread(target=work, args=(i, failures)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures


def test_a_client_that_leaves_meanwhile(daemon):
    """Answers to nobody do no harm."""
    for _ in range(20):
        client = daemon.connect()
        for _ in range(10):
            client.post(cache_top=pb.CacheTop(count=1000))
            client.post(cache_profile=pb.CacheProfile())
        client.close()
    with daemon.connect() as client:
        assert client.ask(ping=pb.Ping()).code == OK
    wait_for(lambda: daemon.metrics()["hologram_requests_in_flight"] == 0, what="all ended")



# ---- metrics -------------------------------------------------------------------------------------

def test_counters_move(daemon, traffic):
    """Hits, misses by reason, builds, their times and evictions count per cache, and only there."""
    def moved(before):
        return {name: value - before[name] for name, value in daemon.metrics().items()
                if name.startswith("hologram_program_cache_") and value != before.get(name)}
    before = daemon.metrics()
    run(traffic, "relu", [1])
    change = moved(before)
    assert change['hologram_program_cache_hits_total{cache="relu"}'] == 1
    assert not any("misses" in name or "vector_add" in name for name in change)
    flush(traffic, cache="relu")
    before = daemon.metrics()
    run(traffic, "relu", [1])
    change = moved(before)
    for name in ('misses_total{cache="relu",reason="flushed"}', 'builds_total{cache="relu"}',
                 'build_duration_seconds_count{cache="relu"}',
                 'build_duration_seconds_bucket{cache="relu",le="+Inf"}',
                 'entries{cache="relu"}'):
        assert change["hologram_program_cache_" + name] == 1, name
    assert change['hologram_program_cache_build_duration_seconds_sum{cache="relu"}'] > 0
    assert change['hologram_program_cache_bytes{cache="relu"}'] > 0


def test_evictions_count():
    """A cache that is too small says so: evictions, and misses of what was evicted."""
    with Daemon("--set", "cache.entries_max=64", "--set", "cache.specialize=full") as daemon, \
            daemon.connect() as client:
        for id in range(1, 101):
            assert client.alloc(id, 8).code == OK
        for _ in range(2):
            for id in range(1, 101):
                reply = client.execute("relu", [id], [id])
                assert reply.code == OK
        metrics = daemon.metrics()
        prefix = "hologram_program_cache_"
        assert metrics[prefix + 'evictions_total{cache="relu"}'] >= 36
        assert metrics[prefix + 'misses_total{cache="relu",reason="evicted"}'] >= 36
        assert metrics[prefix + "limit_entries"] == 64
        assert metrics[prefix + 'entries{cache="relu"}'] == 64
        ratios = [value for name, value in metrics.items() if "what_if_hit_ratio" in name]
        assert len(ratios) == 5 and ratios == sorted(ratios) and ratios[-1] > 0
        assert metrics[prefix + "what_if_samples"] > 0


def test_help_names_the_unfused_caches(daemon):
    """And the info metric marks them, so that a dashboard can leave them out."""
    body = daemon.http("/metrics")[2]
    [line] = [line for line in body.splitlines()
              if line.startswith("# HELP hologram_program_cache_hits_total ")]
    named = set(line.split("fusion = off: ")[1].rstrip(".").split(", "))
    marked = set(re.findall(r'program_cache_info{cache="(\w+)",counts="unfused"} 1', body))
    assert named == marked and len(named) == 15
    assert "softmax_exp" in named and "softmax" not in named
