# SPDX-License-Identifier: Apache-2.0
"""Graphs for an asyncio client: loading holds the loop for one round trip, runs are awaited."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any, AsyncIterator, Mapping

from numpy.typing import ArrayLike, NDArray

from ._graph_requests import Graph, Request, Results, Source, Value
from .buffer import Buffer
from .client import Client
from .graphs import Block


class AsyncGraphs:
    """The `Client`'s methods for graphs, as coroutines."""

    _client: Client

    def _control(self) -> AbstractContextManager[Client]:
        """The client, for a while in which it may block."""
        raise NotImplementedError

    async def _run_request(self, request: Request) -> dict[str, Buffer]:
        """Submits a run and gives its outputs."""
        raise NotImplementedError

    async def put(self, array: ArrayLike) -> Buffer:
        raise NotImplementedError

    async def read(self, buffer: Buffer) -> NDArray[Any]:
        raise NotImplementedError

    # ---- running --------------------------------------------------------------------------------

    async def eval(self, text: str, out: Buffer | Mapping[str, Buffer] | None = None, /,
                   **inputs: Value) -> Results:
        """As `Client.eval`: `y = await client.eval("relu(x @ w)", x=x, w=w)`."""
        return await self._run_graph(self._client.source(text), inputs, out)

    async def run_graph(self, graph: Graph, /, *values: Value,
                        out: Buffer | Mapping[str, Buffer] | None = None,
                        **inputs: Value) -> Results:
        """As calling the graph, which only a coroutine may here: inputs by place or by name. Its
        first run after a `reconnect` holds the loop for a round trip."""
        return await self._run_graph(graph, graph.named(values, inputs), out)

    @contextlib.asynccontextmanager
    async def lazy(self) -> AsyncIterator[Block]:
        """As `hologram.lazy`: `async with client.lazy() as lazy: y = lazy(x) + 1`."""
        block = Block()
        yield block
        source = block.source()
        if source is not None:
            inputs = {name: value if isinstance(value, Buffer) else await self.put(value)
                      for name, value in block.trace.inputs.items()}
            block.give(await self._run_graph(source, inputs, None))

    async def _run_graph(self, source: Source | Graph, inputs: Mapping[str, Value],
                         out: Buffer | Mapping[str, Buffer] | None) -> Results:
        arrays = not any(isinstance(value, Buffer) for value in inputs.values()) and out is None
        buffers = {name: value if isinstance(value, Buffer) else await self.put(value)
                   for name, value in inputs.items()}
        if not source.is_loaded_for(self._client._session):
            with self._control() as client:
                source.load_for(client._session)
        made = await self._run_request(source.request(self._client, buffers, out))
        source.learn(made)
        results: dict[str, Any] = dict(made)
        if arrays:
            results = {name: await self.read(buffer) for name, buffer in made.items()}
        return next(iter(results.values())) if len(results) == 1 else results

    # ---- a round trip each ----------------------------------------------------------------------

    async def graph(self, text: str) -> Graph:
        """As `Client.graph`; `run_graph` runs it: `y = await client.run_graph(g, x=x)`."""
        with self._control() as client:
            return client.graph(text)

    async def open_graph(self, name: str) -> Graph:
        """As `Client.open_graph`."""
        with self._control() as client:
            return client.open_graph(name)

    async def save_graph(self, graph: Graph, name: str, mode: int = 0o600,
                         group: int | None = None) -> None:
        """As `Graph.save`."""
        with self._control():
            graph.save(name, mode, group)

    async def unload_graph(self, graph: Graph) -> None:
        """As `Graph.unload`."""
        with self._control():
            graph.unload()

    async def remove_graph(self, name: str) -> None:
        """As `Client.remove_graph`."""
        with self._control() as client:
            client.remove_graph(name)

    async def explain(self, text: str, dot: bool = False, /, **inputs: Value) -> str:
        """As `Client.explain`."""
        with self._control() as client:
            return client.explain(text, dot, **inputs)
