# SPDX-License-Identifier: Apache-2.0
"""libhologram as ctypes sees it: where it is, its structures, its functions.

Mirrors hologram/hologram.h and adds nothing. Calls release the interpreter's lock.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import pathlib
from ctypes import (POINTER, Structure, c_bool, c_char, c_char_p, c_double, c_int, c_int32, c_int64,
                    c_size_t, c_uint32, c_uint64, c_void_p)
from typing import Any

RANK_MAX = 8
NAME_MAX = 64
NO_GROUP = 0xFFFFFFFF


class Error(Structure):
    _fields_ = [("status", c_int), ("detail", c_char * 32), ("message", c_char * 468)]


class Options(Structure):
    _fields_ = [("socket_path", c_char_p), ("client_name", c_char_p),
                ("connect_timeout_us", c_uint64), ("timeout_us", c_uint64),
                ("spin_us", c_uint32), ("reserved", c_uint32 * 15)]


class ServerInfo(Structure):
    _fields_ = [("protocol_version", c_uint32), ("admin", c_bool), ("session_id", c_uint64),
                ("version", c_char_p), ("features", POINTER(c_char_p)),
                ("feature_count", c_uint32), ("requests_in_flight_max", c_uint32),
                ("message_bytes_max", c_uint64), ("payload_bytes_max", c_uint64),
                ("memory_bytes_max", c_uint64), ("buffers_max", c_uint32),
                ("boundary_classes_max", c_uint32), ("batch_steps_max", c_uint32),
                ("streams_max", c_uint32)]


class BufferSpec(Structure):
    _fields_ = [("dtype", c_int), ("rank", c_uint32), ("shape", c_uint64 * RANK_MAX),
                ("pool", c_int), ("boundary_fallback", c_bool)]


class BufferInfo(Structure):
    _fields_ = [("buffer", c_uint64), ("spec", BufferSpec), ("bytes", c_uint64),
                ("boundary_class", c_uint32), ("uid", c_uint32), ("gid", c_uint32),
                ("mode", c_uint32), ("session_id", c_uint64), ("name", c_char * (NAME_MAX + 1)),
                ("constant", c_bool)]


class Attribute(Structure):
    _fields_ = [("name", c_char_p), ("bits", c_uint64)]


class Call(Structure):
    _fields_ = [("op", c_char_p), ("inputs", POINTER(c_uint64)), ("input_count", c_uint32),
                ("output_count", c_uint32), ("outputs", POINTER(c_uint64)),
                ("attributes", POINTER(Attribute)), ("attribute_count", c_uint32)]


class Operand(Structure):
    _fields_ = [("dtype", c_int), ("has_shape", c_bool), ("rank", c_uint32),
                ("shape", c_uint64 * RANK_MAX)]


class Pattern(Structure):
    _fields_ = [("op", c_char_p), ("operands", POINTER(Operand)), ("operand_count", c_uint32),
                ("attribute_count", c_uint32), ("attributes", POINTER(Attribute))]


class PreparedCall(Structure):
    _fields_ = [("prepared", c_void_p), ("inputs", POINTER(c_uint64)), ("input_count", c_uint32),
                ("output_count", c_uint32), ("outputs", POINTER(c_uint64))]


class Execution(Structure):
    _fields_ = [("cache", c_char * 32), ("outcome", c_char * 16), ("queue_ns", c_uint64),
                ("lookup_ns", c_uint64), ("build_ns", c_uint64), ("run_ns", c_uint64)]


class ProgramInfo(Structure):
    _fields_ = [("instructions", c_uint32), ("slots", c_uint32), ("block", c_uint32)]


class Run(Structure):
    _fields_ = [("program", c_uint64), ("buffers", POINTER(c_uint64)), ("buffer_count", c_uint32),
                ("param_count", c_uint32), ("params", POINTER(c_uint64)), ("rows", c_uint64),
                ("cols", c_uint64), ("fuel", c_uint64)]


class Node(Structure):
    _fields_ = [("op", c_char_p), ("inputs", POINTER(c_uint32)), ("input_count", c_uint32),
                ("dtype", c_int), ("name", c_char_p), ("bits", c_uint64), ("is_float", c_bool),
                ("has_shape", c_bool), ("has_axis", c_bool), ("keepdims", c_bool),
                ("has_number", c_bool), ("sizes", POINTER(c_int64)), ("size_count", c_uint32),
                ("axis", c_int32), ("number", c_double)]


class NodeList(Structure):
    _fields_ = [("nodes", POINTER(Node)), ("node_count", c_uint32), ("result_count", c_uint32),
                ("results", POINTER(c_uint32)), ("result_names", POINTER(c_char_p)),
                ("symbols", POINTER(c_char_p)), ("symbol_count", c_uint32)]


class GraphSource(Structure):
    _fields_ = [("text", c_char_p), ("list", POINTER(NodeList))]


class GraphInfo(Structure):
    _fields_ = [("digest", c_char_p), ("nodes", c_uint32), ("input_count", c_uint32),
                ("output_count", c_uint32), ("inputs", POINTER(c_char_p)),
                ("outputs", POINTER(c_char_p))]


class GraphInput(Structure):
    _fields_ = [("name", c_char_p), ("buffer", c_uint64)]


class GraphOutput(Structure):
    _fields_ = [("name", c_char_p), ("buffer", c_uint64), ("made", c_bool),
                ("given_name", c_char * 64), ("dtype", c_int), ("rank", c_uint32),
                ("shape", c_uint64 * RANK_MAX)]


class GraphRun(Structure):
    _fields_ = [("graph", c_uint64), ("source", POINTER(GraphSource)),
                ("inputs", POINTER(GraphInput)), ("input_count", c_uint32),
                ("output_count", c_uint32), ("outputs", POINTER(GraphOutput)),
                ("launches", c_uint32), ("arena_bytes", c_uint64), ("execution", Execution)]


class GraphPattern(Structure):
    _fields_ = [("name", c_char_p), ("operand", Operand)]


class ServerStats(Structure):
    _fields_ = [("version", c_char_p), ("executor", c_char_p), ("isa_level", c_char_p),
                ("metrics_url", c_char_p), ("uptime_ns", c_uint64), ("requests", c_uint64),
                ("errors", c_uint64), ("allocated_bytes", c_uint64), ("resident_bytes", c_uint64),
                ("sessions", c_uint32), ("workers", c_uint32), ("queue_depth", c_uint32),
                ("precompiled", c_uint64), ("warmed", c_uint64), ("cache_entries", c_uint64),
                ("cache_entries_max", c_uint64), ("cache_bytes", c_uint64),
                ("cache_bytes_max", c_uint64), ("packed_entries", c_uint64),
                ("packed_bytes", c_uint64), ("packed_bytes_max", c_uint64),
                ("packed_hits", c_uint64), ("packed_builds", c_uint64),
                ("packed_evictions", c_uint64)]


class CacheStats(Structure):
    _fields_ = [("cache", c_char_p), ("help", c_char_p), ("hits", c_uint64), ("misses", c_uint64),
                ("builds", c_uint64), ("build_failures", c_uint64), ("evictions", c_uint64),
                ("entries", c_uint64), ("bytes", c_uint64), ("missed_first_seen", c_uint64),
                ("missed_evicted", c_uint64), ("missed_flushed", c_uint64),
                ("missed_failed", c_uint64), ("build_ns", c_uint64), ("unfused", c_bool)]


class PoolStats(Structure):
    _fields_ = [("pool", c_char_p), ("bytes_used", c_uint64), ("bytes_limit", c_uint64),
                ("buffers", c_uint64)]


class AttributeInfo(Structure):
    _fields_ = [("name", c_char_p), ("kind", c_char_p), ("summary", c_char_p),
                ("default_bits", c_uint64), ("required", c_bool)]


class OpInfo(Structure):
    _fields_ = [("name", c_char_p), ("module", c_char_p), ("summary", c_char_p),
                ("inputs", c_uint32), ("outputs", c_uint32), ("operand_names", POINTER(c_char_p)),
                ("operand_name_count", c_uint32), ("dtype_count", c_uint32),
                ("dtypes", POINTER(c_int)), ("attribute_count", c_uint32),
                ("operand_dtypes", POINTER(c_uint32))]


class CachedProgram(Structure):
    _fields_ = [("key", c_char_p), ("cache", c_char_p), ("summary", c_char_p), ("hits", c_uint64),
                ("bytes", c_uint64), ("pinned", c_bool), ("held", c_bool)]


class CacheList(Structure):
    _fields_ = [("programs", POINTER(CachedProgram)), ("count", c_uint32), ("position", c_uint64)]


class KeyField(Structure):
    _fields_ = [("name", c_char_p), ("value", c_char_p)]


class CacheShown(Structure):
    _fields_ = [("program", CachedProgram), ("fields", POINTER(KeyField)),
                ("field_count", c_uint32), ("instructions", c_uint32), ("slots", c_uint32),
                ("block", c_uint32), ("origin", c_char_p), ("executor", c_char_p),
                ("isa_level", c_char_p), ("code", c_char_p), ("withheld", c_bool),
                ("native_bytes", c_uint64)]


class CacheEstimate(Structure):
    _fields_ = [("entries", c_uint64), ("hit_ratio", c_double)]


class CacheEstimates(Structure):
    _fields_ = [("estimates", POINTER(CacheEstimate)), ("count", c_uint32),
                ("samples", c_uint64), ("entries_max", c_uint64)]


class CacheKeys(Structure):
    _fields_ = [("data", c_void_p), ("bytes", c_size_t)]


_client = c_void_p
_batch = c_void_p
_ticket = POINTER(c_uint64)
_handle = POINTER(c_void_p)

# name: (result, arguments). A result of c_int is a hologram_status.
_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "version": (c_char_p, []),
    "status_name": (c_char_p, [c_int]),
    "socket_path": (c_int, [POINTER(Options), c_char_p, c_size_t]),
    "connect": (c_int, [POINTER(Options), _handle, POINTER(Error)]),
    "close": (None, [_handle]),
    "last_error": (POINTER(Error), [_client]),
    "fd": (c_int, [_client]),
    "set_timeout": (None, [_client, c_uint64]),
    "set_stream": (None, [_client, c_uint32]),
    "server": (POINTER(ServerInfo), [_client]),
    "bits_from_double": (c_bool, [c_int, c_double, POINTER(c_uint64)]),
    "bits_to_double": (c_double, [c_int, c_uint64]),
    "write": (c_int, [_client, c_uint64, c_uint64, c_void_p, c_uint64]),
    "freeze": (c_int, [_client, c_uint64]),
    "publish": (c_int, [_client, c_uint64, c_char_p, c_uint32, c_uint32]),
    "unpublish": (c_int, [_client, c_char_p]),
    "alloc_shared": (c_int, [_client, POINTER(BufferSpec), POINTER(c_uint64), _handle]),
    "open_shared": (c_int, [_client, c_char_p, c_bool, POINTER(c_uint64), _handle,
                            POINTER(BufferInfo)]),
    "adopt": (c_int, [_client, c_int, POINTER(BufferSpec), POINTER(c_uint64)]),
    "unmap": (None, [c_void_p, c_uint64]),
    "prepare": (c_int, [_client, POINTER(Pattern), _handle]),
    "unprepare": (None, [_client, _handle]),
    "load_program": (c_int, [_client, c_char_p, c_size_t, POINTER(c_uint64),
                             POINTER(ProgramInfo)]),
    "unload_program": (c_int, [_client, c_uint64]),
    "load_graph": (c_int, [_client, POINTER(GraphSource), POINTER(c_uint64),
                           POINTER(POINTER(GraphInfo))]),
    "open_graph": (c_int, [_client, c_char_p, POINTER(c_uint64), POINTER(POINTER(GraphInfo))]),
    "graph_info_free": (None, [POINTER(GraphInfo)]),
    "unload_graph": (c_int, [_client, c_uint64]),
    "save_graph": (c_int, [_client, c_uint64, c_char_p, c_uint32, c_uint32]),
    "remove_graph": (c_int, [_client, c_char_p]),
    "submit_run_graph": (c_int, [_client, POINTER(GraphRun), _ticket]),
    "explain_graph": (c_int, [_client, POINTER(GraphSource), POINTER(GraphPattern), c_uint32,
                              c_bool, POINTER(c_void_p)]),
    "text_free": (None, [c_void_p]),
    "batch_new": (c_int, [_client, _handle]),
    "batch_free": (None, [_handle]),
    "batch_clear": (None, [_batch]),
    "batch_alloc": (c_int, [_batch, POINTER(BufferSpec), POINTER(c_uint64)]),
    "batch_free_buffer": (c_int, [_batch, c_uint64]),
    "batch_freeze": (c_int, [_batch, c_uint64]),
    "batch_write": (c_int, [_batch, c_uint64, c_uint64, c_void_p, c_uint64]),
    "batch_execute": (c_int, [_batch, POINTER(Call)]),
    "batch_execute_prepared": (c_int, [_batch, POINTER(PreparedCall)]),
    "batch_run_program": (c_int, [_batch, POINTER(Run)]),
    "submit_free": (c_int, [_client, c_uint64, _ticket]),
    "submit_write": (c_int, [_client, c_uint64, c_uint64, c_void_p, c_uint64, _ticket]),
    "submit_read": (c_int, [_client, c_uint64, c_uint64, c_void_p, c_uint64, _ticket]),
    "submit_execute": (c_int, [_client, POINTER(Call), POINTER(Execution), _ticket]),
    "submit_batch": (c_int, [_batch, POINTER(c_uint32), _ticket]),
    "submit_ping": (c_int, [_client, _ticket]),
    "flush": (c_int, [_client]),
    "wait": (c_int, [_client, c_uint64]),
    "poll": (c_int, [_client, c_uint64, POINTER(c_bool)]),
    "forget": (None, [_client, c_uint64]),
    "cancel": (c_int, [_client, c_uint64]),
    "get_stats": (c_int, [_client, _handle]),
    "stats_free": (None, [c_void_p]),
    "stats_server": (POINTER(ServerStats), [c_void_p]),
    "stats_cache_count": (c_uint32, [c_void_p]),
    "stats_cache": (POINTER(CacheStats), [c_void_p, c_uint32]),
    "stats_pool_count": (c_uint32, [c_void_p]),
    "stats_pool": (POINTER(PoolStats), [c_void_p, c_uint32]),
    "list_ops": (c_int, [_client, _handle]),
    "ops_free": (None, [c_void_p]),
    "ops_count": (c_uint32, [c_void_p]),
    "ops_at": (POINTER(OpInfo), [c_void_p, c_uint32]),
    "ops_attribute": (POINTER(AttributeInfo), [c_void_p, POINTER(OpInfo), c_uint32]),
    "list_buffers": (c_int, [_client, c_int, _handle]),
    "buffers_free": (None, [c_void_p]),
    "buffers_count": (c_uint32, [c_void_p]),
    "buffers_truncated": (c_bool, [c_void_p]),
    "buffers_at": (POINTER(BufferInfo), [c_void_p, c_uint32]),
    "cache_programs": (c_int, [_client, c_char_p, c_uint64, c_uint32,
                               POINTER(POINTER(CacheList))]),
    "cache_top": (c_int, [_client, c_char_p, c_uint32, POINTER(POINTER(CacheList))]),
    "cache_list_free": (None, [POINTER(CacheList)]),
    "cache_show": (c_int, [_client, c_char_p, POINTER(POINTER(CacheShown))]),
    "cache_shown_free": (None, [POINTER(CacheShown)]),
    "cache_what_if": (c_int, [_client, POINTER(c_uint64), c_uint32,
                              POINTER(POINTER(CacheEstimates))]),
    "cache_estimates_free": (None, [POINTER(CacheEstimates)]),
    "cache_flush": (c_int, [_client, c_char_p, c_char_p, POINTER(c_uint64)]),
    "cache_pin": (c_int, [_client, c_char_p, c_bool]),
    "cache_profile": (c_int, [_client, POINTER(POINTER(CacheKeys))]),
    "cache_keys_free": (None, [POINTER(CacheKeys)]),
    "cache_warm": (c_int, [_client, c_char_p, c_size_t]),
}


class Library:
    """The functions of libhologram without their prefix: LIBRARY.connect is hologram_connect."""

    def __init__(self, path: str) -> None:
        self.path = path
        cdll = ctypes.CDLL(path)
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(cdll, "hologram_" + name)
            function.restype = result
            function.argtypes = arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"libhologram has no function {name}")


def _candidates() -> list[str]:
    """Where libhologram may be, the most explicit first."""
    named = os.environ.get("HOLOGRAM_LIBRARY")
    if named:
        return [named]
    build = os.environ.get("HOLOGRAM_BUILD")
    checkout = pathlib.Path(__file__).resolve().parents[3] / "build" / "release"
    found = [str(pathlib.Path(folder) / "lib" / "libhologram.so")
             for folder in (build, checkout) if folder]
    return [path for path in found if os.path.exists(path)] + [
        ctypes.util.find_library("hologram") or "libhologram.so.0"]


def _load() -> Library:
    path = _candidates()[0]
    try:
        return Library(path)
    except OSError as error:
        raise ImportError(
            f"cannot load libhologram ({error}); install it, or set HOLOGRAM_LIBRARY to the file "
            "or HOLOGRAM_BUILD to the build directory that has it in lib/") from error


LIBRARY: Any = _load()
