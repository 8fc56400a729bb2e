# SPDX-License-Identifier: Apache-2.0
"""Element types, their NumPy counterparts, and scalars as bits."""

from __future__ import annotations

import ctypes
import enum
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from ._library import LIBRARY
from .errors import InvalidArgument

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["DType", "DTypeLike", "Scalar", "bf16_to_f32", "f32_to_bf16"]


class DType(enum.StrEnum):
    """The type of a buffer's elements. A DType is its name: `DType.F32 == "f32"`.

    NumPy has no bf16. Buffers of it are read and written as uint16 arrays of bit patterns;
    `f32_to_bf16` and `bf16_to_f32` convert.
    """

    I8 = "i8", 1, "int8"
    I16 = "i16", 2, "int16"
    I32 = "i32", 3, "int32"
    I64 = "i64", 4, "int64"
    U8 = "u8", 5, "uint8"
    U16 = "u16", 6, "uint16"
    U32 = "u32", 7, "uint32"
    U64 = "u64", 8, "uint64"
    F16 = "f16", 9, "float16"
    BF16 = "bf16", 10, "uint16"
    F32 = "f32", 11, "float32"
    F64 = "f64", 12, "float64"

    code: int
    numpy: np.dtype[Any]
    itemsize: int
    is_float: bool
    is_signed: bool

    def __new__(cls, name: str, code: int, numpy: str) -> DType:
        self = str.__new__(cls, name)
        self._value_ = name
        self.code = code
        self.numpy = np.dtype(numpy)
        self.itemsize = self.numpy.itemsize
        self.is_float = "f" in name
        self.is_signed = name[0] != "u"
        return self

    @property
    def wide(self) -> DType:
        """The type that halves are computed in: f64 of f64, else f32."""
        return DType.F64 if self is DType.F64 else DType.F32

    @classmethod
    def of(cls, dtype: DTypeLike) -> DType:
        """The DType that a name ("f32", "bf16"), a NumPy dtype or a Python type stands for."""
        if isinstance(dtype, DType):
            return dtype
        if isinstance(dtype, str) and dtype in _BY_NAME:
            return _BY_NAME[dtype]
        try:
            wanted = np.dtype(dtype)
        except TypeError:
            wanted = None
        found = _BY_NUMPY.get(wanted.name) if wanted is not None else None
        if found is None:
            raise InvalidArgument(f"dtype: expected one of {', '.join(_BY_NAME)} or NumPy's name of "
                                  f"one, got {dtype!r}")
        return found

    @classmethod
    def from_code(cls, code: int) -> DType:
        return _BY_CODE[code]

    def bits(self, value: Scalar, what: str = "value") -> int:
        """`value` as a bit pattern of this type, in the low bits of an int. Floats round to nearest
        even; an integer type has to hold the value exactly."""
        if self.is_float:
            pattern = ctypes.c_uint64()
            LIBRARY.bits_from_double(self.code, float(value), ctypes.byref(pattern))
            return pattern.value
        return self._integer_bits(value, what)

    def _integer_bits(self, value: Scalar, what: str) -> int:
        limits = np.iinfo(self.numpy)
        try:
            whole = int(value)
        except (OverflowError, ValueError):  # infinities, nan
            whole = None
        if whole is None or whole != value or not int(limits.min) <= whole <= int(limits.max):
            raise InvalidArgument(f"{what}: expected an integer of type {self}, from {limits.min} "
                                  f"to {limits.max}, got {value}")
        return whole & ((1 << 8 * self.itemsize) - 1)

    def from_bits(self, bits: int) -> float | int:
        """What a bit pattern of this type stands for."""
        if self.is_float:
            return float(LIBRARY.bits_to_double(self.code, bits))
        width = 8 * self.itemsize
        bits &= (1 << width) - 1
        return bits - (1 << width) if self.is_signed and bits >> (width - 1) else bits


DTypeLike = Union[DType, str, np.dtype[Any], type]
Scalar = Union[int, float, np.integer[Any], np.floating[Any]]

_BY_NAME = {dtype.value: dtype for dtype in DType}
_BY_CODE = {dtype.code: dtype for dtype in DType}
# "bfloat16" is what the ml_dtypes package calls its type.
_BY_NUMPY = {dtype.numpy.name: dtype for dtype in DType if dtype is not DType.BF16} | {
    "bfloat16": DType.BF16}


def f32_to_bf16(values: ArrayLike) -> NDArray[np.uint16]:
    """Bit patterns of bf16, rounded to nearest even; NaN stays NaN."""
    array = np.asarray(values, np.float32)
    bits = array.reshape(-1).view(np.uint32)
    rounded = bits + (0x7FFF + ((bits >> 16) & 1))  # wraps only for NaN
    quiet = bits | 0x400000
    kept = np.where(np.isnan(array.reshape(-1)), quiet, rounded)
    return (kept >> 16).astype(np.uint16).reshape(array.shape)


def bf16_to_f32(bits: ArrayLike) -> NDArray[np.float32]:
    """The values of bf16 bit patterns; exact."""
    patterns = np.asarray(bits, np.uint16)
    wide = patterns.reshape(-1).astype(np.uint32) << 16
    return wide.view(np.float32).reshape(patterns.shape)


def to_storage(array: ArrayLike, dtype: DTypeLike | None) -> tuple[NDArray[Any], DType]:
    """`array` as contiguous memory in the form that a buffer of its type has.

    Without `dtype` the array's own type is used. Other types are converted as `astype` does, except
    that for bf16 a uint16 array holds bit patterns already and anything else is rounded.
    """
    given = np.asarray(array)
    kind = DType.of(given.dtype if dtype is None else dtype)
    if kind is DType.BF16:
        if given.dtype.name == "bfloat16":
            given = given.view(np.uint16)
        elif given.dtype.name != "uint16":
            given = f32_to_bf16(given)
    if given.dtype != kind.numpy:
        given = given.astype(kind.numpy)
    return np.require(given, requirements="C"), kind
