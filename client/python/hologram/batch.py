# SPDX-License-Identifier: Apache-2.0
"""Operations that travel as one message."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ._session import Session
from .errors import FailedPrecondition

if TYPE_CHECKING:
    from .buffer import Buffer
    from .client import Client

__all__ = ["Batch"]


class Batch:
    """Operations that travel as one message and run in order until the first that fails.

        with client.batch() as batch:
            hidden = hologram.relu(x @ w1 + b1)
            p = hologram.softmax(hidden @ w2 + b2)
            answer = batch.read(p)          # an array, filled when the block ends
        print(answer)

    Operations, `put` and `write` inside the block are queued. When it ends they are sent, and the
    first failure is raised; its `step` is the number of the operation, from 0. Buffers that were
    not made by then are invalid. What needs an answer inside the block (`numpy`, `stats`, …) sends
    what is queued and waits for it first, as does a batch that is larger than a message may be, and
    a `put` or `write` of more than 64 KiB. An exception in the block drops what is queued. A batch
    inside another is part of it. Other threads that use the client wait until the batch ends.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._outer: Batch | None = None
        self._session: Session | None = None
        self._reads: list[tuple[Buffer, NDArray[Any]]] = []

    def __enter__(self) -> Batch:
        if self._session is not None:
            raise FailedPrecondition("batch: is open already")
        session = self._client._session
        self._lock = session.lock
        self._lock.acquire()
        try:
            session.check()
            if session.asynchronous:
                raise FailedPrecondition("batch: this client belongs to asyncio: use client.run")
        except BaseException:
            self._lock.release()
            raise
        self._session = session
        self._outer, self._client._batch = self._client._batch, self
        if self._outer is None:
            session.steps.discard()
            session.steps.restart_numbers()
            session.recording = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        session, self._session = self._session, None
        if session is None:
            raise FailedPrecondition("batch: is not open")
        self._client._batch = self._outer
        reads, self._reads = self._reads, []
        try:
            if self._outer is not None:
                self._outer._reads += reads
            elif kind is None:
                session.check()
                session.commit()
                for buffer, out in reads:
                    session.read(self._client.operand(buffer, "read"), 0, out)
        finally:
            if self._outer is None:
                if session.pointer is not None:
                    session.steps.discard()
                session.recording = False
            self._lock.release()

    def read(self, buffer: Buffer) -> NDArray[Any]:
        """An array that is filled when the block ends, with what the buffer then holds."""
        if self._session is None:
            raise FailedPrecondition("batch: is not open")
        self._client.operand(buffer, "read")
        out = np.empty(buffer.shape, buffer.dtype.numpy)
        self._reads.append((buffer, out))
        return out

    def flush(self) -> None:
        """Sends what is queued and waits for it."""
        if self._session is None:
            raise FailedPrecondition("batch: is not open")
        self._session.settle("flush")
