# SPDX-License-Identifier: Apache-2.0
"""Operations whose types and attributes are checked once, and which then run by number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from ctypes import byref, c_uint64, c_void_p
from types import TracebackType
from typing import TYPE_CHECKING, Any

from . import _library, ops
from ._library import LIBRARY
from .dtypes import DType, Scalar
from .errors import InvalidArgument

if TYPE_CHECKING:
    from .buffer import Buffer
    from .client import Client
    from .info import OpInfo

__all__ = ["Prepared"]

Shape = tuple[int, ...]


class Prepared:
    """An operation of one client that `Client.prepare` made.

        add = client.prepare("vector_add", dtype="f32")
        add(a, b, out=c)        # c = a + b
        d = add(a, c)           # a fresh buffer

    It takes buffers of the types that it was prepared for; their shapes may differ from call to
    call. It may be part of a batch and, in asyncio, of what `run` calls. After `Client.reconnect` it
    is prepared again by itself, with its next use. The daemon forgets it with the last reference, or
    with `close`, or `with`.

    op, dtypes, attributes: what was prepared; the types are of the inputs, then of the output.
    """

    def __init__(self, client: Client, info: OpInfo, dtypes: tuple[DType, ...],
                 attributes: Mapping[str, Scalar], bits: Sequence[tuple[bytes, int]],
                 shapes: Sequence[Shape] | None) -> None:
        """Not for users."""
        self.client = client
        self.op = info.name
        self.dtypes = dtypes
        self.attributes = dict(attributes)
        self._inputs = info.inputs
        self._accumulates = self.attributes.get("beta", 0) != 0
        self._shapes: dict[tuple[Shape, ...], Shape] = {}
        self._pointer = c_void_p()
        operands = (_library.Operand * len(dtypes))(*(
            _operand(dtype, None if shapes is None else shapes[i])
            for i, dtype in enumerate(dtypes)))
        given = (_library.Attribute * len(bits))(*(_library.Attribute(*one) for one in bits))
        pattern = _library.Pattern(self.op.encode(), operands, len(operands), len(given), given)
        session = client._session
        session.require(LIBRARY.prepare(session.pointer, byref(pattern), byref(self._pointer)))

    def __call__(self, *inputs: Buffer, out: Buffer | None = None) -> Buffer:
        """Runs it. The result is in a fresh buffer, or in `out`, which may be an input of anything
        elementwise."""
        if not self._pointer:
            raise InvalidArgument(f"{self.op}: this prepared operation was closed")
        if len(inputs) != self._inputs:
            raise InvalidArgument(f"{self.op}: expected {self._inputs} inputs, got {len(inputs)}")
        return self.client.run_prepared(self, inputs, out)

    def call(self, inputs: Sequence[int], output: int) -> _library.PreparedCall:
        """As the library has it, of buffers' ids."""
        return _library.PreparedCall(self._pointer, (c_uint64 * len(inputs))(*inputs), len(inputs),
                                     1, (c_uint64 * 1)(output))

    @property
    def accumulates(self) -> bool:
        """Whether the result depends on what was in the output before."""
        return self._accumulates

    def result_shape(self, inputs: Sequence[Buffer]) -> Shape:
        """Of a fresh result: what the function of the same name in `hologram.ops` would give."""
        shapes = tuple(buffer.shape for buffer in inputs)
        found = self._shapes.get(shapes)
        if found is None:
            function = getattr(ops, self.op, None)
            if not inputs or function is None:
                raise InvalidArgument(f"{self.op}: out: expected a buffer for the result")
            found = _Operand.shape_of(function, shapes, self.dtypes, self.attributes)
            self._shapes[shapes] = found
        return found

    def close(self) -> None:
        """Has the daemon forget it, with the next request."""
        pointer, self._pointer = self._pointer, c_void_p()
        if pointer:
            self.client._session.drop_prepared(pointer)

    def __del__(self) -> None:
        if hasattr(self, "_pointer"):
            self.close()

    def __enter__(self) -> Prepared:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def __repr__(self) -> str:
        given = "".join(f", {name}={value}" for name, value in self.attributes.items())
        return f"<hologram.Prepared {self.op}({', '.join(self.dtypes)}{given})>"


def _operand(dtype: DType, shape: Shape | None) -> _library.Operand:
    operand = _library.Operand(dtype.code, shape is not None, len(shape or ()))
    operand.shape[:len(shape or ())] = shape or ()
    return operand


class _Operand:
    """Stands for a buffer, and for its client, where a function of `hologram.ops` works out what
    its result is like."""

    def __init__(self, shape: Shape, dtype: DType) -> None:
        self.shape = shape
        self.dtype = dtype
        self.size = math.prod(shape)
        self.client = self

    def operate(self, op: str, inputs: object, out: object, shape: Shape, *rest: object,
                **options: object) -> Shape:
        return shape

    @classmethod
    def shape_of(cls, function: Any, shapes: Sequence[Shape], dtypes: Sequence[DType],
                 attributes: Mapping[str, Scalar]) -> Shape:
        operands = [cls(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
        shape: Shape = function(*operands, **attributes)
        return shape
