# SPDX-License-Identifier: Apache-2.0
"""What the daemon says about itself, as plain data."""

from __future__ import annotations

from ctypes import c_void_p
from dataclasses import dataclass
from typing import Any

from . import _library
from ._library import LIBRARY
from .dtypes import DType

__all__ = ["ServerInfo", "ServerStats", "CacheStats", "PoolStats", "Stats", "AttributeInfo",
           "OpInfo", "BufferInfo", "Execution", "CachedProgram", "ShownProgram", "CacheEstimates"]


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")


@dataclass(frozen=True)
class ServerInfo:
    """What the daemon said when it greeted: its version and what this client may use."""

    version: str
    protocol_version: int
    session_id: int
    admin: bool
    features: tuple[str, ...]
    requests_in_flight_max: int
    message_bytes_max: int
    payload_bytes_max: int
    memory_bytes_max: int
    buffers_max: int
    boundary_classes_max: int
    batch_steps_max: int
    streams_max: int

    @classmethod
    def read(cls, raw: _library.ServerInfo) -> ServerInfo:
        features = tuple(_text(raw.features[i]) for i in range(raw.feature_count))
        return cls(_text(raw.version), raw.protocol_version, raw.session_id, raw.admin, features,
                   raw.requests_in_flight_max, raw.message_bytes_max, raw.payload_bytes_max,
                   raw.memory_bytes_max, raw.buffers_max, raw.boundary_classes_max,
                   raw.batch_steps_max, raw.streams_max)


@dataclass(frozen=True)
class ServerStats:
    version: str
    executor: str
    isa_level: str
    metrics_url: str
    uptime_ns: int
    requests: int
    errors: int
    allocated_bytes: int
    resident_bytes: int
    sessions: int
    workers: int
    queue_depth: int
    precompiled: int
    warmed: int
    cache_entries: int
    cache_entries_max: int
    cache_bytes: int
    cache_bytes_max: int
    packed_entries: int
    packed_bytes: int
    packed_bytes_max: int
    packed_hits: int
    packed_builds: int
    packed_evictions: int


@dataclass(frozen=True)
class CacheStats:
    """One named program cache. `missed_…` are its misses by reason; `unfused`: counts only where
    composites are not fused."""

    cache: str
    help: str
    hits: int
    misses: int
    builds: int
    build_failures: int
    evictions: int
    entries: int
    bytes: int
    missed_first_seen: int
    missed_evicted: int
    missed_flushed: int
    missed_failed: int
    build_ns: int
    unfused: bool


@dataclass(frozen=True)
class PoolStats:
    """One pool of buffers' memory. bytes_limit 0: none."""

    pool: str
    bytes_used: int
    bytes_limit: int
    buffers: int


@dataclass(frozen=True)
class Stats:
    """The daemon's counters: the server's, and by name those of caches and pools."""

    server: ServerStats
    caches: dict[str, CacheStats]
    pools: dict[str, PoolStats]

    @classmethod
    def read(cls, handle: c_void_p) -> Stats:
        """Takes and frees a hologram_stats."""
        try:
            raw = LIBRARY.stats_server(handle).contents
            server = ServerStats(_text(raw.version), _text(raw.executor), _text(raw.isa_level),
                                 _text(raw.metrics_url), raw.uptime_ns, raw.requests, raw.errors,
                                 raw.allocated_bytes, raw.resident_bytes, raw.sessions,
                                 raw.workers, raw.queue_depth, raw.precompiled, raw.warmed,
                                 raw.cache_entries, raw.cache_entries_max, raw.cache_bytes,
                                 raw.cache_bytes_max, raw.packed_entries, raw.packed_bytes,
                                 raw.packed_bytes_max, raw.packed_hits, raw.packed_builds,
                                 raw.packed_evictions)
            caches = (LIBRARY.stats_cache(handle, i).contents
                      for i in range(LIBRARY.stats_cache_count(handle)))
            pools = (LIBRARY.stats_pool(handle, i).contents
                     for i in range(LIBRARY.stats_pool_count(handle)))
            return cls(server, {_text(c.cache): _cache(c) for c in caches},
                       {_text(p.pool): PoolStats(_text(p.pool), p.bytes_used, p.bytes_limit,
                                                 p.buffers) for p in pools})
        finally:
            LIBRARY.stats_free(handle)


def _cache(raw: _library.CacheStats) -> CacheStats:
    return CacheStats(_text(raw.cache), _text(raw.help), raw.hits, raw.misses, raw.builds,
                      raw.build_failures, raw.evictions, raw.entries, raw.bytes,
                      raw.missed_first_seen, raw.missed_evicted, raw.missed_flushed,
                      raw.missed_failed, raw.build_ns, raw.unfused)


@dataclass(frozen=True)
class AttributeInfo:
    """A scalar or size of an operation.

    kind: operand (of the first operand's type), f32-or-operand, u64 or flag.
    """

    name: str
    kind: str
    summary: str
    required: bool
    default_bits: int

    def dtype(self, first_operand: DType) -> DType:
        """The type whose bits the daemon expects."""
        if self.kind == "operand":
            return first_operand
        if self.kind == "f32-or-operand":
            return first_operand.wide
        return DType.U64


@dataclass(frozen=True)
class OpInfo:
    """An operation. `operands` names the inputs, then the outputs. `operand_dtypes` are the types
    that each may have whatever the others have; those for which it is empty have all the same one
    of `dtypes`."""

    name: str
    module: str
    summary: str
    inputs: int
    outputs: int
    operands: tuple[str, ...]
    dtypes: tuple[DType, ...]
    attributes: dict[str, AttributeInfo]
    operand_dtypes: tuple[tuple[DType, ...], ...]

    def operand_dtype(self, index: int, dtype: DType) -> DType:
        """Of an operand when the operation works in DTYPE: one of its own types, if it has any."""
        own = self.operand_dtypes[index]
        return dtype if not own or dtype in own else own[0]

    @classmethod
    def read_all(cls, handle: c_void_p) -> dict[str, OpInfo]:
        """Takes and frees a hologram_ops."""
        try:
            found = (cls._read(handle, i) for i in range(LIBRARY.ops_count(handle)))
            return {op.name: op for op in found}
        finally:
            LIBRARY.ops_free(handle)

    @classmethod
    def _read(cls, handle: c_void_p, index: int) -> OpInfo:
        pointer = LIBRARY.ops_at(handle, index)
        raw = pointer.contents
        attributes = [LIBRARY.ops_attribute(handle, pointer, i).contents
                      for i in range(raw.attribute_count)]
        return cls(_text(raw.name), _text(raw.module), _text(raw.summary), raw.inputs, raw.outputs,
                   tuple(_text(raw.operand_names[i]) for i in range(raw.operand_name_count)),
                   tuple(DType.from_code(raw.dtypes[i]) for i in range(raw.dtype_count)),
                   {_text(a.name): AttributeInfo(_text(a.name), _text(a.kind), _text(a.summary),
                                                 a.required, a.default_bits) for a in attributes},
                   tuple(tuple(dtype for dtype in DType if raw.operand_dtypes[i] >> dtype.code & 1)
                         for i in range(raw.operand_name_count)))


_POOLS = ("", "heap", "boundary", "shared")


@dataclass(frozen=True)
class BufferInfo:
    """A buffer as the daemon lists it. boundary_class is None outside the boundary pool; constant:
    nobody may write it any more."""

    dtype: DType
    shape: tuple[int, ...]
    nbytes: int
    pool: str
    boundary_class: int | None
    name: str
    uid: int
    gid: int
    mode: int
    session_id: int
    constant: bool

    @classmethod
    def read(cls, raw: _library.BufferInfo) -> BufferInfo:
        pool = _POOLS[raw.spec.pool] if raw.spec.pool < len(_POOLS) else "unknown"
        return cls(DType.from_code(raw.spec.dtype), tuple(raw.spec.shape[:raw.spec.rank]),
                   raw.bytes, pool, raw.boundary_class if pool == "boundary" else None,
                   _text(raw.name), raw.uid, raw.gid, raw.mode, raw.session_id, raw.constant)

    @classmethod
    def read_all(cls, handle: c_void_p) -> tuple[list[BufferInfo], bool]:
        """Takes and frees a hologram_buffers. The flag tells that there are more."""
        try:
            count = LIBRARY.buffers_count(handle)
            return ([cls.read(LIBRARY.buffers_at(handle, i).contents) for i in range(count)],
                    bool(LIBRARY.buffers_truncated(handle)))
        finally:
            LIBRARY.buffers_free(handle)


@dataclass(frozen=True)
class Execution:
    """How an execution went: which cache was asked, hit, build or wait, and the times."""

    cache: str
    outcome: str
    queue_ns: int
    lookup_ns: int
    build_ns: int
    run_ns: int

    @classmethod
    def read(cls, raw: _library.Execution) -> Execution:
        return cls(_text(raw.cache), _text(raw.outcome), raw.queue_ns, raw.lookup_ns, raw.build_ns,
                   raw.run_ns)


@dataclass(frozen=True)
class CachedProgram:
    """A program that the daemon keeps. `summary` is its key in words; `hits`, since it was built,
    are sampled; `held`: by work in flight, or by those who loaded it."""

    key: str
    cache: str
    summary: str
    hits: int
    bytes: int
    pinned: bool
    held: bool

    @classmethod
    def read(cls, raw: _library.CachedProgram) -> CachedProgram:
        return cls(_text(raw.key), _text(raw.cache), _text(raw.summary), raw.hits, raw.bytes,
                   raw.pinned, raw.held)


def cached_programs(found: Any) -> tuple[list[CachedProgram], int]:
    """Takes and frees a hologram_cache_list. The number is where to go on, or 0."""
    try:
        raw = found.contents
        return [CachedProgram.read(raw.programs[i]) for i in range(raw.count)], raw.position
    finally:
        LIBRARY.cache_list_free(found)


@dataclass(frozen=True)
class ShownProgram:
    """A cached program in full. `fields` are its key's, in words; `origin` is precompiled, built or
    loaded. Constants and code are for administrators: `withheld` says that they are left out."""

    program: CachedProgram
    fields: dict[str, str]
    instructions: int
    slots: int
    block: int
    origin: str
    executor: str
    isa_level: str
    code: str
    withheld: bool
    native_bytes: int

    @classmethod
    def take(cls, shown: Any) -> ShownProgram:
        """Takes and frees a hologram_cache_shown."""
        try:
            raw = shown.contents
            fields = (raw.fields[i] for i in range(raw.field_count))
            return cls(CachedProgram.read(raw.program),
                       {_text(field.name): _text(field.value) for field in fields},
                       raw.instructions, raw.slots, raw.block, _text(raw.origin),
                       _text(raw.executor), _text(raw.isa_level), _text(raw.code), raw.withheld,
                       raw.native_bytes)
        finally:
            LIBRARY.cache_shown_free(shown)


@dataclass(frozen=True)
class CacheEstimates:
    """What caches of other sizes would have answered, 0 to 1 of all lookups, by number of programs.
    Below some hundred `samples` they say little. `entries_max` is the cache's own size."""

    hit_ratios: dict[int, float]
    samples: int
    entries_max: int

    @classmethod
    def take(cls, found: Any) -> CacheEstimates:
        """Takes and frees a hologram_cache_estimates."""
        try:
            raw = found.contents
            estimates = (raw.estimates[i] for i in range(raw.count))
            return cls({one.entries: one.hit_ratio for one in estimates}, raw.samples,
                       raw.entries_max)
        finally:
            LIBRARY.cache_estimates_free(found)
