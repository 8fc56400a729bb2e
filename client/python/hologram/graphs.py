# SPDX-License-Identifier: Apache-2.0
"""Many operations as one request: texts in NumPy's notation, lazy arrays, traced functions.

    y = client.eval("softmax(x @ w + b)", x=x, w=w, b=b)

    with hologram.lazy(client) as lazy:         # operators and NumPy's functions make nodes
        h = np.tanh(lazy(x) @ lazy(w) + lazy(b))
        y = h.sum(axis=-1)
    print(y.numpy())                            # all of it ran when the block ended

    @hologram.function                          # traced once, then run by number
    def layer(x, w, b):
        return graphs.relu(x @ w + b)
    y = layer(x, w, b)
"""

from __future__ import annotations

import contextlib
import functools
import struct
import weakref
from ctypes import c_int64, c_uint32
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from . import _library
from ._graph_requests import Graph, NodeList, Results, Source, Value
from .dtypes import DType, DTypeLike
from .errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from .buffer import Buffer
    from .client import Client

__all__ = ["Graph", "Lazy", "Trace", "function", "lazy"]


# ---- nodes --------------------------------------------------------------------------------------


class Trace:
    """Nodes being written. Arrays and buffers become inputs: each buffer one."""

    def __init__(self) -> None:
        self.nodes: list[_library.Node] = []
        self.inputs: dict[str, Value] = {}
        self.read: set[int] = set()
        self.made: list[weakref.ref[Lazy]] = []
        self._by_buffer: dict[int, Lazy] = {}

    def add(self, op: str, *inputs: Any, **attributes: Any) -> Lazy:
        """A node; what is no lazy array becomes a literal or an input."""
        indices = [self.of(value).index for value in inputs]
        self.read.update(indices)
        node = _library.Node(op=op.encode(), inputs=(c_uint32 * len(indices))(*indices),
                             input_count=len(indices), **attributes)
        return self._append(node)

    def _append(self, node: _library.Node) -> Lazy:
        self.nodes.append(node)
        made = Lazy(self, len(self.nodes) - 1)
        self.made.append(weakref.ref(made))
        return made

    def input(self, value: Value | None = None, name: str | None = None) -> Lazy:
        """An input, which is VALUE unless the run says otherwise."""
        name = name or f"x{len(self.inputs)}"
        self.inputs[name] = value
        return self._append(_library.Node(op=b"input", name=name.encode()))

    def of(self, value: Any) -> Lazy:
        from .buffer import Buffer
        if isinstance(value, Lazy):
            if value.trace is not self:
                raise InvalidArgument("lazy: expected arrays of one block, got one of another")
            return value
        if isinstance(value, (bool, int, np.bool_)):
            return self._append(_library.Node(op=b"literal", bits=int(value) & (1 << 64) - 1))
        if isinstance(value, float) and not isinstance(value, np.generic):
            bits = struct.unpack("<Q", struct.pack("<d", value))[0]
            return self._append(_library.Node(op=b"literal", bits=bits, is_float=True))
        if isinstance(value, np.generic):
            kind = DType.of(value.dtype)
            return self._append(_library.Node(op=b"literal", dtype=kind.code,
                                              bits=kind.bits(value.item())))
        if isinstance(value, Buffer) and id(value) in self._by_buffer:
            return self._by_buffer[id(value)]
        made = self.input(value if isinstance(value, Buffer) else np.asarray(value))
        if isinstance(value, Buffer):
            self._by_buffer[id(value)] = made
        return made

    def source(self, results: Sequence[tuple[str, int]]) -> Source:
        """The graph of all that was written."""
        return Source(nodes=NodeList(self.nodes, results))


def _axis(axis: int | None, keepdims: bool = False) -> dict[str, Any]:
    return {"has_axis": axis is not None, "axis": axis or 0, "keepdims": keepdims}


def _sizes(sizes: Sequence[int], **more: Any) -> dict[str, Any]:
    return {"sizes": (c_int64 * len(sizes))(*sizes), "size_count": len(sizes), **more}


class Lazy:
    """An array to be: what is done with it makes nodes of a graph. Operators, methods and NumPy's
    functions work on it; its shape is known when the graph runs.
    """

    __slots__ = ("trace", "index", "_value", "__weakref__")

    def __init__(self, trace: Trace, index: int) -> None:
        """Not for users."""
        self.trace = trace
        self.index = index
        self._value: Buffer | None = None

    # ---- once it has run ------------------------------------------------------------------------

    @property
    def buffer(self) -> Buffer:
        """The result, once the block ended."""
        if self._value is None:
            raise FailedPrecondition("lazy: this array has no value: its block has not ended, or "
                                     "something else in it reads it")
        return self._value

    def numpy(self) -> NDArray[Any]:
        """Its content, once the block ended."""
        return self.buffer.numpy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self.buffer.__array__(dtype, copy)

    def __repr__(self) -> str:
        return f"<hologram.Lazy {self.index}: {self._value!r}>"

    def __bool__(self) -> bool:
        raise TypeError("a Lazy array is neither true nor false while the graph is written")

    # ---- NumPy's functions ----------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        name = _UFUNCS.get(ufunc.__name__)
        if method != "__call__" or kwargs or name is None:
            return NotImplemented
        return self.trace.add(name, *inputs)

    def __array_function__(self, func: Callable[..., Any], types: Any, args: Any,
                           kwargs: Any) -> Any:
        own = _FUNCTIONS.get(func.__name__)
        return NotImplemented if own is None else own(*args, **kwargs)

    # ---- methods --------------------------------------------------------------------------------

    @property
    def T(self) -> Lazy:
        return self.trace.add("transpose", self)

    def astype(self, dtype: DTypeLike) -> Lazy:
        return self.trace.add("astype", self, dtype=DType.of(dtype).code)

    def reshape(self, *sizes: Any) -> Lazy:
        """One size may be -1."""
        flat = sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
        return self.trace.add("reshape", self, **_sizes(flat))

    def transpose(self, *axes: Any) -> Lazy:
        flat = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
        return self.trace.add("transpose", self, **_sizes(flat))

    def sum(self, axis: int | None = None, keepdims: bool = False) -> Lazy:
        return self.trace.add("sum", self, **_axis(axis, keepdims))

    def mean(self, axis: int | None = None, keepdims: bool = False) -> Lazy:
        return self.trace.add("mean", self, **_axis(axis, keepdims))

    def var(self, axis: int | None = None, keepdims: bool = False) -> Lazy:
        return self.trace.add("var", self, **_axis(axis, keepdims))

    def min(self, axis: int | None = None, keepdims: bool = False) -> Lazy:
        return self.trace.add("min", self, **_axis(axis, keepdims))

    def max(self, axis: int | None = None, keepdims: bool = False) -> Lazy:
        return self.trace.add("max", self, **_axis(axis, keepdims))

    def prod(self, axis: int | None = None, keepdims: bool = False) -> Lazy:
        return self.trace.add("prod", self, **_axis(axis, keepdims))

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Lazy:
        return self.trace.add("argmax", self, **_axis(axis, keepdims))


_UFUNCS = {name: name for name in (
    "negative", "absolute", "sqrt", "exp", "log", "log2", "log10", "sin", "cos", "tan", "tanh",
    "invert", "add", "subtract", "multiply", "divide", "minimum", "maximum", "power",
    "bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "equal", "not_equal",
    "less", "less_equal", "greater", "greater_equal", "square", "matmul")} | {
    "true_divide": "divide", "fabs": "absolute"}
_OPERATORS = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide",
              "matmul": "matmul", "pow": "power", "and": "bitwise_and", "or": "bitwise_or",
              "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift"}
_COMPARISONS = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}
_UNARY = {"neg": "negative", "abs": "absolute", "invert": "invert"}


def _give_operators() -> None:
    def forward(op: str) -> Callable[[Lazy, Any], Lazy]:
        def method(self: Lazy, other: Any) -> Lazy:
            return self.trace.add(op, self, other)
        return method

    def reflected(op: str) -> Callable[[Lazy, Any], Lazy]:
        def method(self: Lazy, other: Any) -> Lazy:
            return self.trace.add(op, other, self)
        return method

    def unary(op: str) -> Callable[[Lazy], Lazy]:
        def method(self: Lazy) -> Lazy:
            return self.trace.add(op, self)
        return method

    for name, op in _OPERATORS.items():
        setattr(Lazy, f"__{name}__", forward(op))
        setattr(Lazy, f"__r{name}__", reflected(op))
    for name, op in _COMPARISONS.items():
        setattr(Lazy, f"__{name}__", forward(op))
    for name, op in _UNARY.items():
        setattr(Lazy, f"__{name}__", unary(op))


_give_operators()


# ---- functions that NumPy has not, or that are its own on lazy arrays ---------------------------


def _trace_of(*values: Any) -> Trace:
    for value in values:
        if isinstance(value, Lazy):
            return value.trace
    raise TypeError("expected a Lazy array among the arguments")


def relu(x: Lazy) -> Lazy:
    return x.trace.add("relu", x)


def sigmoid(x: Lazy) -> Lazy:
    return x.trace.add("sigmoid", x)


def gelu(x: Lazy) -> Lazy:
    return x.trace.add("gelu", x)


def erf(x: Lazy) -> Lazy:
    return x.trace.add("erf", x)


def rsqrt(x: Lazy) -> Lazy:
    return x.trace.add("rsqrt", x)


def softmax(x: Lazy, axis: int = -1, temperature: float = 1.0) -> Lazy:
    return x.trace.add("softmax", x, **_axis(axis), has_number=True, number=temperature)


def layer_norm(x: Lazy, gamma: Any = None, beta: Any = None, eps: float = 1e-5) -> Lazy:
    given = [value for value in (x, gamma, beta) if value is not None]
    return x.trace.add("layer_norm", *given, has_number=True, number=eps)


def mse(a: Any, b: Any) -> Lazy:
    return _trace_of(a, b).add("mse", a, b)


def cross_entropy(p: Any, t: Any, eps: float = 0.0) -> Lazy:
    return _trace_of(p, t).add("cross_entropy", p, t, has_number=True, number=eps)


def binary_cross_entropy(p: Any, t: Any, eps: float = 0.0) -> Lazy:
    return _trace_of(p, t).add("binary_cross_entropy", p, t, has_number=True, number=eps)


def where(condition: Any, a: Any, b: Any) -> Lazy:
    return _trace_of(condition, a, b).add("where", condition, a, b)


def clip(x: Any, lo: Any, hi: Any) -> Lazy:
    return _trace_of(x, lo, hi).add("clip", x, lo, hi)


def concatenate(arrays: Sequence[Any], axis: int = 0) -> Lazy:
    return _trace_of(*arrays).add("concatenate", *arrays, **_axis(axis))


def take(x: Any, indices: Any, axis: int = 0) -> Lazy:
    return _trace_of(x, indices).add("take", x, indices, **_axis(axis))


def transpose(x: Lazy, axes: Sequence[int] = ()) -> Lazy:
    return x.transpose(tuple(axes))


def reshape(x: Lazy, shape: Sequence[int]) -> Lazy:
    return x.reshape(shape)


def broadcast_to(x: Lazy, shape: Sequence[int]) -> Lazy:
    return x.trace.add("broadcast_to", x, **_sizes(shape))


def _folding(name: str) -> Callable[..., Lazy]:
    def fold(x: Lazy, axis: int | None = None, keepdims: bool = False) -> Lazy:
        return x.trace.add(name, x, **_axis(axis, keepdims))
    return fold


_FUNCTIONS: dict[str, Callable[..., Lazy]] = {
    name: _folding(name.removeprefix("a") if name in ("amin", "amax") else name)
    for name in ("sum", "mean", "var", "prod", "argmax", "min", "max", "amin", "amax")}
_FUNCTIONS |= {one.__name__: one for one in (where, clip, concatenate, take, transpose, reshape,
                                             broadcast_to)}


# ---- blocks and functions -----------------------------------------------------------------------


class Block:
    """Turns buffers and arrays into lazy ones."""

    def __init__(self) -> None:
        self.trace = Trace()
        self._results: list[Lazy] = []

    def __call__(self, value: Value) -> Lazy:
        return self.trace.of(value)

    def source(self) -> Source | None:
        """The graph of what was written; None if that is nothing."""
        trace = self.trace
        self._results = [array for array in (made() for made in trace.made)
                         if array is not None and array.index not in trace.read
                         and trace.nodes[array.index].op != b"input"]
        return trace.source([(f"r{i}", array.index) for i, array in enumerate(self._results)]) \
            if self._results else None

    def give(self, made: Results) -> None:
        """The results of the graph's run."""
        for i, array in enumerate(self._results):
            array._value = made[f"r{i}"] if len(self._results) > 1 else made


@contextlib.contextmanager
def lazy(client: Client) -> Iterator[Block]:
    """A block in which operations on lazy arrays are written down; at its end all of them run as
    one request. Results are the arrays that are still held and that nothing in the block reads."""
    block = Block()
    yield block
    source = block.source()
    if source is not None:
        block.give(client.run_graph(source, _as_buffers(client, block.trace.inputs)))


def _as_buffers(client: Client, values: Mapping[str, Value]) -> dict[str, Buffer]:
    from .buffer import Buffer
    return {name: value if isinstance(value, Buffer) else client.put(value)
            for name, value in values.items()}


def _is_number(value: object) -> bool:
    return isinstance(value, (bool, int, float, np.generic))


class Function:
    """A Python function as a graph: `function` makes it."""

    def __init__(self, body: Callable[..., Any]) -> None:
        """Not for users."""
        functools.update_wrapper(self, body)
        self._body = body
        # By client, which it does not keep; by the numbers among the arguments.
        self._graphs: weakref.WeakKeyDictionary[Client, dict[Any, tuple[Graph, Trace, Any]]] = \
            weakref.WeakKeyDictionary()

    def __call__(self, *arguments: Any) -> Results:
        """Runs it. Buffers and arrays are inputs, numbers are part of the graph; there has to be a
        buffer among the arguments, whose client computes."""
        from .buffer import Buffer
        client = next((one.client for one in arguments if isinstance(one, Buffer)), None)
        if client is None:
            raise InvalidArgument(f"{self._body.__name__}: expected a Buffer among the arguments")
        key = tuple((type(one), one) if _is_number(one) else None for one in arguments)
        graphs = self._graphs.setdefault(client, {})
        if key not in graphs:
            graphs[key] = self._trace(client, arguments)
        graph, trace, arrange = graphs[key]
        inputs = dict(trace.inputs)
        inputs.update({f"a{i}": one for i, one in enumerate(arguments) if not _is_number(one)})
        made = client.run_graph(graph, {name: inputs[name] for name in graph.inputs})
        return arrange(made if isinstance(made, dict) else {"r0": made})

    def _trace(self, client: Client, arguments: Sequence[Any]) -> tuple[Graph, Trace, Any]:
        trace = Trace()
        traced = [one if _is_number(one) else trace.input(None, f"a{i}")
                  for i, one in enumerate(arguments)]
        given = self._body(*traced)
        single = not isinstance(given, (tuple, list))
        results = [trace.of(one) for one in ((given,) if single else given)]
        graph = Graph(client, trace.source([(f"r{i}", one.index)
                                            for i, one in enumerate(results)]))
        count = len(results)

        def arrange(made: Mapping[str, Buffer]) -> Any:
            return made["r0"] if single else tuple(made[f"r{i}"] for i in range(count))
        return graph, trace, arrange


def function(body: Callable[..., Any]) -> Function:
    """A function of arrays whose operations become one request. It is traced at its first call, with
    lazy arrays in place of buffers and arrays, and then runs by number, whatever their shapes."""
    return Function(body)
