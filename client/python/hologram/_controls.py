# SPDX-License-Identifier: Apache-2.0
"""The calls of an asyncio client that hold the loop for one round trip."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Literal, Sequence

from .buffer import Buffer
from .client import Client, Shape
from .dtypes import DType, DTypeLike, Scalar
from .info import BufferInfo, CachedProgram, CacheEstimates, OpInfo, ShownProgram, Stats
from .prepared import Prepared
from .program import Program


class Controls:
    """Each is the `Client`'s method of its name."""

    def _control(self) -> AbstractContextManager[Client]:
        """The client, for a while in which it may block."""
        raise NotImplementedError

    async def ping(self) -> None:
        """As `Client.ping`."""
        with self._control() as client:
            client.ping()

    async def open(self, name: str, writable: bool = False) -> Buffer:
        """As `Client.open`."""
        with self._control() as client:
            return client.open(name, writable)

    async def shared(self, shape: Shape, dtype: DTypeLike = DType.F32) -> Buffer:
        """As `Client.shared`."""
        with self._control() as client:
            return client.shared(shape, dtype)

    async def adopt(self, fd: int, shape: Shape, dtype: DTypeLike = DType.F32) -> Buffer:
        """As `Client.adopt`."""
        with self._control() as client:
            return client.adopt(fd, shape, dtype)

    async def publish(self, buffer: Buffer, name: str, mode: int = 0o600,
                      group: int | None = None) -> None:
        """As `Buffer.publish`."""
        with self._control():
            buffer.publish(name, mode, group)

    async def unpublish(self, name: str) -> None:
        """As `Client.unpublish`."""
        with self._control() as client:
            client.unpublish(name)

    async def prepare(self, op: str, dtype: DTypeLike | Sequence[DTypeLike] = DType.F32, *,
                      shapes: Sequence[Shape] | None = None, **attributes: Scalar) -> Prepared:
        """As `Client.prepare`; `run` runs it: `await client.run(add, x, y)`. Its first use after a
        `reconnect` holds the loop for a round trip."""
        with self._control() as client:
            return client.prepare(op, dtype, shapes=shapes, **attributes)

    async def load_program(self, binary: bytes) -> Program:
        """As `Client.load_program`; `run` runs it: `await client.run(program.run, x, cols=n)`."""
        with self._control() as client:
            return client.load_program(binary)

    async def unload_program(self, program: Program) -> None:
        """As `Program.unload`."""
        with self._control() as client:
            client.unload_program(program)

    async def stats(self) -> Stats:
        """As `Client.stats`."""
        with self._control() as client:
            return client.stats()

    async def ops(self) -> dict[str, OpInfo]:
        """As `Client.ops`."""
        with self._control() as client:
            return client.ops()

    async def buffers(self,
                      scope: Literal["session", "named", "all"] = "session") -> list[BufferInfo]:
        """As `Client.buffers`."""
        with self._control() as client:
            return client.buffers(scope)

    # ---- the program cache ----------------------------------------------------------------------

    async def cache_top(self, count: int = 10, cache: str | None = None) -> list[CachedProgram]:
        """As `Client.cache_top`."""
        with self._control() as client:
            return client.cache_top(count, cache)

    async def cache_list(self, cache: str | None = None) -> list[CachedProgram]:
        """As `Client.cache_list`: a round trip for each page."""
        with self._control() as client:
            return client.cache_list(cache)

    async def cache_show(self, key: str | CachedProgram) -> ShownProgram:
        """As `Client.cache_show`."""
        with self._control() as client:
            return client.cache_show(key)

    async def cache_what_if(self, *entries: int) -> CacheEstimates:
        """As `Client.cache_what_if`."""
        with self._control() as client:
            return client.cache_what_if(*entries)

    async def cache_flush(self, key: str | CachedProgram | None = None, *,
                          cache: str | None = None, everything: bool = False) -> int:
        """As `Client.cache_flush`."""
        with self._control() as client:
            return client.cache_flush(key, cache=cache, everything=everything)

    async def cache_pin(self, key: str | CachedProgram) -> None:
        """As `Client.cache_pin`."""
        with self._control() as client:
            client.cache_pin(key)

    async def cache_unpin(self, key: str | CachedProgram) -> None:
        """As `Client.cache_unpin`."""
        with self._control() as client:
            client.cache_unpin(key)

    async def cache_profile(self) -> bytes:
        """As `Client.cache_profile`."""
        with self._control() as client:
            return client.cache_profile()

    async def cache_warm(self, keys: bytes) -> None:
        """As `Client.cache_warm`."""
        with self._control() as client:
            client.cache_warm(keys)
