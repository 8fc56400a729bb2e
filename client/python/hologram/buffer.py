# SPDX-License-Identifier: Apache-2.0
"""A tensor that lives in the daemon."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import ops
from ._memory import Memory
from ._session import Session
from .dtypes import DType, Scalar, to_storage
from .errors import FailedPrecondition, InvalidArgument

if TYPE_CHECKING:
    from .client import Client

__all__ = ["Buffer"]

Operand = Union["Buffer", Scalar]


class Buffer:
    """A tensor in the daemon's memory. `Client.put`, `empty` and so on, and operations, make them.

        c = a + b * 2.0 - d       # elementwise; numbers, a row or a single element broadcast
        c = a @ b                 # matrices and vectors
        a += 1                    # in place
        c.numpy()                 # read it: np.asarray(c) does the same

    Comparison is by identity; read a buffer to compare its content. The daemon's memory is freed
    with the last reference to a Buffer: its id travels with the next request. `free`, or `with`,
    does it sooner.
    """

    __slots__ = ("client", "_session", "_id", "_shape", "_dtype", "_size", "_name", "_memory",
                 "__weakref__")
    __array_ufunc__ = None  # ndarray + buffer is ours to refuse or to answer

    def __init__(self, client: Client, session: Session, buffer_id: int, shape: tuple[int, ...],
                 dtype: DType, name: str | None = None, memory: Memory | None = None) -> None:
        """Not for users: takes an id that the daemon knows, or will when the batch runs."""
        self.client = client
        self._session = session
        self._id = buffer_id
        self._shape = shape
        self._dtype = dtype
        self._size = ops.size_of(shape)
        self._name = name
        self._memory = memory

    def __del__(self) -> None:
        self._session.release(self._id)

    def free(self) -> None:
        """Gives the memory back with the next request. Published buffers stay under their name."""
        self._session.release(self._id)

    def __enter__(self) -> Buffer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.free()

    # ---- what it is -----------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, ...]:
        return self._shape

    @property
    def dtype(self) -> DType:
        return self._dtype

    @property
    def ndim(self) -> int:
        return len(self._shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return self._size

    @property
    def nbytes(self) -> int:
        return self._size * self._dtype.itemsize

    @property
    def name(self) -> str | None:
        """The name it was published or opened under."""
        return self._name

    @property
    def valid(self) -> bool:
        """False once it was freed, its connection is gone, or the batch that makes it failed."""
        return self._id in self._session.live

    def __len__(self) -> int:
        if not self._shape:
            raise TypeError("len() of a buffer without dimensions")
        return self._shape[0]

    def __bool__(self) -> bool:
        raise TypeError("a Buffer is neither true nor false: read it, or compare it with None")

    def __repr__(self) -> str:
        name = f" {self._name!r}" if self._name else ""
        state = "" if self.valid else ", gone"
        return f"<hologram.Buffer{name} {self._dtype} {self._shape}{state}>"

    @property
    def array(self) -> NDArray[Any]:
        """The memory of a buffer from `Client.shared`, or of one that was opened and is shared, as an
        array: what is written there needs no copy to be computed with, and results appear there.

        The daemon works with it only during operations: leave it alone while one runs. The array
        stays valid for as long as it is kept; once the buffer is gone it holds zeros. bf16 comes as
        uint16 bit patterns.
        """
        if self._memory is None:
            raise FailedPrecondition("array: expected a shared buffer: Client.shared makes one")
        return np.asarray(self._memory)

    # ---- content --------------------------------------------------------------------------------

    def numpy(self, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """The content, as a new array or in `out`. bf16 comes as uint16 bit patterns."""
        if out is None:
            out = np.empty(self._shape, self._dtype.numpy)
        elif (out.dtype != self._dtype.numpy or out.shape != self._shape
              or not out.flags.c_contiguous or not out.flags.writeable):
            raise InvalidArgument(f"numpy: out: expected a writable, contiguous array of "
                                  f"{self._dtype.numpy} {self._shape}, got {out.dtype} {out.shape}")
        self.client.read_into(self, 0, out)
        return out

    def read(self, start: int = 0, count: int | None = None) -> NDArray[Any]:
        """`count` elements from number `start` on, as a vector."""
        if count is None:
            count = self._size - start
        if start < 0 or count < 0:
            raise InvalidArgument(f"read: expected 0 or more, got start {start}, count {count}")
        out = np.empty(count, self._dtype.numpy)
        self.client.read_into(self, start, out)
        return out

    def write(self, array: ArrayLike, start: int = 0) -> Buffer:
        """Writes the elements of `array`, converted to this type, from element `start` on."""
        data, _ = to_storage(array, self._dtype)
        self.client.write_from(self, start, data)
        return self

    def freeze(self) -> Buffer:
        """Makes it constant, for everybody and for good: to write it raises PermissionDenied from
        then on, and the daemon keeps what it makes of its content, such as the packed weights of a
        product. Again does nothing. Not for `Client.shared` buffers."""
        self.client.freeze(self)
        return self

    def item(self) -> float | int:
        """The element of a buffer that has one, as a Python number."""
        if self._size != 1:
            raise InvalidArgument(f"item: expected a buffer of one element, got {self._shape}")
        bits = self.numpy().reshape(1).view(f"u{self._dtype.itemsize}")[0]
        return self._dtype.from_bits(int(bits))

    def tolist(self) -> Any:
        """Nested lists, as `numpy().tolist()`."""
        return self.numpy().tolist()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a Buffer's content has to be copied from the daemon")
        array = self.numpy()
        return array if dtype is None else array.astype(dtype)

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    # ---- names ----------------------------------------------------------------------------------

    def publish(self, name: str, mode: int = 0o600, group: int | None = None) -> Buffer:
        """Names it, so that it outlives this client and others may open it.

        `mode` is as of a file; `group`, a gid, is whom the middle digit speaks of, the user's own
        by default. Characters of a name: A-Z a-z 0-9 . _ - /
        """
        self.client.publish(self, name, mode, group)
        self._name = name
        return self

    # ---- operators ------------------------------------------------------------------------------

    def __add__(self, other: Operand) -> Buffer:
        return _binary("+", self, other)

    def __radd__(self, other: float) -> Buffer:
        return _binary("+", self, other)

    def __iadd__(self, other: Operand) -> Buffer:
        return _binary("+", self, other, self)

    def __sub__(self, other: Operand) -> Buffer:
        return _binary("-", self, other)

    def __rsub__(self, other: float) -> Buffer:
        return _reflected("-", other, self)

    def __isub__(self, other: Operand) -> Buffer:
        return _binary("-", self, other, self)

    def __mul__(self, other: Operand) -> Buffer:
        return _binary("*", self, other)

    def __rmul__(self, other: float) -> Buffer:
        return _binary("*", self, other)

    def __imul__(self, other: Operand) -> Buffer:
        return _binary("*", self, other, self)

    def __truediv__(self, other: Operand) -> Buffer:
        return _binary("/", self, other)

    def __rtruediv__(self, other: float) -> Buffer:
        return _reflected("/", other, self)

    def __itruediv__(self, other: Operand) -> Buffer:
        return _binary("/", self, other, self)

    def __matmul__(self, other: Buffer) -> Buffer:
        return ops.product(self, other) if isinstance(other, Buffer) else NotImplemented

    def __neg__(self) -> Buffer:
        return ops.neg(self)

    def __pos__(self) -> Buffer:
        return ops.copy(self)

    def __abs__(self) -> Buffer:
        return ops.abs(self)

    # ---- operations as methods ------------------------------------------------------------------

    def abs(self, *, out: Buffer | None = None) -> Buffer:
        return ops.abs(self, out=out)

    def relu(self, *, out: Buffer | None = None) -> Buffer:
        return ops.relu(self, out=out)

    def sigmoid(self, *, out: Buffer | None = None) -> Buffer:
        return ops.sigmoid(self, out=out)

    def tanh(self, *, out: Buffer | None = None) -> Buffer:
        return ops.tanh(self, out=out)

    def gelu(self, *, out: Buffer | None = None) -> Buffer:
        return ops.gelu(self, out=out)

    def softmax(self, *, temperature: Scalar = 1.0, out: Buffer | None = None) -> Buffer:
        return ops.softmax(self, temperature=temperature, out=out)

    def clip(self, lo: Scalar, hi: Scalar, *, out: Buffer | None = None) -> Buffer:
        return ops.clip(self, lo, hi, out=out)

    def sum(self, axis: int | None = None, *, out: Buffer | None = None) -> Buffer:
        return ops.sum(self, axis=axis, out=out)

    def min(self, other: Operand | None = None, *, axis: int | None = None,
            out: Buffer | None = None) -> Buffer:
        """The smallest element (of each row with axis=-1), or, given `other`, the smaller of both
        elementwise."""
        if other is None:
            return ops.reduce_min(self, axis=axis, out=out)
        return _binary("min", self, other, out)

    def max(self, other: Operand | None = None, *, axis: int | None = None,
            out: Buffer | None = None) -> Buffer:
        """The largest element (of each row with axis=-1), or, given `other`, the larger of both
        elementwise."""
        if other is None:
            return ops.reduce_max(self, axis=axis, out=out)
        return _binary("max", self, other, out)

    def copy(self, *, out: Buffer | None = None) -> Buffer:
        return ops.copy(self, out=out)

    def fill(self, value: Scalar) -> Buffer:
        return ops.fill(self, value)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float, np.number)) and not isinstance(value, np.complexfloating)


def _binary(symbol: str, a: Buffer, b: Any, out: Buffer | None = None) -> Buffer:
    if isinstance(b, Buffer):
        return ops.operator(symbol, a, b, out)
    if _is_number(b):
        return ops.operator_scalar(symbol, a, b, out)
    raise _not_an_operand(symbol, b)


def _reflected(symbol: str, value: Any, a: Buffer) -> Buffer:
    if _is_number(value):
        return ops.operator_reflected(symbol, value, a)
    raise _not_an_operand(symbol, value)


def _not_an_operand(symbol: str, value: object) -> TypeError:
    hint = ": client.put(array) makes one" if isinstance(value, (np.ndarray, list, tuple)) else ""
    return TypeError(f"{symbol}: expected a Buffer or a number, got {type(value).__name__}{hint}")
