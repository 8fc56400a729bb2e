# SPDX-License-Identifier: Apache-2.0
"""hologram for asyncio.

    async with hologram.aio.connect() as client:
        x = await client.put(array)
        y = await client.run(lambda: hologram.softmax(x @ w + b))
        print(await client.read(y))

`run` calls a plain function and sends everything that it does with buffers as one message; tasks
may have many of them on their way at once, and the daemon does them in the order of submission.
Sending and receiving happen on the event loop, through `loop.add_reader`; a thread only connects.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from ctypes import byref, c_bool, c_uint64
from types import TracebackType
from typing import Any, Callable, Generator, Iterator, ParamSpec, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._aio_graphs import AsyncGraphs
from ._controls import Controls
from ._graph_requests import Request
from ._library import LIBRARY
from ._session import GRACE_S, Session
from ._steps import Flight
from .buffer import Buffer
from .client import Client, Pool, Shape
from .dtypes import DType, DTypeLike, Scalar, to_storage
from .errors import ConnectionLost, FailedPrecondition
from .info import ServerInfo

__all__ = ["AsyncClient", "connect"]

P = ParamSpec("P")
R = TypeVar("R")

# The loop sends a piece of this size at a time, and lets others run in between.
PIECE_BYTES = 1 << 20
# Requests that only have a blocking form go on a stream of their own, so that they do not wait for
# computations, and must be answered soon.
CONTROL_STREAM = 1
CONTROL_TIMEOUT_US = 5_000_000
# So many of the requests that the daemon takes at once are left to them.
CONTROL_RESERVE = 8


class _Pending:
    """A request on its way. `steps` is None for reads, writes and graphs; `memory` is kept until the
    answer is there."""

    __slots__ = ("ticket", "future", "what", "steps", "memory", "repeatable", "expiry")

    def __init__(self, ticket: int, future: asyncio.Future[None], what: str,
                 steps: Flight | None = None, memory: object = None,
                 repeatable: bool = True) -> None:
        self.ticket = ticket
        self.future = future
        self.what = what
        self.steps = steps
        self.memory = memory
        self.repeatable = repeatable if steps is None else steps.repeatable
        self.expiry: asyncio.TimerHandle | None = None


class AsyncClient(AsyncGraphs, Controls):
    """A connection for one event loop. `connect` makes it; use it with `async with`.

    Buffers are those of `hologram`, but only `run` may compute with them and only coroutines read
    them. Cancelling a task that waits cancels its request in the daemon. Freed buffers' memory goes
    with the next `run`. The calls that administer (open, publish, stats, …) hold the loop for one
    round trip.
    """

    def __init__(self, client: Client) -> None:
        """Not for users: takes a client that nobody else uses."""
        self._client = client
        self._loop = asyncio.get_running_loop()
        self._pending: deque[_Pending] = deque()
        self._scheduled = False
        self._done = c_bool()
        self._adopt()

    def _adopt(self) -> None:
        session = self._session
        session.asynchronous = True
        limit = session.server.requests_in_flight_max or 256
        self._room = asyncio.Semaphore(max(1, limit - CONTROL_RESERVE))
        self._loop.add_reader(session.fd, self._take_in)

    @property
    def _session(self) -> Session:
        return self._client._session

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        self.close()

    # ---- the connection -------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return self._client.connected

    @property
    def server(self) -> ServerInfo:
        """What the daemon said when it greeted."""
        return self._client.server

    def close(self) -> None:
        """Closes the connection. What is still awaited raises FailedPrecondition."""
        if self._session.pointer is not None:
            self._loop.remove_reader(self._session.fd)
            self._session.close()
        self._fail_all()

    async def reconnect(self, wait: float = 0.0) -> None:
        """As `Client.reconnect`."""
        self.close()
        await asyncio.to_thread(self._client.reconnect, wait)
        self._adopt()

    @property
    def timeout(self) -> float | None:
        """Seconds that each request made from now on may take; None: as long as it takes."""
        return self._client.timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        self._client.timeout = seconds

    # ---- requests on their way ------------------------------------------------------------------

    def _track(self, pending: _Pending) -> None:
        """A request was queued: it leaves, with what other tasks queue now, in the loop's next
        turn."""
        self._pending.append(pending)
        timeout_us = self._session.timeout_us
        if timeout_us:
            pending.expiry = self._loop.call_later(timeout_us / 1e6 + GRACE_S + 0.01, self._expire,
                                                   pending)
        self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._take_in)

    def _take_in(self) -> None:
        """Sends what is queued and finishes what was answered. Answers come in the order of the
        requests, so the first without an answer ends the search."""
        self._scheduled = False
        while self._pending and self._session.pointer is not None:
            first = self._pending[0]
            status = LIBRARY.poll(self._session.pointer, first.ticket, byref(self._done))
            if not status and not self._done.value:
                return
            if status:
                self._finish(first, status)
            else:
                self._finish(first, LIBRARY.wait(self._session.pointer, first.ticket))

    def _expire(self, pending: _Pending) -> None:
        """The daemon did not even keep the timeout: the library says so itself."""
        if pending in self._pending and self._session.pointer is not None:
            self._finish(pending, LIBRARY.wait(self._session.pointer, pending.ticket))

    def _finish(self, pending: _Pending, status: int) -> None:
        self._pending.remove(pending)
        session, error = self._session, None
        fd = session.fd
        try:
            if pending.steps is not None:
                session.finish(pending.steps, status, batch=True)
            elif status:
                session.fail(status, pending.what, pending.repeatable)
        except Exception as raised:
            error = raised
        self._resolve(pending, error)
        if session.pointer is None:
            self._loop.remove_reader(fd)
            self._fail_all()

    def _resolve(self, pending: _Pending, error: Exception | None) -> None:
        self._room.release()
        if pending.expiry is not None:
            pending.expiry.cancel()
        if pending.future.done():  # its task was cancelled
            return
        if error is None:
            pending.future.set_result(None)
        else:
            pending.future.set_exception(error)

    def _fail_all(self) -> None:
        """The connection is gone, and with it all that is on its way."""
        while self._pending:
            pending = self._pending.popleft()
            try:
                self._session.check()
            except ConnectionLost as lost:
                lost.request = pending.what
                lost.safe_to_repeat = pending.repeatable
                self._resolve(pending, lost)
            except FailedPrecondition as closed:
                self._resolve(pending, closed)

    async def _answer(self, pending: _Pending) -> None:
        self._track(pending)
        try:
            await pending.future
        except asyncio.CancelledError:
            if pending in self._pending:
                with self._control() as client:
                    LIBRARY.cancel(client._session.pointer, pending.ticket)
            raise

    @contextlib.contextmanager
    def _control(self) -> Iterator[Client]:
        """Around calls that only have a blocking form."""
        session = self._session
        session.check()
        before = session.timeout_us
        session.set_timeout(min(before, CONTROL_TIMEOUT_US) if before else CONTROL_TIMEOUT_US)
        session.set_stream(CONTROL_STREAM)
        session.asynchronous = False
        try:
            yield self._client
        finally:
            session.asynchronous = True
            if session.pointer is not None:
                session.set_stream(0)
                session.set_timeout(before)
            self._schedule()  # the answers of others may have come in meanwhile

    # ---- computing ------------------------------------------------------------------------------

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Calls `function`, which is not a coroutine, and gives its result when the daemon has done
        what it did with buffers: all of it travels as one message. In an error, `step` is the
        number of the operation that failed, from 0."""
        await self._room.acquire()
        try:
            result, flight = self._record(function, *args, **kwargs)
        except BaseException:
            self._room.release()
            raise
        if flight is None:
            self._room.release()
        else:
            await self._answer(_Pending(flight.ticket, self._loop.create_future(), flight.what,
                                        flight))
        return result

    def _record(self, function: Callable[P, R], *args: P.args,
                **kwargs: P.kwargs) -> tuple[R, Flight | None]:
        session = self._session
        session.check()
        if session.recording:
            raise FailedPrecondition("run: is running already")
        session.steps.restart_numbers()
        session.recording = True
        try:
            result = function(*args, **kwargs)
            return result, session.steps.submit() if len(session.steps) else None
        finally:
            session.recording = False
            if session.pointer is not None:
                session.steps.discard()

    async def _run_request(self, request: Request) -> dict[str, Buffer]:
        await self._room.acquire()
        session = self._session
        try:
            session.check()
            ticket = request.submit(session)
        except BaseException:
            self._room.release()
            raise
        try:
            await self._answer(_Pending(ticket, self._loop.create_future(), "eval",
                                        memory=request, repeatable=request.repeatable))
        except asyncio.CancelledError:
            request.abandon(session)
            raise
        return request.take(session)

    # ---- buffers --------------------------------------------------------------------------------

    async def put(self, array: ArrayLike, dtype: DTypeLike | None = None, *, pool: Pool = "heap",
                  boundary_fallback: bool = False, constant: bool = False) -> Buffer:
        """As `Client.put`, of any size."""
        data, kind = to_storage(array, dtype)
        if data.nbytes <= self._session.steps.write_bytes_max:
            return await self.run(self._client.put, data, kind, pool=pool,
                                  boundary_fallback=boundary_fallback, constant=constant)
        buffer = await self.run(self._client.empty, data.shape, kind, pool=pool,
                                boundary_fallback=boundary_fallback)
        await self._write(buffer, 0, data)
        if constant:
            await self.freeze(buffer)
        return buffer

    async def freeze(self, buffer: Buffer) -> None:
        """As `Buffer.freeze`."""
        await self.run(self._client.freeze, buffer)

    async def empty(self, shape: Shape, dtype: DTypeLike = DType.F32, *, pool: Pool = "heap",
                    boundary_fallback: bool = False) -> Buffer:
        """As `Client.empty`."""
        return await self.run(self._client.empty, shape, dtype, pool=pool,
                              boundary_fallback=boundary_fallback)

    zeros = empty

    async def full(self, shape: Shape, value: Scalar, dtype: DTypeLike = DType.F32) -> Buffer:
        """As `Client.full`."""
        return await self.run(self._client.full, shape, value, dtype)

    async def read(self, buffer: Buffer) -> NDArray[Any]:
        """As `Buffer.numpy`. Comes after everything that was submitted before."""
        out = np.empty(buffer.shape, buffer.dtype.numpy)
        buffer_id = self._client.operand(buffer, "read")
        await self._pieces("read", out, lambda start, size: self._session.submit_read(
            buffer_id, start, out, start, size))
        return out

    async def write(self, buffer: Buffer, array: ArrayLike, start: int = 0) -> None:
        """As `Buffer.write`, of any size."""
        data, _ = to_storage(array, buffer.dtype)
        await self._write(buffer, start * buffer.dtype.itemsize, data)

    async def _write(self, buffer: Buffer, offset: int, data: NDArray[Any]) -> None:
        buffer_id = self._client.operand(buffer, "write")

        def submit(start: int, size: int) -> int:
            ticket = c_uint64()
            session = self._session
            session.require(LIBRARY.submit_write(session.pointer, buffer_id, offset + start,
                                                 data.ctypes.data + start, size, byref(ticket)))
            return ticket.value

        await self._pieces("write", data, submit)

    async def _pieces(self, what: str, data: NDArray[Any],
                      submit: Callable[[int, int], int]) -> None:
        for start in range(0, data.nbytes, PIECE_BYTES):
            await self._room.acquire()
            try:
                self._session.check()
                ticket = submit(start, min(PIECE_BYTES, data.nbytes - start))
            except BaseException:
                self._room.release()
                raise
            await self._answer(_Pending(ticket, self._loop.create_future(), what, memory=data))


class _Connecting:
    """What `connect` gives: both `await` and `async with` make the client of it."""

    def __init__(self, connecting: Callable[[], Client]) -> None:
        self._connecting = connecting
        self._client: AsyncClient | None = None

    async def _connect(self) -> AsyncClient:
        return AsyncClient(await asyncio.to_thread(self._connecting))

    def __await__(self) -> Generator[Any, None, AsyncClient]:
        return self._connect().__await__()

    async def __aenter__(self) -> AsyncClient:
        self._client = await self._connect()
        return self._client

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        if self._client is not None:
            self._client.close()


def connect(socket: str | os.PathLike[str] | None = None, timeout: float | None = None, *,
            connect_timeout: float = 5.0, name: str | None = None) -> _Connecting:
    """As `hologram.connect`; await it, or use it with `async with`."""
    return _Connecting(lambda: Client(socket, timeout, connect_timeout=connect_timeout, name=name))
