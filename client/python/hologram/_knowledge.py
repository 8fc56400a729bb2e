# SPDX-License-Identifier: Apache-2.0
"""What a client asks the daemon about itself, and what administrators tell it."""

from __future__ import annotations

import os
from ctypes import POINTER, byref, c_uint64, c_void_p, string_at
from typing import Literal

from . import _library
from ._connection import Connection
from ._library import LIBRARY
from .errors import InvalidArgument
from .info import (BufferInfo, CachedProgram, CacheEstimates, OpInfo, ShownProgram, Stats,
                   cached_programs)

__all__ = ["Knowledge"]

_SCOPES = {"session": 0, "named": 1, "all": 2}


def _key(program: str | CachedProgram) -> bytes:
    return (program.key if isinstance(program, CachedProgram) else program).encode()


def _cache(name: str | None) -> bytes | None:
    return None if name is None else name.encode()


class Knowledge(Connection):
    """A connection that can ask.

    A cached program is known by its key's name, 64 hexadecimal digits that hold for as long as the
    daemon runs; any beginning of at least 4 that no other key shares will do. `cache` is one of the
    named caches, as `stats().caches` has them; None: all of them.
    """

    def __init__(self, socket: str | os.PathLike[str] | None = None, timeout: float | None = None,
                 *, connect_timeout: float = 5.0, name: str | None = None) -> None:
        self._op_table: dict[str, OpInfo] | None = None
        super().__init__(socket, timeout, connect_timeout=connect_timeout, name=name)

    def reconnect(self, wait: float = 0.0) -> None:
        super().reconnect(wait)
        self._op_table = None

    reconnect.__doc__ = Connection.reconnect.__doc__

    def stats(self) -> Stats:
        """The daemon's counters."""
        with self._blocking("stats") as session:
            handle = c_void_p()
            session.require(LIBRARY.get_stats(session.pointer, byref(handle)))
            return Stats.read(handle)

    def ops(self) -> dict[str, OpInfo]:
        """The operations that the daemon has, by name."""
        if self._op_table is None:
            with self._blocking("ops") as session:
                handle = c_void_p()
                session.require(LIBRARY.list_ops(session.pointer, byref(handle)))
                self._op_table = OpInfo.read_all(handle)
        return self._op_table

    def buffers(self, scope: Literal["session", "named", "all"] = "session") -> list[BufferInfo]:
        """This client's buffers, the published ones that this user may open, or every client's,
        which needs administration. The daemon lists at most 4,096."""
        if scope not in _SCOPES:
            raise InvalidArgument(f"scope: expected session, named or all, got {scope!r}")
        with self._blocking("buffers") as session:
            handle = c_void_p()
            session.require(LIBRARY.list_buffers(session.pointer, _SCOPES[scope], byref(handle)))
            return BufferInfo.read_all(handle)[0]

    # ---- the program cache ----------------------------------------------------------------------

    def cache_top(self, count: int = 10, cache: str | None = None) -> list[CachedProgram]:
        """The most used programs, best first."""
        if not 0 < count < 1 << 32:
            raise InvalidArgument(f"count: expected 1 or more programs, got {count}")
        with self._blocking("cache_top") as session:
            found = POINTER(_library.CacheList)()
            session.require(LIBRARY.cache_top(session.pointer, _cache(cache), count, byref(found)))
            return cached_programs(found)[0]

    def cache_list(self, cache: str | None = None) -> list[CachedProgram]:
        """All programs, page by page: what comes or goes meanwhile may be missed."""
        programs: dict[str, CachedProgram] = {}
        position = 0
        while True:
            with self._blocking("cache_list") as session:
                found = POINTER(_library.CacheList)()
                session.require(LIBRARY.cache_programs(session.pointer, _cache(cache), position, 0,
                                                       byref(found)))
                page, position = cached_programs(found)
            programs.update((program.key, program) for program in page)
            if position == 0:
                return list(programs.values())

    def cache_show(self, key: str | CachedProgram) -> ShownProgram:
        """One program: its key in words, its code, what runs it. That is no use of it."""
        with self._blocking("cache_show") as session:
            shown = POINTER(_library.CacheShown)()
            session.require(LIBRARY.cache_show(session.pointer, _key(key), byref(shown)))
            return ShownProgram.take(shown)

    def cache_what_if(self, *entries: int) -> CacheEstimates:
        """What caches of so many programs would have answered; without sizes, of 1/4 to 4 times as
        many as there may be."""
        if not all(0 <= size < 1 << 64 for size in entries):
            raise InvalidArgument(f"cache_what_if: expected numbers of programs, got {entries}")
        with self._blocking("cache_what_if") as session:
            sizes = (c_uint64 * len(entries))(*entries)
            found = POINTER(_library.CacheEstimates)()
            session.require(LIBRARY.cache_what_if(session.pointer, sizes, len(entries),
                                                  byref(found)))
            return CacheEstimates.take(found)

    # ---- the program cache's administration: PermissionDenied for others ------------------------

    def cache_flush(self, key: str | CachedProgram | None = None, *, cache: str | None = None,
                    everything: bool = False) -> int:
        """Drops one program, those of a cache, or everything, but for pinned ones: one of the
        three. Gives the number of the dropped."""
        if (key is not None) + (cache is not None) + everything != 1:
            raise InvalidArgument("cache_flush: expected a key, cache= or everything=True: one of "
                                  "them")
        with self._blocking("cache_flush") as session:
            dropped = c_uint64()
            session.require(LIBRARY.cache_flush(session.pointer, _cache(cache),
                                                None if key is None else _key(key),
                                                byref(dropped)))
            return dropped.value

    def cache_pin(self, key: str | CachedProgram) -> None:
        """Keeps a program from eviction and flush."""
        with self._blocking("cache_pin") as session:
            session.require(LIBRARY.cache_pin(session.pointer, _key(key), True))

    def cache_unpin(self, key: str | CachedProgram) -> None:
        """Lets a program go again."""
        with self._blocking("cache_unpin") as session:
            session.require(LIBRARY.cache_pin(session.pointer, _key(key), False))

    def cache_profile(self) -> bytes:
        """The keys of what is cached, hottest first: a key file for `cache_warm`."""
        with self._blocking("cache_profile") as session:
            keys = POINTER(_library.CacheKeys)()
            session.require(LIBRARY.cache_profile(session.pointer, byref(keys)))
            try:
                return string_at(keys.contents.data, keys.contents.bytes)
            finally:
                LIBRARY.cache_keys_free(keys)

    def cache_warm(self, keys: bytes) -> None:
        """Has the programs of a key file built in the background; `stats().server.warmed` counts
        them."""
        with self._blocking("cache_warm") as session:
            session.require(LIBRARY.cache_warm(session.pointer, keys, len(keys)))
