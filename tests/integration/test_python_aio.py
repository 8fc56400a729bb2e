# SPDX-License-Identifier: Apache-2.0
"""The Python client: the same for asyncio."""

import asyncio
import time

import numpy as np
import pytest

from python_client import SCALE, X, Y, assemble, client, daemon, hologram, np_softmax


def asynchronous(function):
    """Runs a coroutine test with a client of the module's daemon."""
    def run(daemon):
        async def main():
            async with hologram.aio.connect(daemon.socket, timeout=30) as client:
                await function(client)
        asyncio.run(main())

    run.__name__ = function.__name__
    return run


@asynchronous
async def test_aio_computes(client):
    x, y = await asyncio.gather(client.put(X), client.put(Y))
    total = await client.run(lambda: hologram.softmax(x * 2.0 + y))
    assert np.allclose(await client.read(total), np_softmax(X * 2 + Y))
    await client.write(x, Y)
    assert np.array_equal(await client.read(x), Y)
    assert (await client.read(await client.full(3, 7, "u8"))).tolist() == [7] * 3
    assert (await client.empty((2, 2))).shape == (2, 2)
    assert await client.run(lambda: 5) == 5
    assert (await client.stats()).server.sessions >= 1 and "relu" in await client.ops()


# Many more at once than the daemon takes at a time; each gets its own answer.
@asynchronous
async def test_aio_many_at_once(client):
    x = await client.put(np.arange(10))

    async def one(i):
        return await client.read(await client.run(lambda: x * i))

    results = await asyncio.gather(*(one(i) for i in range(1000)))
    assert all(np.array_equal(r, np.arange(10) * i) for i, r in enumerate(results))
    del results
    for _ in range(8):  # the ids of those 1000 do not fit into one message
        await client.run(lambda: x + 1)
    assert len(await client.buffers()) <= 3


@asynchronous
async def test_aio_large_arrays(client):
    array = np.random.default_rng(1).integers(0, 256, 5 << 20, np.uint8)
    buffer = await client.put(array)
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    ticker = asyncio.create_task(tick())
    assert np.array_equal(await client.read(buffer), array)
    ticker.cancel()
    assert ticks >= 5, "others ran between the pieces"


@asynchronous
async def test_aio_failures(client):
    x, zero = await client.put([4, 6]), await client.put([1, 0])

    def steps():
        return x / ((x + 1) * 0 + zero)

    good = client.run(lambda: x + 1)
    outcomes = await asyncio.gather(good, client.run(steps), client.run(lambda: x + 2),
                                    return_exceptions=True)
    assert isinstance(outcomes[1], hologram.InvalidArgument) and outcomes[1].step == 3
    assert outcomes[1].detail == "DIVISION_BY_ZERO"
    assert (await client.read(outcomes[2])).tolist() == [6, 8]
    with pytest.raises(ZeroDivisionError):
        await client.run(lambda: [x + 1, 1 / 0])
    for wrong in (lambda: x + 1, x.numpy, lambda: x.publish("n")):
        with pytest.raises(hologram.FailedPrecondition, match="belongs to asyncio"):
            wrong()
    with pytest.raises(hologram.NotFound):
        await client.open("no/such/name")


# Ending a task ends its request in the daemon, and others go on.
@asynchronous
async def test_aio_cancelling(client):
    a = await client.full((3000, 3000), 1e-3)
    started = time.monotonic()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(client.run(lambda: a @ a), 0.05)
    x = await client.put([1])
    assert (await client.read(x)).tolist() == [1]
    assert time.monotonic() - started < 5
    client.timeout = 0.02
    with pytest.raises(hologram.DeadlineExceeded):
        await client.run(lambda: a @ a)


def test_aio_names_and_programs(daemon, assemble):
    async def main():
        async with hologram.aio.connect(daemon.socket) as client:
            x = await client.put(X)
            await client.publish(x, "aio/x")
            y = await client.open("aio/x", writable=True)
            program = await client.load_program(assemble(SCALE))
            await client.run(program.run, y, y, cols=8, params=[("f32", 2.0)])
            assert np.array_equal(await client.read(x), X * 2)
            await client.unload_program(program)
            await client.unpublish("aio/x")

    asyncio.run(main())


def test_aio_losing_the_connection(tmp_path):
    socket = str(tmp_path / "sock")

    async def main():
        with hologram.testing.private_daemon(socket=socket) as daemon:
            client = await hologram.aio.connect(socket)
            x = await client.put([1])
            a = await client.full((3000, 3000), 1e-3)
            tasks = [asyncio.create_task(client.run(lambda: a @ a)) for _ in range(3)]
            await asyncio.sleep(0.05)
            daemon.stop(kill=True)
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(o, hologram.ConnectionLost) for o in outcomes), outcomes
            assert all(o.request == "gemm" and o.safe_to_repeat for o in outcomes)
            with pytest.raises(hologram.ConnectionLost):
                await client.read(x)
        with hologram.testing.private_daemon(socket=socket):
            await client.reconnect(wait=5)
            y = await client.put([1])
            assert (await client.read(y)).tolist() == [1]
            client.close()
            with pytest.raises(hologram.FailedPrecondition, match="closed"):
                await client.read(y)

    asyncio.run(main())


# Texts, graphs and lazy blocks give what the other client gives, arrays for arrays; many at once.
@asynchronous
async def test_aio_graphs(client):
    assert np.allclose(await client.eval("softmax(x * 2 + y)", x=X, y=Y), np_softmax(X * 2 + Y))
    x, y = await client.put(X), await client.put(Y)
    total = await client.eval("x + y", x=x, y=y)
    assert np.array_equal(await client.read(total), X + Y)
    both = await client.eval("a = x + y; b = x - y", x=x, y=y)
    assert set(both) == {"a", "b"} and np.array_equal(await client.read(both["b"]), X - Y)
    assert await client.eval("x - y", total, x=x, y=y) is total
    assert np.array_equal(await client.read(total), X - Y)
    graph = await client.graph("z = x * y")
    assert graph.inputs == ["x", "y"] and graph.outputs == ["z"]
    products = await asyncio.gather(*(client.run_graph(graph, x, y=y) for _ in range(50)))
    for one in products:
        assert np.array_equal(await client.read(one), X * Y)
    async with client.lazy() as lazy:
        z = np.tanh(lazy(x) + lazy(Y)).sum(axis=-1)
    assert np.allclose(await client.read(z.buffer), np.tanh(X + Y).sum(axis=-1), rtol=1e-5)
    assert "relu" in await client.explain("relu(x)", x=X)
    assert (await client.explain("relu(x)", True, x=X)).startswith("digraph")


# Names outlive what loads them, and a graph that was unloaded says so.
@asynchronous
async def test_aio_named_graphs(client):
    graph = await client.graph("y = x + 1")
    await client.save_graph(graph, "plus-one")
    opened = await client.open_graph("plus-one")
    assert np.array_equal(await client.run_graph(opened, X), X + 1)
    await client.remove_graph("plus-one")
    with pytest.raises(hologram.NotFound, match="plus-one"):
        await client.open_graph("plus-one")
    assert np.array_equal(await client.run_graph(opened, x=X), X + 1)
    await client.unload_graph(graph)
    with pytest.raises(hologram.NotFound, match="unloaded"):
        await client.run_graph(graph, X)
    with pytest.raises(hologram.FailedPrecondition, match="asyncio"):
        opened(X)


# Errors are the daemon's; a graph is loaded again after a reconnect; what is cancelled leaves nothing.
@asynchronous
async def test_aio_graph_failures(client):
    with pytest.raises(hologram.InvalidArgument, match="line 1"):
        await client.eval("x +", x=X)
    with pytest.raises(hologram.InvalidArgument, match="input y is not bound"):
        await client.eval("x + y", x=X)
    with pytest.raises(hologram.InvalidArgument, match="at most 1 inputs"):
        await client.run_graph(await client.graph("x + 1"), X, Y)
    constant = await client.put(X, constant=True)
    with pytest.raises(hologram.PermissionDenied, match="is constant"):
        await client.eval("x + 1", constant, x=X)
    graph = await client.graph("x + 1")
    await client.reconnect()
    assert np.array_equal(await client.run_graph(graph, X), X + 1)
    before = len(await client.buffers())
    big = await client.full(1 << 22, 1.0)
    task = asyncio.create_task(client.eval("exp(exp(x))", x=big))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    del big, task
    for _ in range(3):
        await client.put(0)
    assert len(await client.buffers()) <= before + 2
