# SPDX-License-Identifier: Apache-2.0
"""Every operation of the daemon as a function, under the daemon's name.

All of them take buffers of one client and give the result: a fresh buffer, or `out` if that is
given. `out` may be an input of anything elementwise, which is then done in place. `n` limits the
work to the first n elements; a fresh result is then a vector of n.

min, max, abs, pow and sum shadow Python's own in this module, and in a module that imports them by name.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .dtypes import DType, DTypeLike, Scalar
from .errors import InvalidArgument

if TYPE_CHECKING:
    from .buffer import Buffer

__all__ = ["vector_add", "vector_sub", "vector_mul", "vector_div", "min", "max", "abs", "neg",
           "relu", "clip", "scalar_add", "scalar_mul", "sqrt", "rsqrt", "exp", "log", "log2",
           "log10", "sin", "cos", "tan", "erf", "pow", "equal", "not_equal", "less", "less_equal",
           "greater", "greater_equal", "where", "layer_norm", "mean", "var", "argmax",
           "sum_axis", "transpose", "concat", "gather_rows",
           "sigmoid", "tanh", "gelu", "softmax", "sum",
           "reduce_min", "reduce_max", "gemm", "matvec", "linear", "mse", "cross_entropy",
           "binary_cross_entropy", "copy", "fill"]

Shape = tuple[int, ...]
Attributes = list[tuple[bytes, int]]


def _sizes(**sizes: int | None) -> Attributes:
    """The sizes that were given; the daemon takes the others from the shapes."""
    given = []
    for name, size in sizes.items():
        if size is not None:
            if size < 0:
                raise InvalidArgument(f"{name}: expected 0 or more, got {size}")
            given.append((name.encode(), int(size)))
    return given


def _first(a: Buffer, n: int | None) -> Shape:
    return a.shape if n is None else (n,)


def _unary(op: str, a: Buffer, out: Buffer | None, n: int | None,
           attributes: Attributes | None = None) -> Buffer:
    return a.client.operate(op, (a,), out, _first(a, n), a.dtype,
                            (attributes or []) + _sizes(n=n))


def _binary(op: str, a: Buffer, b: Buffer, out: Buffer | None, n: int | None,
            dtype: DType | None = None) -> Buffer:
    return a.client.operate(op, (a, b), out, _first(a, n), dtype or a.dtype, _sizes(n=n))


# ---- math ---------------------------------------------------------------------------------------


def vector_add(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """a + b; integers wrap. A shorter b is repeated: its length divides that of a."""
    return _binary("vector_add", a, b, out, n)


def vector_sub(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """a - b; integers wrap. A shorter b is repeated."""
    return _binary("vector_sub", a, b, out, n)


def vector_mul(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """a * b, elementwise; integers wrap. A shorter b is repeated."""
    return _binary("vector_mul", a, b, out, n)


def vector_div(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """a / b; integers truncate, and a 0 among an integer b is an error that names its element.
    A shorter b is repeated."""
    return _binary("vector_div", a, b, out, n)


def min(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """The smaller of a and b; a NaN yields the other. A shorter b is repeated."""
    return _binary("min", a, b, out, n)


def max(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """The larger of a and b; a NaN yields the other. A shorter b is repeated."""
    return _binary("max", a, b, out, n)


def abs(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Magnitude; of the least integer, itself. Signed and floating types."""
    return _unary("abs", a, out, n)


def neg(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """-a; of the least integer, itself. Signed and floating types."""
    return _unary("neg", a, out, n)


def relu(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """max(a, 0); of NaN, 0."""
    return _unary("relu", a, out, n)


def clip(a: Buffer, lo: Scalar, hi: Scalar, *, out: Buffer | None = None,
         n: int | None = None) -> Buffer:
    """min(max(a, lo), hi); of NaN, lo."""
    return _unary("clip", a, out, n, [(b"lo", a.dtype.bits(lo, "clip: lo")),
                                      (b"hi", a.dtype.bits(hi, "clip: hi"))])


def scalar_add(a: Buffer, s: Scalar, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """a + s, with s rounded to the type of a; integers wrap."""
    return _unary("scalar_add", a, out, n, [(b"s", a.dtype.bits(s, "scalar_add: s"))])


def scalar_mul(a: Buffer, s: Scalar, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """a * s, with s rounded to the type of a; integers wrap."""
    return _unary("scalar_mul", a, out, n, [(b"s", a.dtype.bits(s, "scalar_mul: s"))])


def sqrt(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Square root; of what is below 0, NaN. Floating types."""
    return _unary("sqrt", a, out, n)


def rsqrt(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """1 / sqrt(a). Floating types."""
    return _unary("rsqrt", a, out, n)


def exp(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """e^a. Floating types."""
    return _unary("exp", a, out, n)


def log(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Natural logarithm; of 0, -inf. Floating types."""
    return _unary("log", a, out, n)


def log2(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Logarithm to base 2. Floating types."""
    return _unary("log2", a, out, n)


def log10(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Logarithm to base 10. Floating types."""
    return _unary("log10", a, out, n)


def sin(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Sine. Floating types."""
    return _unary("sin", a, out, n)


def cos(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Cosine. Floating types."""
    return _unary("cos", a, out, n)


def tan(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Tangent. Floating types."""
    return _unary("tan", a, out, n)


def erf(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Error function. Floating types."""
    return _unary("erf", a, out, n)


def pow(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """a^b. Floating types. A shorter b is repeated."""
    return _binary("pow", a, b, out, n)


# ---- comparisons --------------------------------------------------------------------------------


def equal(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """1 where a = b, else 0, of type u8. A shorter b is repeated."""
    return _binary("equal", a, b, out, n, DType.U8)


def not_equal(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """1 where a and b differ, as a NaN does from all. A shorter b is repeated."""
    return _binary("not_equal", a, b, out, n, DType.U8)


def less(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """1 where a < b. A shorter b is repeated."""
    return _binary("less", a, b, out, n, DType.U8)


def less_equal(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """1 where a <= b. A shorter b is repeated."""
    return _binary("less_equal", a, b, out, n, DType.U8)


def greater(a: Buffer, b: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """1 where a > b. A shorter b is repeated."""
    return _binary("greater", a, b, out, n, DType.U8)


def greater_equal(a: Buffer, b: Buffer, *, out: Buffer | None = None,
                  n: int | None = None) -> Buffer:
    """1 where a >= b. A shorter b is repeated."""
    return _binary("greater_equal", a, b, out, n, DType.U8)


def where(cond: Buffer, a: Buffer, b: Buffer, *, out: Buffer | None = None,
          n: int | None = None) -> Buffer:
    """a where cond, of type u8, is not 0, else b. Shorter ones of a and b are repeated."""
    return a.client.operate("where", (cond, a, b), out, _first(cond, n), a.dtype, _sizes(n=n))


# ---- activation ---------------------------------------------------------------------------------


def sigmoid(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """1 / (1 + e^-a), right into the tails."""
    return _unary("sigmoid", a, out, n)


def tanh(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Hyperbolic tangent."""
    return _unary("tanh", a, out, n)


def gelu(a: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """a / (1 + e^(-2u)), u = sqrt(2/pi) (a + 0.044715 a^3): the tanh form."""
    return _unary("gelu", a, out, n)


def softmax(a: Buffer, *, temperature: Scalar = 1.0, cols: int | None = None,
            out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Per row: e / sum of e, with e = exp((a - max a) / temperature).

    A row is the last dimension, or `cols` elements; 0 means that all is one row.
    """
    if cols is None and n is None and len(a.shape) > 1:
        cols = a.shape[-1]
    attributes = _sizes(cols=cols)
    if temperature != 1:
        attributes.append((b"temperature", a.dtype.wide.bits(temperature)))
    return _unary("softmax", a, out, n, attributes)


def layer_norm(x: Buffer, gamma: Buffer, beta: Buffer, *, eps: Scalar = 1e-5,
               cols: int | None = None, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Per row: (x - mean) / sqrt(var + eps) * gamma + beta, with a gamma and a beta per column.

    A row is the last dimension, or `cols` elements; 0 means that all is one row.
    """
    if cols is None and n is None and len(x.shape) > 1:
        cols = x.shape[-1]
    attributes = [*_sizes(n=n, cols=cols), (b"eps", x.dtype.wide.bits(eps))]
    return x.client.operate("layer_norm", (x, gamma, beta), out, _first(x, n), x.dtype, attributes)


# ---- reductions ---------------------------------------------------------------------------------


def _reduce(op: str, a: Buffer, axis: int | None, cols: int | None, out: Buffer | None,
            n: int | None, dtype: DType | None = None) -> Buffer:
    shape: Shape = ()
    if axis is not None:
        if len(a.shape) == 0 or axis not in (-1, len(a.shape) - 1) or cols is not None:
            raise InvalidArgument(f"{op}: axis: expected None, or -1 without cols and with "
                                  f"dimensions, got {axis}")
        cols, shape = a.shape[-1], a.shape[:-1]
        if cols == 0 and shape:
            raise InvalidArgument(f"{op}: axis: expected a last dimension above 0, got {a.shape}")
    elif cols:
        shape = ((a.size if n is None else n) // cols,)
    return a.client.operate(op, (a,), out, shape, dtype or a.dtype, _sizes(n=n, cols=cols))


def sum(a: Buffer, *, axis: int | None = None, cols: int | None = None, out: Buffer | None = None,
        n: int | None = None) -> Buffer:
    """Sum of everything, of the last dimension (axis=-1), or of rows of `cols` elements. Integers
    wrap in the type of a."""
    return _reduce("sum", a, axis, cols, out, n)


def reduce_min(a: Buffer, *, axis: int | None = None, cols: int | None = None,
               out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Minimum of everything or of each row, as `sum`; skips NaN unless all are."""
    return _reduce("reduce_min", a, axis, cols, out, n)


def reduce_max(a: Buffer, *, axis: int | None = None, cols: int | None = None,
               out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Maximum of everything or of each row, as `sum`; skips NaN unless all are."""
    return _reduce("reduce_max", a, axis, cols, out, n)


def mean(a: Buffer, *, axis: int | None = None, cols: int | None = None, out: Buffer | None = None,
         n: int | None = None) -> Buffer:
    """Mean of everything or of each row, as `sum`. Floating types; halves compute in f32."""
    return _reduce("mean", a, axis, cols, out, n)


def var(a: Buffer, *, axis: int | None = None, cols: int | None = None, out: Buffer | None = None,
        n: int | None = None) -> Buffer:
    """Mean of the squared distances from the mean, of everything or of each row, as `sum`. Floating
    types; halves compute in f32."""
    return _reduce("var", a, axis, cols, out, n)


def argmax(a: Buffer, *, axis: int | None = None, cols: int | None = None,
           out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Index, of type i64, of the first maximum of everything or of each row, as `sum`; skips NaN."""
    return _reduce("argmax", a, axis, cols, out, n, DType.I64)


# ---- movement -----------------------------------------------------------------------------------


def _axis(op: str, axis: int, shape: Shape) -> int:
    if not -len(shape) <= axis < len(shape):
        raise InvalidArgument(f"{op}: axis: expected one of the {len(shape)} axes of {shape}, got "
                              f"{axis}")
    return axis % len(shape)


def sum_axis(a: Buffer, *, axis: int | None = None, length: int | None = None,
             inner: int | None = None, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Sum over one axis, the first unless given: a as outer by length by inner elements.

    `length` and `inner` say the same for whoever counts elements; both or none are given.
    """
    if length is None and inner is None and n is None:
        axis = _axis("sum_axis", axis or 0, a.shape)
        shape = a.shape[:axis] + a.shape[axis + 1:]
        length, inner = a.shape[axis], math.prod(a.shape[axis + 1:])
    elif length is None or inner is None or axis is not None:
        raise InvalidArgument("sum_axis: expected length and inner, without axis, or neither")
    else:
        step = length * inner
        shape = ((a.size if n is None else n) // step * inner if step else inner,)
    return a.client.operate("sum_axis", (a,), out, shape, a.dtype,
                            _sizes(n=n, length=length, inner=inner))


def transpose(a: Buffer, *, rows: int | None = None, cols: int | None = None,
              out: Buffer | None = None) -> Buffer:
    """Rows and columns of a matrix exchanged; a is rows by cols, from its shape unless given."""
    shape: Shape = ()
    if out is None:
        shape = (_dimension("transpose", "cols", cols, a, 1),
                 _dimension("transpose", "rows", rows, a, 0))
    return a.client.operate("transpose", (a,), out, shape, a.dtype, _sizes(rows=rows, cols=cols))


def concat(a: Buffer, b: Buffer, *, axis: int | None = None, rows: int | None = None,
           out: Buffer | None = None) -> Buffer:
    """b behind a along an axis, the first unless given; their other sizes are the same.

    With `rows` it is what numbers of elements say: each row of the result is one of a, then one of b.
    """
    if rows is None:
        axis = _axis("concat", axis or 0, a.shape)
        if a.shape[:axis] + a.shape[axis + 1:] != b.shape[:axis] + b.shape[axis + 1:]:
            raise InvalidArgument(f"concat: expected shapes that differ in axis {axis} only, got "
                                  f"{a.shape} and {b.shape}")
        rows = math.prod(a.shape[:axis])
        shape = (*a.shape[:axis], a.shape[axis] + b.shape[axis], *a.shape[axis + 1:])
    elif axis is not None:
        raise InvalidArgument("concat: expected axis or rows, got both")
    else:
        shape = (rows, (a.size + b.size) // rows if rows else 0)
    return a.client.operate("concat", (a, b), out, shape, a.dtype, _sizes(rows=rows or 1))


def gather_rows(table: Buffer, indices: Buffer, *, rows: int | None = None,
                cols: int | None = None, out: Buffer | None = None,
                n: int | None = None) -> Buffer:
    """The table's slices along its first axis by their indices, of type i32, i64 or u32.

    Negative indices count from the end. One that is outside is an error (OutOfRange) that names it.
    `rows` and `cols`, elements of a slice, say what the table is like for whoever counts elements.
    """
    slice_shape: Shape = table.shape[1:] if cols is None else (cols,)
    if rows is None and cols is None and len(table.shape) != 2:
        if not table.shape:
            raise InvalidArgument("gather_rows: expected a table with rows, got a single element")
        rows, cols = table.shape[0], math.prod(slice_shape)
    shape = (indices.shape if n is None else (n,)) + slice_shape
    return table.client.operate("gather_rows", (table, indices), out, shape, table.dtype,
                                _sizes(n=n, rows=rows, cols=cols))


# ---- linear algebra -----------------------------------------------------------------------------


def _dimension(op: str, name: str, given: int | None, matrix: Buffer, index: int) -> int:
    if given is not None:
        return given
    if len(matrix.shape) != 2:
        raise InvalidArgument(f"{op}: {name}: expected a value, or a matrix to take it from, got "
                              f"shape {matrix.shape}")
    return matrix.shape[index]


def gemm(a: Buffer, b: Buffer, *, trans_a: bool = False, trans_b: bool = False,
         alpha: Scalar = 1.0, beta: Scalar = 0.0, m: int | None = None, k: int | None = None,
         n: int | None = None, dtype: DTypeLike | None = None, out: Buffer | None = None) -> Buffer:
    """alpha op(A) op(B) + beta C, row-major, where op transposes if asked to and C is `out`.

    op(A) is m by k and op(B) k by n, from the shapes unless given. `dtype` is that of a fresh
    result: halves, which accumulate in f32, may give f32.
    """
    if beta != 0 and out is None:
        raise InvalidArgument("gemm: beta: expected 0 without out, because it is the factor of "
                              f"out, got {beta}")
    attributes = _sizes(m=m, k=k, n=n)
    attributes += [(name, 1) for name, flag in ((b"trans_a", trans_a), (b"trans_b", trans_b))
                   if flag]
    attributes += [(name, a.dtype.wide.bits(value))
                   for name, value, usual in ((b"alpha", alpha, 1), (b"beta", beta, 0))
                   if value != usual]
    shape: Shape = ()
    if out is None:
        shape = (_dimension("gemm", "m", m, a, 1 if trans_a else 0),
                 _dimension("gemm", "n", n, b, 0 if trans_b else 1))
    return a.client.operate("gemm", (a, b), out, shape, DType.of(dtype) if dtype else a.dtype,
                            attributes, accumulates=beta != 0)


def matvec(a: Buffer, x: Buffer, *, trans: bool = False, m: int | None = None,
           n: int | None = None, dtype: DTypeLike | None = None,
           out: Buffer | None = None) -> Buffer:
    """op(A) x, where op(A), m by n, is A or its transpose."""
    attributes = _sizes(m=m, n=n)
    if trans:
        attributes.append((b"trans", 1))
    shape: Shape = ()
    if out is None:
        shape = (_dimension("matvec", "m", m, a, 1 if trans else 0),)
    return a.client.operate("matvec", (a, x), out, shape, DType.of(dtype) if dtype else a.dtype,
                            attributes)


def linear(x: Buffer, w: Buffer, b: Buffer, *, relu: bool = False, gelu: bool = False,
           trans_w: bool = False, m: int | None = None, k: int | None = None,
           n: int | None = None, dtype: DTypeLike | None = None,
           out: Buffer | None = None) -> Buffer:
    """x op(w) + b, or relu or gelu of that: a network's layer as one program.

    x is m by k and op(w), w or its transpose, k by n, from the shapes unless given; b, of n
    elements, is added to each row. `dtype` is that of a fresh result: halves, which accumulate in
    f32, may give f32.
    """
    attributes = _sizes(m=m, k=k, n=n)
    attributes += [(name, 1) for name, flag in ((b"trans_w", trans_w), (b"relu", relu),
                                                (b"gelu", gelu)) if flag]
    shape: Shape = ()
    if out is None:
        shape = (_dimension("linear", "m", m, x, 0),
                 _dimension("linear", "n", n, w, 0 if trans_w else 1))
    return x.client.operate("linear", (x, w, b), out, shape,
                            DType.of(dtype) if dtype else x.dtype, attributes)


# ---- losses -------------------------------------------------------------------------------------


def _loss(op: str, p: Buffer, t: Buffer, eps: Scalar, out: Buffer | None,
          n: int | None) -> Buffer:
    attributes = _sizes(n=n)
    if eps != 0:
        attributes.append((b"eps", p.dtype.wide.bits(eps)))
    return p.client.operate(op, (p, t), out, (), p.dtype, attributes)


def mse(p: Buffer, t: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """Mean of (p - t)^2."""
    return _loss("mse", p, t, 0, out, n)


def cross_entropy(p: Buffer, t: Buffer, *, eps: Scalar = 0.0, out: Buffer | None = None,
                  n: int | None = None) -> Buffer:
    """Minus the sum of t ln(max(p, eps)), over n, the number of all elements."""
    return _loss("cross_entropy", p, t, eps, out, n)


def binary_cross_entropy(p: Buffer, t: Buffer, *, eps: Scalar = 0.0, out: Buffer | None = None,
                         n: int | None = None) -> Buffer:
    """Minus the mean of t ln(p) + (1 - t) ln(1 - p), with p clamped to [eps, 1 - eps]."""
    return _loss("binary_cross_entropy", p, t, eps, out, n)


# ---- memory -------------------------------------------------------------------------------------


def copy(src: Buffer, *, out: Buffer | None = None, n: int | None = None) -> Buffer:
    """The same bits in another buffer."""
    return _unary("copy", src, out, n)


def fill(dst: Buffer, value: Scalar, *, n: int | None = None) -> Buffer:
    """Sets every element of `dst`, or the first n, and gives it back."""
    attributes = [(b"value", dst.dtype.bits(value, "fill: value")), *_sizes(n=n)]
    return dst.client.operate("fill", (), dst, (), dst.dtype, attributes)


# ---- operators ----------------------------------------------------------------------------------
# What `a + b` and so on mean: shapes as NumPy has them, numbers as operands.


def _check_shapes(symbol: str, a: Buffer, b: Buffer) -> None:
    suffix = a.shape[len(a.shape) - len(b.shape):] if len(b.shape) <= len(a.shape) else None
    if b.shape != suffix and b.size != 1:
        raise InvalidArgument(f"{symbol}: expected shapes that are equal, a last part of the "
                              f"other, or of one element, got {a.shape} and {b.shape}")


def operator(symbol: str, a: Buffer, b: Buffer, out: Buffer | None = None) -> Buffer:
    """An elementwise operation; the larger operand of a commutative one may be on either side."""
    name, commutes = _OPERATORS[symbol]
    if commutes and out is None and (b.size, len(b.shape)) > (a.size, len(a.shape)):
        a, b = b, a
    _check_shapes(symbol, a, b)
    return _binary(name, a, b, out, None)


_OPERATORS = {"+": ("vector_add", True), "-": ("vector_sub", False), "*": ("vector_mul", True),
              "/": ("vector_div", False), "min": ("min", True), "max": ("max", True)}


def operator_scalar(symbol: str, a: Buffer, value: Scalar, out: Buffer | None = None) -> Buffer:
    """An elementwise operation with a number on the right."""
    if symbol == "+":
        return scalar_add(a, value, out=out)
    if symbol == "*":
        return scalar_mul(a, value, out=out)
    return operator(symbol, a, a.client.full((), value, a.dtype), out)


def operator_reflected(symbol: str, value: Scalar, a: Buffer) -> Buffer:
    """A number minus, or divided by, a buffer."""
    result = a.client.full(a.shape, value, a.dtype)
    return operator(symbol, result, a, result)


def product(a: Buffer, b: Buffer) -> Buffer:
    """`a @ b` of matrices and vectors."""
    ranks = (len(a.shape), len(b.shape))
    inner = (a.shape[-1:], b.shape[:1])
    if ranks not in ((1, 1), (1, 2), (2, 1), (2, 2)) or inner[0] != inner[1]:
        raise InvalidArgument("@: expected matrices or vectors whose inner sizes are equal, got "
                              f"{a.shape} and {b.shape}")
    if ranks == (2, 2):
        return gemm(a, b)
    if ranks == (2, 1):
        return matvec(a, b)
    if ranks == (1, 2):
        return matvec(b, a, trans=True)
    return a.client.operate("gemm", (a, b), None, (), a.dtype, _sizes(m=1, k=a.size, n=1))


def size_of(shape: Shape) -> int:
    return math.prod(shape)
