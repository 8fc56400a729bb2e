# SPDX-License-Identifier: Apache-2.0
"""Steps that travel to the daemon as one message, and what became of each.

    record: alloc, write, execute … ──submit──► Flight ──settle──► which buffers exist now

Every request of a client that makes buffers or computes goes this way, alone or in a batch: an
operation with a fresh result is two steps (alloc, execute) of one message. The ids of buffers that
nobody holds any more ride along as free steps.
"""

from __future__ import annotations

import ctypes
from ctypes import byref, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Sequence

import numpy as np
from numpy.typing import NDArray

from . import _library
from ._library import LIBRARY

if TYPE_CHECKING:
    from typing import Any

    from ._session import Session

# What the steps of a message may hold, at most and of what the daemon allows: the rest is room for
# what they cost themselves.
MESSAGE_BYTES_MAX = 512 << 10
MESSAGE_PART = 2
# A write of more than this, and of more than this part of a message, is a request of its own.
WRITE_BYTES_MAX = 64 << 10
WRITE_PART = 4
# A step without data is smaller than this.
STEP_BYTES = 256
# Flight.completed before the answer.
UNANSWERED = 0xFFFFFFFF


@dataclass(slots=True)
class Step:
    """One step as the daemon counts them, of the user's operation `number`."""

    kind: Literal["alloc", "free", "work"]
    number: int
    what: str
    buffer: int = 0
    repeatable: bool = True


@dataclass(slots=True)
class Flight:
    """Steps that were submitted. The library writes `completed` when it takes the answer in."""

    ticket: int
    completed: c_uint32
    steps: list[Step]

    @property
    def answered(self) -> bool:
        return self.completed.value != UNANSWERED

    @property
    def repeatable(self) -> bool:
        return all(step.repeatable for step in self.steps)

    @property
    def what(self) -> str:
        """Names of the operations on their way, for people."""
        names = [step.what for step in self.steps if step.kind == "work"]
        return ", ".join(dict.fromkeys(names)) or (self.steps[0].what if self.steps else "")


def _ids(buffers: Sequence[int]) -> Any:
    return (c_uint64 * len(buffers))(*buffers)


def make_call(op: bytes, inputs: Sequence[int], outputs: Sequence[int],
              attributes: Sequence[tuple[bytes, int]]) -> _library.Call:
    """A hologram_call; it keeps what it points to alive."""
    return _library.Call(op, _ids(inputs), len(inputs), len(outputs), _ids(outputs),
                         (_library.Attribute * len(attributes))(
                             *(_library.Attribute(*attribute) for attribute in attributes)),
                         len(attributes))


def make_spec(code: int, shape: Sequence[int], pool: int = 0,
              boundary_fallback: bool = False) -> _library.BufferSpec:
    spec = _library.BufferSpec(code, len(shape))
    spec.shape[:len(shape)] = shape
    spec.pool = pool
    spec.boundary_fallback = boundary_fallback
    return spec


class Steps:
    """The steps being recorded. Belongs to its session and its lock."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._handle = c_void_p()
        self._steps: list[Step] = []
        self._bytes = 0
        self._number = -1
        self._what = ""
        self._repeatable = True
        message_bytes_max = session.server.message_bytes_max or 1 << 20
        self.steps_max: int = session.server.batch_steps_max or 256
        self.bytes_max = min(MESSAGE_BYTES_MAX, message_bytes_max // MESSAGE_PART)
        self.write_bytes_max = min(WRITE_BYTES_MAX, message_bytes_max // WRITE_PART)
        session.require(LIBRARY.batch_new(session.pointer, byref(self._handle)))

    def __len__(self) -> int:
        return len(self._steps)

    def restart_numbers(self) -> None:
        self._number = -1

    def operation(self, what: str, repeatable: bool = True) -> None:
        """What follows belongs to the user's next operation."""
        self._number += 1
        self._what = what
        self._repeatable = repeatable

    def room(self, steps: int, data_bytes: int = 0) -> bool:
        return (len(self._steps) + steps <= self.steps_max
                and self._bytes + data_bytes + steps * STEP_BYTES <= self.bytes_max)

    def _add(self, kind: Literal["alloc", "free", "work"], buffer: int = 0,
             data_bytes: int = 0) -> None:
        self._steps.append(Step(kind, self._number, self._what, buffer, self._repeatable))
        self._bytes += STEP_BYTES + data_bytes

    # ---- recording ------------------------------------------------------------------------------

    def alloc(self, spec: _library.BufferSpec) -> int:
        buffer = c_uint64()
        self._session.require(LIBRARY.batch_alloc(self._handle, byref(spec), byref(buffer)))
        self._add("alloc", buffer.value)
        self._session.live.add(buffer.value)
        return buffer.value

    def free(self, buffer: int) -> None:
        self._session.require(LIBRARY.batch_free_buffer(self._handle, buffer))
        self._add("free", buffer)

    def write(self, buffer: int, offset: int, array: NDArray[np.generic]) -> None:
        self._session.require(LIBRARY.batch_write(self._handle, buffer, offset,
                                                  array.ctypes.data, array.nbytes))
        self._add("work", buffer, array.nbytes)

    def freeze(self, buffer: int) -> None:
        self._session.require(LIBRARY.batch_freeze(self._handle, buffer))
        self._add("work", buffer)

    def execute(self, call: _library.Call) -> None:
        self._session.require(LIBRARY.batch_execute(self._handle, byref(call)))
        self._add("work")

    def execute_prepared(self, call: _library.PreparedCall) -> None:
        self._session.require(LIBRARY.batch_execute_prepared(self._handle, byref(call)))
        self._add("work")

    def run_program(self, run: _library.Run) -> None:
        self._session.require(LIBRARY.batch_run_program(self._handle, byref(run)))
        self._add("work")

    # ---- sending --------------------------------------------------------------------------------

    def submit(self) -> Flight:
        """Queues what is recorded as one message, and starts anew."""
        ticket, completed = c_uint64(), c_uint32(UNANSWERED)
        status = LIBRARY.submit_batch(self._handle, byref(completed), byref(ticket))
        flight = Flight(ticket.value, completed, self._steps)
        if status:
            self.discard()
            self._session.fail(status, flight.what, flight.repeatable)
        self._clear()
        return flight

    def settle(self, flight: Flight) -> None:
        """Takes note of what a flight that was answered left undone."""
        for step in flight.steps[flight.completed.value:]:
            self._undo(step)

    def give_up(self, flight: Flight) -> None:
        """Takes note that nobody knows what became of a flight."""
        for step in flight.steps:
            if step.kind == "alloc":
                self._session.forget_buffer(step.buffer)
            if step.kind != "work":
                self._session.uncertain.append(step.buffer)

    def discard(self) -> None:
        """Forgets what is recorded."""
        for step in self._steps:
            self._undo(step)
        self._clear()

    def _undo(self, step: Step) -> None:
        if step.kind == "alloc":
            self._session.forget_buffer(step.buffer)
        elif step.kind == "free":
            self._session.dead.append(step.buffer)

    def _clear(self) -> None:
        LIBRARY.batch_clear(self._handle)
        self._steps = []
        self._bytes = 0

    def close(self) -> None:
        LIBRARY.batch_free(byref(self._handle))
