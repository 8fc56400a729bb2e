# SPDX-License-Identifier: Apache-2.0
"""What every client has, whatever it computes: connecting, timeouts, cancelling, closing."""

from __future__ import annotations

import contextlib
import os
import time
from ctypes import byref, c_uint64
from types import TracebackType
from typing import Iterator, Self

from ._library import LIBRARY
from ._session import Session, microseconds
from .errors import ConnectionLost, Unavailable
from .info import ServerInfo

__all__ = ["Connection"]


class Connection:
    """A session that can be renewed."""

    def __init__(self, socket: str | os.PathLike[str] | None = None, timeout: float | None = None,
                 *, connect_timeout: float = 5.0, name: str | None = None) -> None:
        self._socket = os.fspath(socket) if socket is not None else None
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._name = name
        self._session = self._open_session()

    def _open_session(self) -> Session:
        return Session(self._socket, self._timeout, self._connect_timeout, self._name)

    def __del__(self) -> None:
        with contextlib.suppress(AttributeError):  # it never connected
            self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<hologram.Client {self._session.path}{'' if self.connected else ', closed'}>"

    # ---- the connection -------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """False after `close`, after a fork, and once the connection was found to be lost."""
        return self._session.pointer is not None

    def close(self) -> None:
        """Closes the connection; its buffers and programs go, published buffers stay."""
        self._session.close()

    def reconnect(self, wait: float = 0.0) -> None:
        """Connects anew, trying for up to `wait` seconds while the daemon is not there.

        Buffers and programs of the old connection are invalid; ConnectionLost said what that was
        and whether the request that met it is safe to repeat.
        """
        give_up = time.monotonic() + wait
        with self._session.lock:
            self._session.close("this belongs to a connection before the last reconnect()")
            while True:
                try:
                    self._session = self._open_session()
                    return
                except Unavailable:
                    if time.monotonic() >= give_up:
                        raise
                time.sleep(0.02)

    @property
    def server(self) -> ServerInfo:
        """What the daemon said when it greeted."""
        with self._session.lock:
            self._session.check()
            return ServerInfo.read(self._session.server)

    def ping(self) -> None:
        """Returns when the daemon has answered."""
        with self._blocking("ping") as session:
            ticket = c_uint64()
            session.require(LIBRARY.submit_ping(session.pointer, byref(ticket)))
            session.require(session.await_answer(ticket.value))

    def fileno(self) -> int:
        """The connection's descriptor, for poll only."""
        self._session.check()
        return self._session.fd

    @property
    def timeout(self) -> float | None:
        """Seconds that each request may take from now on; None: as long as it takes. A request that
        takes longer raises DeadlineExceeded. A batch counts as one request."""
        return self._timeout

    @timeout.setter
    def timeout(self, seconds: float | None) -> None:
        with self._session.lock:
            self._session.set_timeout(microseconds(seconds))
            self._timeout = seconds

    @contextlib.contextmanager
    def within(self, seconds: float | None) -> Iterator[Self]:
        """`with client.within(0.1): …` has another timeout for a while."""
        before = self._timeout
        self.timeout = seconds
        try:
            yield self
        finally:
            if self.connected:
                self.timeout = before

    def cancel(self) -> bool:
        """From another thread: cancels the request that a thread waits for, which then raises
        Cancelled unless it was too late. False if nobody waits. (An interrupt, Ctrl-C, cancels
        too.)"""
        return self._session.cancel()

    @contextlib.contextmanager
    def _blocking(self, what: str) -> Iterator[Session]:
        """Around what cannot be a step of a batch."""
        session = self._session
        with session.lock:
            session.settle(what)
            try:
                yield session
            except ConnectionLost as lost:
                lost.request = lost.request or what
                raise
