# SPDX-License-Identifier: Apache-2.0
"""One connection to the daemon: its lock, its buffers' ids, waiting, and losing it.

Threads: `lock` is held around everything but `release`, which garbage collection may call from any
thread at any time: it only moves an id from one container to another, which is atomic.

A buffer's id is in `live` while the daemon has the buffer and somebody here holds it. Then it goes
to `dead`, and from there into the next message as a free step:

    alloc ──► live ──release──► dead ──free step──► gone
               └──forget_buffer──► gone          (its alloc did not run)
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import select
import threading
import time
import weakref
from collections import deque
from ctypes import byref, c_bool, c_uint64, c_void_p
from typing import Any, Iterator, NoReturn

import numpy as np
from numpy.typing import NDArray

from . import _library
from ._library import LIBRARY
from ._steps import Flight, Steps
from .errors import (ConnectionLost, Error, FailedPrecondition, InvalidArgument, Status,
                     error_class)

STEPS_PER_OPERATION = 4
# Reads go in pieces of this size, a few of which are on their way at once.
READ_BYTES_MAX = 8 << 20
READS_IN_FLIGHT = 4
# The library gives up this long after a timeout that the server does not keep.
GRACE_S = 2.0
# An interrupted wait asks the server to cancel, and gives it this long to answer.
CANCEL_TIMEOUT_US = 500_000
# The server counts the steps of a message; people count their operations.
_WIRE_STEP = re.compile(r"^batch: step (\d+): ")

_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def microseconds(seconds: float | None) -> int:
    """For the library, where 0 means none."""
    if seconds is None:
        return 0
    if not seconds > 0:
        raise InvalidArgument(f"timeout: expected seconds above 0, or None, got {seconds}")
    return max(1, int(seconds * 1e6))


class Session:
    """A connection and what lives and dies with it."""

    def __init__(self, socket: str | None, timeout: float | None, connect_timeout: float | None,
                 name: str | None) -> None:
        options = _library.Options(
            socket_path=socket.encode() if socket else None,
            client_name=name.encode()[:64] if name else None,
            connect_timeout_us=microseconds(connect_timeout), timeout_us=microseconds(timeout))
        self.lock = threading.RLock()
        self.pointer: c_void_p | None = None  # None when it is closed, lost or the parent's
        self.live: set[int] = set()
        self.dead: deque[int] = deque()
        self.never: set[int] = set()
        self.uncertain: deque[int] = deque()
        self.names: set[str] = set()
        self.programs: set[int] = set()
        self.unprepared: deque[c_void_p] = deque()
        self.recording = False
        self.asynchronous = False
        self.stream = 0
        self._why_gone = "this client is closed"
        self._lost: dict[str, Any] | None = None
        self._waiting = 0  # the ticket, or 0
        self._cancelled = 0
        pointer, error = c_void_p(), _library.Error()
        status = LIBRARY.connect(byref(options), byref(pointer), byref(error))
        if status:
            raise error_class(status)(error.message.decode("utf-8", "replace"),
                                      error.detail.decode())
        self.pointer = pointer
        self.path = _socket_path(options)
        self.fd: int = LIBRARY.fd(pointer)
        self.timeout_us = options.timeout_us
        self._done = c_bool()
        self._wakeup = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poller = select.poll()
        self._poller.register(self.fd, select.POLLIN)
        self._poller.register(self._wakeup, select.POLLIN)
        self.server: _library.ServerInfo = LIBRARY.server(pointer).contents
        self.steps = Steps(self)
        _sessions.add(self)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # not made in full
            self.close()
            self.free_prepared(None)

    # ---- the end --------------------------------------------------------------------------------

    def close(self, why: str = "this client is closed") -> None:
        """Gives everything back. Only the first reason stays."""
        with self.lock:
            if self.pointer is None:
                return
            pointer, self.pointer = self.pointer, None
            self._why_gone = why
            self.live.clear()
            self.steps.close()
            self.free_prepared(None)
            LIBRARY.close(byref(pointer))
            os.close(self._wakeup)

    def abandon(self) -> None:
        """In the child of a fork: the connection is the parent's. The library's memory may be in
        the middle of a change that another thread of the parent made, so it is left alone."""
        if self.pointer is not None:
            self.pointer = None
            self.lock = threading.RLock()  # another thread of the parent may have held it
            self._why_gone = ("this client was connected before a fork and belongs to the parent "
                              "process: connect anew in the child")
            self.live.clear()
            os.close(self.fd)
            os.close(self._wakeup)

    def check(self) -> None:
        if self.pointer is not None:
            return
        if self._lost is not None:
            raise ConnectionLost(self._why_gone, **self._lost)
        raise FailedPrecondition(self._why_gone)

    # ---- errors ---------------------------------------------------------------------------------

    def require(self, status: int) -> None:
        if status:
            self.fail(status)

    def fail(self, status: int, what: str = "", repeatable: bool = True,
             step: int | None = None) -> NoReturn:
        """Raises the library's last error, or ConnectionLost if it is the connection's."""
        raise self.error(status, what, repeatable, step)

    def error(self, status: int, what: str = "", repeatable: bool = True,
              step: int | None = None) -> Error:
        last = LIBRARY.last_error(self.pointer).contents
        message = _WIRE_STEP.sub("", last.message.decode("utf-8", "replace"))
        detail = last.detail.decode("utf-8", "replace")
        if status in (Status.UNAVAILABLE, Status.INTERNAL) and LIBRARY.flush(self.pointer):
            return self._lose(message, what, repeatable)
        if step is not None:
            message = f"step {step} of the batch, {message}"
        return error_class(status)(message, detail, step)

    def _lose(self, reason: str, what: str, repeatable: bool) -> ConnectionLost:
        self._lost = {"lost_buffers": len(self.live), "lost_programs": len(self.programs),
                      "published": tuple(sorted(self.names))}
        programs = f" and {len(self.programs)} programs" if self.programs else ""
        text = [f"the connection to {self.path} was lost ({reason}): {len(self.live)} buffers"
                f"{programs} are gone"]
        if self.names:
            text.append(f"{', '.join(sorted(self.names))} can be opened again by name if the "
                        "daemon still runs")
        self.close("; ".join(text) + "; use reconnect()")
        if what:
            text.append(f"{what} may be repeated once its buffers are there again" if repeatable
                        else f"{what} may or may not have happened: look before repeating it")
        return ConnectionLost("; ".join(text), request=what, safe_to_repeat=repeatable,
                              **self._lost)

    # ---- buffers' ids ---------------------------------------------------------------------------

    def release(self, buffer: int) -> bool:
        """Nobody holds BUFFER any more. From any thread, without the lock."""
        try:
            self.live.remove(buffer)
        except KeyError:
            return False
        self.dead.append(buffer)
        return True

    def forget_buffer(self, buffer: int) -> None:
        """BUFFER was not made, so that it must not be freed either."""
        try:
            self.live.remove(buffer)
        except KeyError:
            self.never.add(buffer)

    def drop_prepared(self, pointer: c_void_p) -> None:
        """Nobody holds a prepared operation any more. From any thread, without the lock."""
        if self.pointer is None:
            LIBRARY.unprepare(None, byref(pointer))
        else:
            self.unprepared.append(pointer)

    def free_prepared(self, client: c_void_p | None) -> None:
        """What is recorded but not sent may still use them, so there must be nothing of it; what is
        on its way was sent on stream 0, behind which this has to stay."""
        if not self.unprepared:
            return
        if client is not None:
            LIBRARY.set_stream(client, 0)
        while self.unprepared:
            LIBRARY.unprepare(client, byref(self.unprepared.popleft()))
        if client is not None:
            LIBRARY.set_stream(client, self.stream)

    def _record_frees(self) -> None:
        if not len(self.steps):
            self.free_prepared(self.pointer)
        while self.uncertain:
            # Nobody looks at the answer, which may be NOT_FOUND.
            self.require(LIBRARY.submit_free(self.pointer, self.uncertain.popleft(), None))
        while self.dead and self.steps.room(STEPS_PER_OPERATION + 1):
            buffer = self.dead.popleft()
            if buffer in self.never:
                self.never.discard(buffer)
            else:
                self.steps.free(buffer)

    # ---- steps ----------------------------------------------------------------------------------

    def begin(self, what: str, repeatable: bool = True, data_bytes: int = 0) -> Steps:
        """Where to record one operation of a few steps. `end` has to follow."""
        self.check()
        if not self.recording:
            if self.asynchronous:
                raise FailedPrecondition(f"{what}: this client belongs to asyncio: use `await "
                                         "client.run(function, …)`, or its coroutines")
            self.steps.discard()
        self.steps.operation(what, repeatable)
        self._record_frees()
        if not self.steps.room(STEPS_PER_OPERATION, data_bytes):
            if self.asynchronous:
                raise InvalidArgument(f"{what}: more operations than fit into one message of at "
                                      f"most {self.steps.steps_max} steps; await in between")
            self.commit()
        return self.steps

    def end(self) -> None:
        """The operation is recorded: outside a batch it runs now."""
        if not self.recording:
            self.commit()

    def settle(self, what: str) -> None:
        """Before what cannot be a step: runs what is recorded."""
        self.check()
        if self.asynchronous:
            raise FailedPrecondition(f"{what}: this client belongs to asyncio: use its coroutines")
        if self.recording:
            self.commit()

    def commit(self) -> None:
        """Sends what is recorded and waits for it."""
        if len(self.steps):
            flight = self.steps.submit()
            self.finish(flight, self.await_flight(flight), self.recording)

    def await_flight(self, flight: Flight) -> int:
        try:
            return self.await_answer(flight.ticket)
        except BaseException:
            self.steps.give_up(flight)
            raise

    def finish(self, flight: Flight, status: int, batch: bool) -> None:
        """Takes note of what became of a flight that was waited for, and raises its failure."""
        if flight.answered:
            self.steps.settle(flight)
        else:
            self.steps.give_up(flight)
        if status:
            self.fail(status, flight.what, flight.repeatable,
                      self._failed_operation(flight) if batch else None)

    def _failed_operation(self, flight: Flight) -> int | None:
        """Which operation the last error is of."""
        last = LIBRARY.last_error(self.pointer).contents.message.decode("utf-8", "replace")
        found = _WIRE_STEP.match(last)
        return flight.steps[int(found[1])].number if found else None

    # ---- waiting --------------------------------------------------------------------------------

    def await_answer(self, ticket: int) -> int:
        """Waits so that signals and `cancel` are heard. The status is the request's."""
        deadline = 0.0
        if self.timeout_us:
            deadline = time.monotonic() + self.timeout_us / 1e6 + GRACE_S
        done = self._done
        self._waiting = ticket
        try:
            status = LIBRARY.poll(self.pointer, ticket, byref(done))
            while not status and not done.value:
                left = (deadline - time.monotonic()) * 1000 + 1 if deadline else None
                if left is not None and left <= 0:
                    break
                for fd, _ in self._poller.poll(left):
                    if fd == self._wakeup:
                        self._hear_cancel(ticket)
                status = LIBRARY.poll(self.pointer, ticket, byref(done))
        except BaseException:
            self._interrupted(ticket)
            raise
        finally:
            self._waiting = 0
        return int(LIBRARY.wait(self.pointer, ticket))

    def _hear_cancel(self, ticket: int) -> None:
        os.eventfd_read(self._wakeup)
        if self._cancelled == ticket:  # not an earlier one, which ended just then
            LIBRARY.cancel(self.pointer, ticket)

    def _interrupted(self, ticket: int) -> None:
        """Stops the server's work for a request whose answer nobody will take."""
        LIBRARY.set_timeout(self.pointer, CANCEL_TIMEOUT_US)
        LIBRARY.cancel(self.pointer, ticket)
        LIBRARY.set_timeout(self.pointer, self.timeout_us)
        LIBRARY.forget(self.pointer, ticket)

    def cancel(self) -> bool:
        """From another thread: cancels what a thread waits for. False if none does."""
        ticket = self._waiting
        if ticket == 0 or self.pointer is None:
            return False
        self._cancelled = ticket
        os.eventfd_write(self._wakeup, 1)
        return True

    def set_stream(self, stream: int) -> None:
        self.stream = stream
        LIBRARY.set_stream(self.pointer, stream)

    def set_timeout(self, timeout_us: int) -> None:
        self.check()
        self.timeout_us = timeout_us
        LIBRARY.set_timeout(self.pointer, timeout_us)

    # ---- bytes ----------------------------------------------------------------------------------

    def write(self, buffer: int, offset: int, array: NDArray[Any]) -> None:
        """Of any size; not part of a batch."""
        status = LIBRARY.write(self.pointer, buffer, offset, array.ctypes.data, array.nbytes)
        if status:
            self.fail(status, "write")

    def read(self, buffer: int, offset: int, array: NDArray[Any]) -> None:
        """Fills ARRAY, which is contiguous."""
        pieces = deque(self._pieces(array))
        flying: deque[int] = deque()
        try:
            while pieces or flying:
                while pieces and len(flying) < READS_IN_FLIGHT:
                    start, size = pieces.popleft()
                    flying.append(self.submit_read(buffer, offset + start, array, start, size))
                status = self.await_answer(flying[0])
                flying.popleft()
                if status:
                    self.fail(status, "read")
        finally:
            for ticket in flying:  # only after a failure: ARRAY must not be written to any more
                if self.pointer is not None:
                    LIBRARY.forget(self.pointer, ticket)

    def _pieces(self, array: NDArray[Any]) -> Iterator[tuple[int, int]]:
        size = min(READ_BYTES_MAX, self.server.payload_bytes_max or READ_BYTES_MAX)
        for start in range(0, array.nbytes, size):
            yield start, min(size, array.nbytes - start)

    def submit_read(self, buffer: int, offset: int, array: NDArray[np.generic], start: int,
                    size: int) -> int:
        ticket = c_uint64()
        self.require(LIBRARY.submit_read(self.pointer, buffer, offset, array.ctypes.data + start,
                                         size, byref(ticket)))
        return ticket.value


def _socket_path(options: _library.Options) -> str:
    path = ctypes.create_string_buffer(4096)
    LIBRARY.socket_path(byref(options), path, len(path))
    return os.fsdecode(path.value)


def _after_fork() -> None:
    for session in list(_sessions):
        session.abandon()


os.register_at_fork(after_in_child=_after_fork)
