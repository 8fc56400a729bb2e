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
import ctypes
import functools
import struct
import weakref
from ctypes import POINTER, byref, c_char_p, c_int64, c_uint32, c_uint64, c_void_p, pointer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Callable, Iterator, Mapping, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _library
from ._library import LIBRARY
from .dtypes import DType, DTypeLike
from .errors import FailedPrecondition, InvalidArgument, NotFound

if TYPE_CHECKING:
    from ._session import Session
    from .buffer import Buffer
    from .client import Client

__all__ = ["Graph", "Lazy", "Trace", "function", "lazy"]

Value = Union["Buffer", ArrayLike]
Results = Any  # an array or a Buffer, or a dict of them

OUTPUTS_MAX = 64


# ---- requests -----------------------------------------------------------------------------------


class Source:
    """What a graph is made from: a text, the name of one, or nodes."""

    def __init__(self, text: str | None = None, name: str | None = None,
                 nodes: NodeList | None = None) -> None:
        self.name = name
        self.text = text
        self._nodes = nodes
        self._room = OUTPUTS_MAX  # until it is known how many there are
        self._struct = _library.GraphSource(
            text.encode() if text is not None else None,
            pointer(nodes.struct) if nodes is not None else None)

    def load(self, session: Session) -> tuple[int, list[str], list[str]]:
        """The graph's id, and the names of its inputs and outputs."""
        graph, info = c_uint64(), POINTER(_library.GraphInfo)()
        if self.name is not None:
            session.require(LIBRARY.open_graph(session.pointer, self.name.encode(), byref(graph),
                                               byref(info)))
        else:
            session.require(LIBRARY.load_graph(session.pointer, byref(self._struct), byref(graph),
                                               byref(info)))
        told = info.contents
        inputs = [told.inputs[i].decode() for i in range(told.input_count)]
        outputs = [told.outputs[i].decode() for i in range(told.output_count)]
        LIBRARY.graph_info_free(info)
        return graph.value, inputs, outputs

    def is_loaded_for(self, session: Session) -> bool:
        """True: it travels with each run."""
        return True

    def load_for(self, session: Session) -> None:
        """Nothing, for the same reason."""

    def request(self, client: Client, inputs: Mapping[str, Buffer],
                out: Buffer | Mapping[str, Buffer] | None) -> Request:
        return Request(client, _library.GraphRun(source=pointer(self._struct)), inputs, out,
                       self._room)

    def learn(self, made: Mapping[str, Buffer]) -> None:
        """What a run told."""
        self._room = len(made)

    def explain(self, client: Client, inputs: Mapping[str, Value], dot: bool) -> str:
        patterns = (_library.GraphPattern * max(1, len(inputs)))(*(
            _library.GraphPattern(name.encode(), _operand(value))
            for name, value in inputs.items()))
        text = c_void_p()
        with client._blocking("explain") as session:
            session.require(LIBRARY.explain_graph(session.pointer, byref(self._struct), patterns,
                                                  len(inputs), dot, byref(text)))
        shown = ctypes.cast(text, c_char_p).value or b""
        LIBRARY.text_free(text)
        return shown.decode()


def _operand(value: Value) -> _library.Operand:
    array = value if hasattr(value, "dtype") else np.asarray(value)
    shape: tuple[int, ...] = array.shape  # type: ignore[union-attr]
    operand = _library.Operand(DType.of(array.dtype).code, True, len(shape))  # type: ignore
    operand.shape[:len(shape)] = shape
    return operand


class Request:
    """A run that is submitted and then waited for, by whoever does the waiting."""

    def __init__(self, client: Client, run: _library.GraphRun, inputs: Mapping[str, Buffer],
                 out: Buffer | Mapping[str, Buffer] | None, room: int) -> None:
        self._client = client
        self._run = run
        self._given: list[tuple[str | None, Buffer]] = []
        if isinstance(out, Mapping):
            self._given = list(out.items())
        elif out is not None:
            self._given = [(None, out)]
        # What is given comes first, then fresh ones.
        self._outputs = (_library.GraphOutput * max(room, len(self._given)))()
        for structure, (name, buffer) in zip(self._outputs, self._given):
            structure.name = name.encode() if name is not None else None
            structure.buffer = client.operand(buffer, "eval")
        self._inputs = (_library.GraphInput * max(1, len(inputs)))(*(
            _library.GraphInput(name.encode(), client.operand(buffer, "eval"))
            for name, buffer in inputs.items()))
        run.inputs, run.input_count = self._inputs, len(inputs)
        run.outputs, run.output_count = self._outputs, len(self._outputs)

    @property
    def repeatable(self) -> bool:
        return not self._given

    def submit(self, session: Session) -> int:
        """Gives the ticket. The library fills this request's memory in when it is answered."""
        ticket = c_uint64()
        session.require(LIBRARY.submit_run_graph(session.pointer, byref(self._run), byref(ticket)))
        return ticket.value

    def abandon(self, session: Session) -> None:
        """Nobody will know which of the fresh outputs were made."""
        session.uncertain.extend(one.buffer for one in self._outputs[len(self._given):])

    def take(self, session: Session) -> dict[str, Buffer]:
        """The outputs of a run that went well; fresh ones are the session's from now on."""
        from .buffer import Buffer
        made = {}
        for index, output in enumerate(self._outputs):
            if output.given_name and index < len(self._given):
                made[output.given_name.decode()] = self._given[index][1]
            elif output.given_name:
                session.live.add(output.buffer)
                made[output.given_name.decode()] = Buffer(
                    self._client, session, output.buffer, tuple(output.shape[:output.rank]),
                    DType.from_code(output.dtype))
        return made


def run(source: Source | Graph, client: Client, session: Session, inputs: Mapping[str, Buffer],
        out: Buffer | Mapping[str, Buffer] | None) -> dict[str, Buffer]:
    """Submits and waits."""
    source.load_for(session)
    request = source.request(client, inputs, out)
    ticket = request.submit(session)
    try:
        status = session.await_answer(ticket)
    except BaseException:
        request.abandon(session)
        raise
    if status:
        session.fail(status, "eval", request.repeatable)
    made = request.take(session)
    source.learn(made)
    return made


class Graph:
    """A graph that the daemon keeps for a client. `Client.graph` makes it.

        g = client.graph("y = relu(x @ w)")
        y = g(x=x, w=w)

    After `Client.reconnect` it is loaded again by itself. inputs, outputs: names.
    """

    def __init__(self, client: Client, source: Source) -> None:
        """Not for users."""
        self.client = client
        self._source = source
        self._session: Session | None = None
        with client._blocking("graph") as session:
            self._load(session)

    def _load(self, session: Session) -> None:
        self._id, self.inputs, self.outputs = self._source.load(session)
        self._session = session

    def __call__(self, *values: Value, out: Buffer | Mapping[str, Buffer] | None = None,
                 **inputs: Value) -> Results:
        """Runs it: inputs by place or by name, results as `Client.eval` gives them."""
        return self.client.run_graph(self, self.named(values, inputs), out)

    def is_loaded_for(self, session: Session) -> bool:
        """True if SESSION knows it."""
        return self._session is session

    def load_for(self, session: Session) -> None:
        """Has SESSION know it."""
        if self._session is None:
            raise NotFound("this graph was unloaded")
        if self._session is not session:
            self._load(session)

    def request(self, client: Client, inputs: Mapping[str, Buffer],
                out: Buffer | Mapping[str, Buffer] | None) -> Request:
        """As `Source.request`."""
        return Request(client, _library.GraphRun(graph=self._id), inputs, out, len(self.outputs))

    def learn(self, made: Mapping[str, Buffer]) -> None:
        """Nothing: it knows its outputs."""

    def named(self, values: Sequence[Value], inputs: Mapping[str, Value]) -> dict[str, Value]:
        """All inputs by name, of which VALUES were given by place."""
        if len(values) > len(self.inputs):
            raise InvalidArgument(f"graph: expected at most {len(self.inputs)} inputs, got "
                                  f"{len(values)}")
        return {**dict(zip(self.inputs, values)), **inputs}

    def save(self, name: str, mode: int = 0o600, group: int | None = None) -> Graph:
        """Names it, so that it outlives this client and others may open it."""
        with self.client._blocking("save_graph") as session:
            self.load_for(session)
            session.require(LIBRARY.save_graph(
                session.pointer, self._id, name.encode(), mode,
                _library.NO_GROUP if group is None else group))
        return self

    def unload(self) -> None:
        """Has the daemon forget it."""
        with self.client._blocking("unload_graph") as session:
            if self._session is session:
                session.require(LIBRARY.unload_graph(session.pointer, self._id))
            self._session = None

    def __enter__(self) -> Graph:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self.client.connected:
            self.unload()

    def __repr__(self) -> str:
        return f"<hologram.Graph ({', '.join(self.inputs)}) -> ({', '.join(self.outputs)})>"


# ---- nodes --------------------------------------------------------------------------------------


class NodeList:
    """Nodes as the library has them, and what they point to."""

    def __init__(self, nodes: Sequence[_library.Node], results: Sequence[tuple[str, int]]) -> None:
        self._nodes = (_library.Node * len(nodes))(*nodes)
        self._results = (c_uint32 * len(results))(*(index for _, index in results))
        self._names = (c_char_p * len(results))(*(name.encode() for name, _ in results))
        self.struct = _library.NodeList(self._nodes, len(nodes), len(results), self._results,
                                        self._names, None, 0)


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
