# SPDX-License-Identifier: Apache-2.0
"""Metrics and health over HTTP."""

import re
import shutil
import socket
import subprocess
import time

import pytest

from conftest import Daemon, wait_for
from hologram.v1 import hologram_pb2 as pb

OPTIONS = ("--set", "http.timeout_s=1")


@pytest.fixture(scope="module")
def busy(daemon):
    """The module's daemon after some traffic of every outcome."""
    with daemon.connect() as client:
        client.alloc(1, 16)
        client.read(1)
        client.read(2)
        client.execute("no_such_op", [1], [1])
        client.execute("relu", [1], [1])
        client.execute("relu", [1], [1])
    return daemon


SAMPLE = re.compile(r'^([a-z_]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (\S+)$')


def families(body):
    """The text format, strictly: HELP, then TYPE, then samples, one family after the other."""
    found, name, kind = {}, None, None
    for line in body.rstrip("\n").split("\n"):
        if line.startswith("# HELP "):
            name, text = line[7:].split(" ", 1)
            assert name not in found and text.endswith("."), line
            found[name] = []
        elif line.startswith("# TYPE "):
            typed, kind = line[7:].split(" ")
            assert typed == name and kind in ("counter", "gauge", "histogram"), line
            assert name.endswith("_total") == (kind == "counter"), line
        else:
            match = SAMPLE.match(line)
            assert match, line
            suffix = match[1].removeprefix(name)
            assert suffix in ("_bucket", "_sum", "_count") if kind == "histogram" else suffix == ""
            found[name].append((match[1], match[2] or "", float(match[3]), kind))
    return found


def test_metrics_follow_the_text_format(busy):
    """Families are whole and typed, no sample comes twice, buckets are cumulative up to the count."""
    for name, samples in families(busy.http("/metrics")[2]).items():
        keys = [sample[:2] for sample in samples]
        assert len(set(keys)) == len(keys), name
        buckets = {}
        for metric, labels, value, kind in samples:
            assert kind == "gauge" or value >= 0, (metric, labels)
            if metric.endswith("_bucket") and kind == "histogram":
                rest = re.sub(r',?le="[^"]*"', "", labels)
                assert buckets.get(rest, 0) <= value, (metric, labels)
                buckets[rest] = value
        for metric, labels, value, kind in samples:
            if metric.endswith("_count") and kind == "histogram":
                assert value == buckets[labels or "{}" if "{}" in buckets else labels], metric


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with `make lint`")
def test_metrics_are_what_prometheus_wants(busy):
    """promtool finds nothing to complain of."""
    status, head, body = busy.http("/metrics")
    assert status == 200
    assert "text/plain; version=0.0.4" in head
    done = subprocess.run(["promtool", "check", "metrics"], input=body, text=True,
                          capture_output=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_metrics_count(busy):
    """Requests by kind and status, operations by op and status, caches, pools, stages."""
    metrics = busy.metrics()
    assert metrics['hologram_requests_total{request="alloc",code="OK"}'] >= 1
    assert metrics['hologram_requests_total{request="read",code="NOT_FOUND"}'] >= 1
    assert metrics['hologram_operations_total{op="relu",code="OK"}'] >= 2
    assert metrics['hologram_operations_total{op="user_or_unknown",code="INVALID_ARGUMENT"}'] >= 1
    assert metrics['hologram_program_cache_builds_total{cache="relu"}'] == 1
    assert metrics['hologram_program_cache_hits_total{cache="relu"}'] >= 1
    assert metrics['hologram_program_cache_entries{cache="relu"}'] == 1
    assert metrics['hologram_program_cache_bytes{cache="relu"}'] > 0
    assert metrics['hologram_pool_limit_bytes{pool="boundary"}'] == 96 * 12288
    assert metrics['hologram_stage_duration_seconds_count{stage="total"}'] >= 6
    assert metrics['hologram_stage_duration_seconds_sum{stage="run"}'] > 0
    assert metrics["hologram_queue_depth"] == 0
    assert metrics["hologram_connections_accepted_total"] >= 1
    assert metrics["hologram_received_bytes_total"] > 0
    assert any(name.startswith('hologram_build_info{version="0.1.0"') for name in metrics)


def test_connections_come_and_go(busy):
    """The gauges follow."""
    with busy.connect() as one, busy.connect():
        one.alloc(1, 1000)
        metrics = busy.metrics()
        assert metrics["hologram_connections"] == 2
        assert metrics["hologram_sessions"] == 2
        assert metrics['hologram_pool_used_bytes{pool="heap"}'] >= 4000
    wait_for(lambda: busy.metrics()["hologram_connections"] == 0, what="connections closed")
    assert busy.metrics()['hologram_pool_used_bytes{pool="heap"}'] == 0


def test_health_and_readiness(daemon):
    """Both say yes while the daemon serves."""
    assert daemon.http("/healthz")[::2] == (200, "ok\n")
    assert daemon.http("/readyz")[::2] == (200, "ready\n")


def test_head(daemon):
    """HEAD is GET without the body."""
    status, head, body = daemon.http("/healthz", method="HEAD")
    assert (status, body) == (200, "")
    assert "Content-Length: 3" in head


def test_what_is_not_there(daemon):
    """404 for other paths, 405 with the allowed methods for other methods."""
    assert daemon.http("/")[0] == 404
    assert daemon.http("/metrics/../etc/passwd")[0] == 404
    status, head, _ = daemon.http("/metrics", method="POST")
    assert status == 405 and "Allow: GET, HEAD" in head


@pytest.mark.parametrize("raw", [b"\0\1\2\3\r\n\r\n", b"GET\r\n\r\n", b"A" * 100_000,
                                 b"GET /metrics HTTP/9.9\r\n\r\n"])
def test_garbage_does_no_harm(daemon, raw):
    """What is no request is refused or dropped, and the next one is served."""
    try:
        daemon.http("/", raw=raw)
    except OSError:
        pass
    assert daemon.http("/healthz")[0] == 200


def test_a_body_is_ignored(daemon):
    """A GET with a body is answered; the body is thrown away."""
    raw = (b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5\r\n\r\n"
           b"12345")
    assert daemon.http("/", raw=raw)[0] == 200


def test_keep_alive(daemon):
    """One connection serves several requests."""
    with socket.create_connection(("127.0.0.1", daemon.http_port()), timeout=5) as connection:
        for _ in range(3):
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answer = b""
            while not answer.endswith(b"ok\n"):
                answer += connection.recv(4096)


def test_stalled_peers_are_closed():
    """A peer that sends half a request is closed after http.timeout_s; others are served."""
    with Daemon("--set", "http.timeout_s=1", "--set", "http.connections_max=2") as daemon:
        with socket.create_connection(("127.0.0.1", daemon.http_port()), timeout=10) as stalled:
            stalled.sendall(b"GET /metr")
            assert daemon.http("/healthz")[0] == 200
            start = time.monotonic()
            while stalled.recv(4096):
                pass
            assert time.monotonic() - start < 5


def test_the_connection_limit_holds():
    """Beyond http.connections_max connections are closed; room made is used again."""
    with Daemon("--set", "http.connections_max=2") as daemon:
        held = [socket.create_connection(("127.0.0.1", daemon.http_port()), timeout=5)
                for _ in range(2)]
        time.sleep(0.1)
        with pytest.raises((OSError, AssertionError)):
            status, _, _ = daemon.http("/healthz")
            assert status == 200
        for connection in held:
            connection.close()
        wait_for(lambda: healthy(daemon), what="room for a connection")


def healthy(daemon):
    try:
        return daemon.http("/healthz")[0] == 200
    except OSError:
        return False


def test_off():
    """http.listen = off opens no port; stats says so."""
    with Daemon("--http", "off") as daemon:
        assert "http://" not in daemon.log()
        with daemon.connect() as client:
            assert client.ask(stats=pb.Stats()).message.stats.metrics_url == ""
