# SPDX-License-Identifier: Apache-2.0
"""bench_kernels's operations in numpy, numexpr and torch: make() gives a call of one of them over
vectors of its own. python_peer.py imports this and takes the time."""

import os

import numpy as np

THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
try:
    import numexpr
    numexpr.set_num_threads(THREADS)
except ImportError:
    numexpr = None
try:
    import torch
    import torch.nn.functional as functional
    torch.set_num_threads(THREADS)
    torch.set_grad_enabled(False)
except ImportError:
    torch = None

LOSSES = ("mse", "binary_cross_entropy")


def inputs(op, n):
    """The same values as bench_kernels has."""
    i = np.arange(n)
    if op in LOSSES:
        return (((i % 613 + 1) / 640).astype(np.float32), ((i % 509) / 508).astype(np.float32))
    return ((i % 613) / 100 - 3).astype(np.float32), ((i % 509) / 50 - 5).astype(np.float32)


def numpy_calls(op, a, b, c):
    t = np.empty_like(a)

    def gelu():
        np.multiply(a, a, out=t)
        np.multiply(t, a, out=t)
        np.multiply(t, np.float32(0.044715), out=t)
        np.add(t, a, out=t)
        np.multiply(t, np.float32(0.79788456), out=t)
        np.tanh(t, out=t)
        np.add(t, np.float32(1), out=t)
        np.multiply(t, a, out=t)
        np.multiply(t, np.float32(0.5), out=c)

    def softmax():
        np.subtract(a, a.max(), out=c)
        np.exp(c, out=c)
        np.divide(c, c.sum(), out=c)

    def sigmoid():
        np.negative(a, out=c)
        np.exp(c, out=c)
        np.add(c, np.float32(1), out=c)
        np.reciprocal(c, out=c)

    def mse():
        np.subtract(a, b, out=t)
        return np.dot(t, t)

    def binary_cross_entropy():
        return -(b * np.log(a) + (1 - b) * np.log1p(-a)).sum()

    return {"vector_add": lambda: np.add(a, b, out=c), "relu": lambda: np.maximum(a, 0, out=c),
            "gelu": gelu, "softmax": softmax, "sigmoid": sigmoid,
            "tanh": lambda: np.tanh(a, out=c), "sum": a.sum, "mse": mse,
            "binary_cross_entropy": binary_cross_entropy}.get(op)


def numexpr_calls(op, a, b, c):
    expression = {
        "vector_add": "a + b", "relu": "where(a > 0, a, 0)", "tanh": "tanh(a)",
        "gelu": "0.5 * a * (1 + tanh(0.79788456 * (a + 0.044715 * a * a * a)))",
        "sigmoid": "1 / (1 + exp(-a))", "sum": "sum(a)", "mse": "sum((a - b) * (a - b))",
        "binary_cross_entropy": "sum(-(b * log(a) + (1 - b) * log1p(-a)))",
    }.get(op)
    if expression is None:
        return None
    out = None if expression.startswith("sum(") else c
    return lambda: numexpr.evaluate(expression, local_dict={"a": a, "b": b}, out=out,
                                    casting="same_kind")


def torch_calls(op, a, b, c):
    x, y, z = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(c)
    return {"vector_add": lambda: torch.add(x, y, out=z),
            "relu": lambda: torch.clamp(x, min=0, out=z),
            "gelu": lambda: functional.gelu(x, approximate="tanh"),
            "softmax": lambda: torch.softmax(x, 0), "sigmoid": lambda: torch.sigmoid(x, out=z),
            "tanh": lambda: torch.tanh(x, out=z), "sum": x.sum,
            "mse": lambda: functional.mse_loss(x, y, reduction="sum"),
            "binary_cross_entropy": lambda: functional.binary_cross_entropy(
                x, y, reduction="sum")}.get(op)


CALLS = {"numpy": numpy_calls, "numexpr": numexpr_calls, "torch": torch_calls}


def make(peer, op, n):
    a, b = inputs(op, n)
    call = CALLS[peer](op, a, b, np.zeros_like(a))
    if call is None:
        raise LookupError(f"{peer} has no {op}")
    return call
