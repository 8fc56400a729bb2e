# SPDX-License-Identifier: Apache-2.0
"""A connection to the daemon, and what can be done with it."""

from __future__ import annotations

import os
from ctypes import byref, c_uint64, c_void_p
from typing import Any, Callable, Literal, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _library
from ._graph_requests import Graph, Results, Source, Value, run
from ._knowledge import Knowledge
from ._library import LIBRARY
from ._memory import Memory
from ._steps import Steps, make_call, make_spec
from .batch import Batch
from .buffer import Buffer
from .dtypes import DType, DTypeLike, Scalar, to_storage
from .errors import InvalidArgument, NotFound
from .info import Execution, OpInfo
from .prepared import Prepared
from .program import Program

__all__ = ["Client", "connect"]

Shape = int | Sequence[int]
Pool = Literal["heap", "boundary"]

_POOLS = {"heap": 1, "boundary": 2}
_SHARED = 3
_SOURCES_MAX = 256


def connect(socket: str | os.PathLike[str] | None = None, timeout: float | None = None, *,
            connect_timeout: float = 5.0, name: str | None = None) -> Client:
    """Connects to the daemon.

    socket: its path; by default $HOLOGRAM_SOCKET, else hologram.sock in $RUNTIME_DIRECTORY, in
        $XDG_RUNTIME_DIR, or in /run/hologram.
    timeout: seconds that each request may take; None: as long as it takes.
    connect_timeout: seconds until the daemon has greeted.
    name: for the daemon's logs; by default the program's name.
    """
    return Client(socket, timeout, connect_timeout=connect_timeout, name=name)


def _sizes(shape: Shape) -> tuple[int, ...]:
    sizes = (shape,) if isinstance(shape, (int, np.integer)) else tuple(shape)
    if len(sizes) > _library.RANK_MAX or any(size < 0 for size in sizes):
        raise InvalidArgument(f"shape: expected at most {_library.RANK_MAX} dimensions of 0 or "
                              f"more elements, got {sizes}")
    return tuple(int(size) for size in sizes)


class Client(Knowledge):
    """A connection to the daemon. Use it as a context manager, or `close` it.

    Threads: any thread may use it; calls take turns, and a batch keeps others waiting until it
    ends. Threads that shall compute at the same time take a client each.

    Fork: a child cannot use its parent's clients (it raises FailedPrecondition) and connects anew.
    """

    def __init__(self, socket: str | os.PathLike[str] | None = None, timeout: float | None = None,
                 *, connect_timeout: float = 5.0, name: str | None = None) -> None:
        self._batch: Batch | None = None
        self._sources: dict[str, Source] = {}
        super().__init__(socket, timeout, connect_timeout=connect_timeout, name=name)

    # ---- making buffers -------------------------------------------------------------------------

    def put(self, array: ArrayLike, dtype: DTypeLike | None = None, *, pool: Pool = "heap",
            boundary_fallback: bool = False, constant: bool = False) -> Buffer:
        """A buffer with the content of `array`, converted to `dtype` if that is given.

        For dtype "bf16" a uint16 array holds bit patterns; anything else is rounded. pool
        "boundary" takes one of the daemon's rationed classes of 12,288 bytes, or, with
        `boundary_fallback`, heap memory when none is left. constant: as `Buffer.freeze`, in the
        same request.
        """
        data, kind = to_storage(array, dtype)
        session = self._session
        with session.lock:
            small = data.nbytes <= session.steps.write_bytes_max
            steps = session.begin("put", data_bytes=data.nbytes if small else 0)
            buffer = self._alloc(kind, data.shape, pool, boundary_fallback)
            if small and data.nbytes:
                steps.write(buffer._id, 0, data)
            if small and constant:
                steps.freeze(buffer._id)
            session.end()
            if not small:
                session.settle("put")
                session.write(buffer._id, 0, data)
                if constant:
                    self.freeze(buffer)
        return buffer

    def freeze(self, buffer: Buffer) -> None:
        """As `Buffer.freeze`."""
        session = self._session
        with session.lock:
            buffer_id = self.operand(buffer, "freeze")
            session.begin("freeze").freeze(buffer_id)
            session.end()

    def empty(self, shape: Shape, dtype: DTypeLike = DType.F32, *, pool: Pool = "heap",
              boundary_fallback: bool = False) -> Buffer:
        """A buffer of zeros, as all fresh memory of the daemon is."""
        kind, sizes = DType.of(dtype), _sizes(shape)
        with self._session.lock:
            self._session.begin("empty")
            buffer = self._alloc(kind, sizes, pool, boundary_fallback)
            self._session.end()
        return buffer

    zeros = empty

    def shared(self, shape: Shape, dtype: DTypeLike = DType.F32) -> Buffer:
        """A buffer of zeros in memory that this process maps as well: `Buffer.array`."""
        kind, sizes = DType.of(dtype), _sizes(shape)
        self._send_frees()
        with self._blocking("shared") as session:
            spec = make_spec(kind.code, sizes, _SHARED, False)
            buffer_id, address = c_uint64(), c_void_p()
            session.require(LIBRARY.alloc_shared(session.pointer, byref(spec), byref(buffer_id),
                                                 byref(address)))
            memory = Memory(address.value or 0, sizes, kind.numpy, True)
            session.live.add(buffer_id.value)
            return Buffer(self, session, buffer_id.value, sizes, kind, memory=memory)

    def _send_frees(self) -> None:
        """Of shared buffers there are so many, and a request of its own takes no frees along."""
        session = self._session
        with session.lock:
            if session.dead:
                session.begin("free")
                session.end()

    def adopt(self, fd: int, shape: Shape, dtype: DTypeLike = DType.F32) -> Buffer:
        """A buffer in a memfd of this process, which keeps its content and stays the process's. It
        must be sealed with F_SEAL_SHRINK, writable, and large enough; holes are filled. With
        F_SEAL_WRITE too it is a constant buffer."""
        kind, sizes = DType.of(dtype), _sizes(shape)
        self._send_frees()
        with self._blocking("adopt") as session:
            spec = make_spec(kind.code, sizes, _SHARED, False)
            buffer_id = c_uint64()
            session.require(LIBRARY.adopt(session.pointer, fd, byref(spec), byref(buffer_id)))
            session.live.add(buffer_id.value)
            return Buffer(self, session, buffer_id.value, sizes, kind)

    def full(self, shape: Shape, value: Scalar, dtype: DTypeLike = DType.F32) -> Buffer:
        """A buffer of one value."""
        kind = DType.of(dtype)
        bits = kind.bits(value, "full")
        sizes = (int(shape),) if isinstance(shape, (int, np.integer)) else tuple(shape)
        session = self._session
        with session.lock:
            steps = session.begin("fill")
            buffer = self._alloc(kind, sizes, "heap", False)
            steps.execute(make_call(b"fill", (), (buffer._id,), [(b"value", bits)]))
            session.end()
        return buffer

    def empty_like(self, other: Buffer) -> Buffer:
        """A buffer of zeros of the same shape and type."""
        return self.empty(other.shape, other.dtype)

    def _alloc(self, kind: DType, shape: tuple[int, ...], pool: Pool, fallback: bool) -> Buffer:
        if pool not in _POOLS:
            raise InvalidArgument(f"pool: expected heap or boundary, got {pool!r}")
        session = self._session
        spec = make_spec(kind.code, shape, _POOLS[pool], fallback)
        return Buffer(self, session, session.steps.alloc(spec), shape, kind)

    def operand(self, buffer: Buffer, op: str) -> int:
        """The id of a buffer that shall be used now."""
        if not isinstance(buffer, Buffer):
            raise TypeError(f"{op}: expected a Buffer, got {type(buffer).__name__}: "
                            "client.put(array) makes one")
        if buffer.client is not self:
            raise InvalidArgument(f"{op}: expected buffers of one client, got one of another")
        if not buffer.valid:
            buffer._session.check()
            raise NotFound(f"{op}: {buffer!r} was freed, or the batch that makes it failed")
        return buffer._id

    # ---- named buffers --------------------------------------------------------------------------

    def open(self, name: str, writable: bool = False) -> Buffer:
        """The published buffer of that name."""
        with self._blocking("open") as session:
            buffer, info, address = c_uint64(), _library.BufferInfo(), c_void_p()
            session.require(LIBRARY.open_shared(session.pointer, name.encode(), writable,
                                                byref(buffer), byref(address), byref(info)))
            session.live.add(buffer.value)
            session.names.add(name)
            shape = tuple(info.spec.shape[:info.spec.rank])
            kind = DType.from_code(info.spec.dtype)
            memory = Memory(address.value, shape, kind.numpy, writable) if address.value else None
            return Buffer(self, session, buffer.value, shape, kind, name, memory)

    def publish(self, buffer: Buffer, name: str, mode: int, group: int | None) -> None:
        """As `Buffer.publish`."""
        with self._blocking("publish") as session:
            buffer_id = self.operand(buffer, "publish")
            status = LIBRARY.publish(session.pointer, buffer_id, name.encode(), mode,
                                     _library.NO_GROUP if group is None else group)
            if status:
                session.fail(status, "publish", repeatable=False)
            session.names.add(name)

    def unpublish(self, name: str) -> None:
        """Takes the name away; the buffer goes when nobody uses it any more."""
        with self._blocking("unpublish") as session:
            status = LIBRARY.unpublish(session.pointer, name.encode())
            if status:
                session.fail(status, "unpublish", repeatable=False)
            session.names.discard(name)

    # ---- content --------------------------------------------------------------------------------

    def read_into(self, buffer: Buffer, start: int, out: NDArray[Any]) -> None:
        """Fills a contiguous array with elements from number `start` on."""
        with self._blocking("read") as session:
            session.read(self.operand(buffer, "read"), start * buffer.dtype.itemsize, out)

    def write_from(self, buffer: Buffer, start: int, data: NDArray[Any]) -> None:
        """Writes contiguous elements that are of the buffer's type already."""
        if start < 0:
            raise InvalidArgument(f"write: expected start 0 or more, got {start}")
        session = self._session
        offset = start * buffer.dtype.itemsize
        with session.lock:
            buffer_id = self.operand(buffer, "write")
            if data.nbytes <= session.steps.write_bytes_max:
                steps = session.begin("write", data_bytes=data.nbytes)
                steps.write(buffer_id, offset, data)
                session.end()
            else:
                session.settle("write")
                session.write(buffer_id, offset, data)

    # ---- operations -----------------------------------------------------------------------------

    def operate(self, op: str, inputs: Sequence[Buffer], out: Buffer | None,
                shape: tuple[int, ...], dtype: DType, attributes: Sequence[tuple[bytes, int]],
                accumulates: bool = False) -> Buffer:
        """Runs an operation with one output: `out`, or a fresh buffer of `shape` and `dtype`. The
        functions of `hologram.ops` are made of it."""
        return self._one_output(op, inputs, out, accumulates, lambda: (shape, dtype),
                                lambda steps, ids, result: steps.execute(
                                    make_call(op.encode(), ids, (result,), attributes)))

    def _one_output(self, op: str, inputs: Sequence[Buffer], out: Buffer | None,
                    accumulates: bool, fresh: Callable[[], tuple[tuple[int, ...], DType]],
                    record: Callable[[Steps, Sequence[int], int], None]) -> Buffer:
        """An operation that RECORD records, into `out` or into a buffer as FRESH says."""
        session = self._session
        with session.lock:
            ids = [self.operand(buffer, op) for buffer in inputs]
            repeatable = True
            if out is not None:
                result_id = self.operand(out, op)
                repeatable = out.name is None or not (accumulates or result_id in ids)
            else:
                shape, dtype = fresh()
            steps = session.begin(op, repeatable)
            if out is None:
                out = self._alloc(dtype, shape, "heap", False)
                result_id = out._id
            record(steps, ids, result_id)
            session.end()
        return out

    def execute(self, op: str, inputs: Sequence[Buffer], outputs: Sequence[Buffer],
                attributes: Mapping[str, Scalar] | None = None) -> Execution:
        """Runs any operation that the daemon has, and tells how that went. Not part of a batch.

        Attributes are numbers, converted as `ops()` says.
        """
        with self._blocking(op) as session:
            first = next(iter([*inputs, *outputs]), None)
            call = make_call(op.encode(), [self.operand(b, op) for b in inputs],
                             [self.operand(b, op) for b in outputs],
                             self._attribute_bits(op, DType.F32 if first is None else first.dtype,
                                                  attributes or {}))
            raw, ticket = _library.Execution(), c_uint64()
            session.require(LIBRARY.submit_execute(session.pointer, byref(call), byref(raw),
                                                   byref(ticket)))
            status = session.await_answer(ticket.value)
            if status:
                shared = {b._id for b in outputs if b.name is not None}
                session.fail(status, op, not shared)
            return Execution.read(raw)

    def _op_info(self, op: str) -> OpInfo:
        info = self.ops().get(op)
        if info is None:
            raise NotFound(f"the daemon has no operation {op!r}")
        return info

    def _attribute_bits(self, op: str, first: DType,
                        attributes: Mapping[str, Scalar]) -> list[tuple[bytes, int]]:
        """The attributes of an operation whose first operand is of type FIRST."""
        info = self._op_info(op)
        bits = []
        for name, value in attributes.items():
            if name not in info.attributes:
                raise InvalidArgument(f"{op}: expected attributes among "
                                      f"{', '.join(info.attributes)}, got {name}")
            dtype = info.attributes[name].dtype(first)
            bits.append((name.encode(), dtype.bits(value, f"{op}: {name}")))
        return bits

    def prepare(self, op: str, dtype: DTypeLike | Sequence[DTypeLike] = DType.F32, *,
                shapes: Sequence[Shape] | None = None, **attributes: Scalar) -> Prepared:
        """An operation with one output whose types and attributes the daemon checks now, once:

            clip = client.prepare("clip", dtype="f32", lo=0.0, hi=1.0)
            clip(x, out=x)

        dtype: of every operand that has no types of its own (as indices have), or one for each:
            inputs, then the output.
        shapes: of every operand likewise, if they are known: its programs are then built now.
        """
        with self._blocking("prepare") as session:
            info = self._op_info(op)
            count = info.inputs + info.outputs
            if info.outputs != 1:
                raise InvalidArgument(f"prepare: expected an operation with one output, got {op}")
            single = isinstance(dtype, (str, type, np.dtype))
            kinds = tuple(info.operand_dtype(i, DType.of(dtype)) for i in range(count)) \
                if single else tuple(DType.of(one) for one in dtype)
            sizes = None if shapes is None else [_sizes(shape) for shape in shapes]
            for name, got in (("dtype", kinds), ("shapes", sizes)):
                if got is not None and len(got) != count:
                    raise InvalidArgument(f"prepare: {name}: {op} has {count} operands, got "
                                          f"{len(got)}")
            bits = self._attribute_bits(op, kinds[0], attributes)
            session.free_prepared(session.pointer)  # there may be as many as the daemon allows
            return Prepared(self, info, kinds, attributes, bits, sizes)

    def run_prepared(self, prepared: Prepared, inputs: Sequence[Buffer],
                     out: Buffer | None) -> Buffer:
        """As calling `prepared`."""
        return self._one_output(prepared.op, inputs, out, prepared.accumulates,
                                lambda: (prepared.result_shape(inputs), prepared.dtypes[-1]),
                                lambda steps, ids, result: steps.execute_prepared(
                                    prepared.call(ids, result)))

    def batch(self) -> Batch:
        """`with client.batch(): …` sends the operations of the block as one message."""
        return Batch(self)

    # ---- graphs ---------------------------------------------------------------------------------

    def eval(self, text: str, out: Buffer | Mapping[str, Buffer] | None = None, /,
             **inputs: Value) -> Results:
        """Evaluates a text in NumPy's notation as one request:

            y = client.eval("softmax(relu(x @ w1 + b1) @ w2 + b2)", x=x, w1=w1, b1=b1, w2=w2, b2=b2)

        Inputs are buffers or arrays; arrays are put first. One result comes as itself, several come
        as a dict by name: as arrays if no input is a buffer, else as buffers. `out` is the buffer of
        the only result, or buffers by name; they may be inputs. The second time graph and plan are
        there already. Not part of a batch: what was queued is sent first.
        """
        return self.run_graph(self.source(text), inputs, out)

    def source(self, text: str) -> Source:
        """What `eval` knows about a text."""
        source = self._sources.get(text)
        if source is None:
            if len(self._sources) >= _SOURCES_MAX:
                self._sources.clear()
            source = self._sources[text] = Source(text=text)
        return source

    def graph(self, text: str) -> Graph:
        """A text that is checked now, and then run by number: `g = client.graph(text); g(x=x)`."""
        return Graph(self, Source(text=text))

    def open_graph(self, name: str) -> Graph:
        """The named graph, see `Graph.save`."""
        return Graph(self, Source(name=name))

    def remove_graph(self, name: str) -> None:
        """Takes the name of a graph away; those who opened it keep it."""
        with self._blocking("remove_graph") as session:
            session.require(LIBRARY.remove_graph(session.pointer, name.encode()))

    def explain(self, text: str, dot: bool = False, /, **inputs: Value) -> str:
        """What a text becomes for inputs like these: what is fused and why not more, the programs,
        bytes moved, memory. With `dot`, a picture for graphviz."""
        return Source(text=text).explain(self, inputs, dot)

    def run_graph(self, source: Source | Graph, inputs: Mapping[str, Value],
                  out: Buffer | Mapping[str, Buffer] | None = None) -> Results:
        """As `eval`, or calling a `Graph`."""
        arrays = not any(isinstance(value, Buffer) for value in inputs.values()) and out is None
        buffers = {name: value if isinstance(value, Buffer) else self.put(value)
                   for name, value in inputs.items()}
        with self._blocking("eval") as session:
            made = run(source, self, session, buffers, out)
        results = {name: buffer.numpy() if arrays else buffer for name, buffer in made.items()}
        return next(iter(results.values())) if len(results) == 1 else results

    # ---- programs -------------------------------------------------------------------------------

    def load_program(self, binary: bytes) -> Program:
        """Sends a program in the binary form of the instruction set (`hologramctl asm` makes it);
        the daemon verifies it."""
        with self._blocking("load_program") as session:
            program, info = c_uint64(), _library.ProgramInfo()
            session.require(LIBRARY.load_program(session.pointer, binary, len(binary),
                                                 byref(program), byref(info)))
            session.programs.add(program.value)
            return Program(self, session, program.value, info.instructions, info.slots, info.block)

    def run_program(self, program: Program, buffers: Sequence[Buffer], rows: int, cols: int,
                    params: Sequence[int], fuel: int) -> None:
        """As `Program.run`."""
        session = self._session
        with session.lock:
            ids = [self.operand(buffer, "run_program") for buffer in buffers]
            self._own_program(program)
            run = _library.Run(program._id, (c_uint64 * len(ids))(*ids), len(ids), len(params),
                               (c_uint64 * len(params))(*params), rows, cols, fuel)
            steps = session.begin("run_program", all(b.name is None for b in buffers))
            steps.run_program(run)
            session.end()

    def unload_program(self, program: Program) -> None:
        """As `Program.unload`."""
        with self._blocking("unload_program") as session:
            self._own_program(program)
            session.require(LIBRARY.unload_program(session.pointer, program._id))
            session.programs.discard(program._id)

    def _own_program(self, program: Program) -> None:
        if program._session is not self._session:
            raise NotFound("the program was loaded over another connection: load it again")
