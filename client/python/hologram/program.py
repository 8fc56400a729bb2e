# SPDX-License-Identifier: Apache-2.0
"""Programs that users write themselves in the daemon's instruction set."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Sequence, Union

from .dtypes import DType, DTypeLike, Scalar
from .errors import InvalidArgument

if TYPE_CHECKING:
    from ._session import Session
    from .buffer import Buffer
    from .client import Client

__all__ = ["Program", "Param"]

Param = Union[int, tuple[DTypeLike, Scalar]]


class Program:
    """A verified program in the daemon. `Client.load_program` makes it; `unload`, or `with`, gives
    it back, else the end of the connection does.

    instructions, slots, block: its length, its operand slots b0 …, its lanes per block.
    """

    def __init__(self, client: Client, session: Session, program_id: int, instructions: int,
                 slots: int, block: int) -> None:
        """Not for users."""
        self.client = client
        self._session = session
        self._id = program_id
        self.instructions = instructions
        self.slots = slots
        self.block = block

    def run(self, *buffers: Buffer, cols: int, rows: int = 1, params: Sequence[Param] = (),
            fuel: int = 0) -> None:
        """Runs it over rows x cols lanes. `buffers` are the slots b0, b1 …; `params` the launch
        parameters from k3 on, as bits or as (dtype, value); fuel 0 is the daemon's default. May be
        part of a batch."""
        self.client.run_program(self, buffers, rows, cols, [_bits(p) for p in params], fuel)

    def unload(self) -> None:
        self.client.unload_program(self)

    def __enter__(self) -> Program:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if self._session.pointer is not None:
            self.unload()


def _bits(param: Param) -> int:
    if isinstance(param, tuple):
        return DType.of(param[0]).bits(param[1], "params")
    if not isinstance(param, int) or not 0 <= param < 1 << 64:
        raise InvalidArgument("params: expected 64 bits as an int, or (dtype, value), got "
                              f"{param!r}")
    return param
