# SPDX-License-Identifier: Apache-2.0
"""Client of hologramd, the compute daemon of this host.

    import hologram

    with hologram.connect() as client:
        a = client.put([1.0, 2.0, 3.0], dtype="f32")
        b = hologram.softmax(a * 2.0 + 1.0)
        print(b.numpy())

A thin layer over libhologram: tensors stay in the daemon as `Buffer` objects, NumPy arrays go in
and come out, every operation is a function (`hologram.ops`) and, where Python has one, an operator.
`hologram.aio` is the same for asyncio; `hologram.testing` starts a daemon for tests.
"""

from pkgutil import extend_path

# Code that protoc generates from the schema is called hologram.v1: let both be found.
__path__ = extend_path(__path__, __name__)

from . import errors as errors
from . import graphs as graphs
from . import ops as ops
from ._version import VERSION as __version__
from .batch import Batch
from .buffer import Buffer
from .client import Client, connect
from .dtypes import DType, bf16_to_f32, f32_to_bf16
from .errors import (Aborted, AlreadyExists, Cancelled, ConnectionLost, DataLoss, DeadlineExceeded,
                     Error, FailedPrecondition, Internal, InvalidArgument, NotFound, OutOfRange,
                     PermissionDenied, ResourceExhausted, Status, Unauthenticated, Unavailable,
                     Unimplemented, Unknown)
from .graphs import Graph, Lazy, function, lazy
from .info import (AttributeInfo, BufferInfo, CachedProgram, CacheEstimates, CacheStats, Execution,
                   OpInfo, PoolStats, ServerInfo, ServerStats, ShownProgram, Stats)
from .ops import (argmax, binary_cross_entropy, clip, concat, copy, cos, cross_entropy, equal, erf,
                  exp, fill, gather_rows, gelu, gemm, greater, greater_equal, layer_norm, less,
                  less_equal, linear, log, log10, log2, matvec, mean, mse, neg, not_equal,
                  reduce_max, reduce_min, relu, rsqrt, scalar_add, scalar_mul, sigmoid, sin,
                  softmax, sqrt, sum_axis, tan, tanh, transpose, var, vector_add, vector_div,
                  vector_mul, vector_sub, where)

# Not in __all__, so that `from hologram import *` leaves Python's own alone.
from .ops import abs as abs
from .ops import max as max
from .ops import min as min
from .ops import pow as pow
from .ops import sum as sum
from .prepared import Prepared
from .program import Program

__all__ = [
    "Aborted", "AlreadyExists", "AttributeInfo", "Batch", "Buffer", "BufferInfo", "CacheEstimates",
    "CacheStats", "CachedProgram", "Cancelled", "Client", "ConnectionLost", "DType", "DataLoss",
    "DeadlineExceeded", "Error", "Execution", "FailedPrecondition", "Graph", "Internal",
    "InvalidArgument", "Lazy", "NotFound", "OpInfo", "OutOfRange", "PermissionDenied", "PoolStats",
    "Prepared", "Program", "ResourceExhausted", "ServerInfo", "ServerStats", "ShownProgram",
    "Stats", "Status", "Unauthenticated", "Unavailable", "Unimplemented", "Unknown",
    "__version__", "argmax", "bf16_to_f32", "binary_cross_entropy", "clip", "concat", "connect",
    "copy", "cos", "cross_entropy", "equal", "erf", "errors", "exp", "f32_to_bf16", "fill",
    "function", "gather_rows", "gelu", "gemm", "graphs", "greater", "greater_equal", "layer_norm",
    "lazy", "less", "less_equal", "linear", "log", "log10", "log2", "matvec", "mean", "mse", "neg",
    "not_equal", "ops", "reduce_max", "reduce_min", "relu", "rsqrt", "scalar_add", "scalar_mul",
    "sigmoid", "sin", "softmax", "sqrt", "sum_axis", "tan", "tanh", "transpose", "var",
    "vector_add", "vector_div", "vector_mul", "vector_sub", "where",
]
