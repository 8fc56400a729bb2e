# SPDX-License-Identifier: Apache-2.0
"""Every kind of client at once, late, cancelled and killed at random: see tests/mixed/README.md."""

import json
import os
import re
import subprocess

import pytest

from conftest import BUILD, SANITIZED, Daemon, wait_for

LOAD = BUILD / "tests" / "mixed" / "load"
FULL = os.environ.get("HG_FULL") == "1" and not SANITIZED
CLIENTS, REQUESTS = (100, 10_000) if FULL else (20, 500)
# What the daemon may keep for reuse from one run to the next: requests with their arenas, calls.
KEPT_BYTES = 2 << 20


def run(daemon, clients, requests, seed):
    """The sums that the load printed; it checked all answers by itself."""
    done = subprocess.run([str(LOAD), str(daemon.path), str(clients), str(requests), str(seed)],
                          capture_output=True, text=True, timeout=1100)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def answered(metrics):
    return sum(value for name, value in metrics.items()
               if re.match(r"hologram_requests_total\{", name))


def settled(daemon):
    """Metrics once every client is gone and what it had is given back."""
    gauges = [f"hologram_{name}" for name in (
        "connections", "sessions", "buffers", "buffer_bytes", "requests_in_flight", "active_jobs",
        "queue_depth", *(f'pool_used_bytes{{pool="{pool}"}}'
                         for pool in ("heap", "boundary", "shared")))]

    def empty():
        metrics = daemon.metrics()
        return metrics if all(metrics[name] == 0 for name in gauges) else None

    return wait_for(empty, 30, "everything given back")


@pytest.fixture(scope="module")
def loaded():
    """A daemon that has been through a little of everything, so that what it keeps is there."""
    # Sessions of killed unary callers go with their lease.
    with Daemon("--set", "grpc.session_lease_s=1", "--set",
                "server.user_connections_max=1000") as daemon:
        run(daemon, 20, 200, 1)
        yield daemon


def test_every_request_is_answered_once_and_nothing_stays(loaded):
    """All answers right and to whom they belong; memory, descriptors and threads as before."""
    def resources():
        metrics = settled(loaded)
        folder = f"/proc/{loaded.process.pid}"
        return (metrics, len(os.listdir(f"{folder}/fd")), len(os.listdir(f"{folder}/task")))

    before, descriptors, threads = resources()
    sums = run(loaded, CLIENTS, REQUESTS, 2)
    after, descriptors_after, threads_after = resources()
    print(json.dumps(sums))
    assert sums["asked"] == sums["answered"] + sums["abandoned"] >= CLIENTS * REQUESTS
    assert sums["kills"] > 0 and sums["late"] > 0 and sums["cancelled"] > 0
    assert sums["checked"] > sums["asked"] / 10
    # The daemon has answered what was answered, and nothing that was not asked. Sessions that are
    # opened and closed are requests of their own, as hellos are.
    delta = answered(after) - answered(before)
    assert sums["answered"] - sums["late"] - sums["cancelled"] <= delta + sums["lives"]
    assert delta <= sums["asked"]
    assert descriptors_after <= descriptors + 1
    # C core's executor has up to two threads for each core, and keeps them.
    assert threads_after <= threads + 2 * os.cpu_count()
    assert after["hologram_transport_bytes"] - before["hologram_transport_bytes"] < KEPT_BYTES
    # All of malloc, so the objects of gRPC's library as well. (Sanitizer builds have leak checks.)
    allocated = "hologram_jemalloc_allocated_bytes"
    assert after[allocated] - before[allocated] < 2 * KEPT_BYTES


def test_the_load_notices():
    """A daemon that goes away in the middle is a failure of the load, not a success."""
    with Daemon() as daemon:
        load = subprocess.Popen([str(LOAD), str(daemon.path), "5", "1000000", "3"],
                                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        wait_for(lambda: daemon.metrics()["hologram_requests_in_flight"] > 0, what="traffic")
        daemon.stop()
        _, text = load.communicate(timeout=60)
        assert load.returncode == 1 and "mixed: client" in text
