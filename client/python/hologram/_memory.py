# SPDX-License-Identifier: Apache-2.0
"""Memory that this process and the daemon both map."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._library import LIBRARY

__all__ = ["Memory"]


class Memory:
    """A mapping, as NumPy wants it. Arrays made of it keep it; with the last of them it is unmapped,
    whatever became of buffer, client and daemon."""

    __slots__ = ("__array_interface__", "_address", "_bytes", "__weakref__")

    def __init__(self, address: int, shape: tuple[int, ...], dtype: np.dtype[Any],
                 writable: bool) -> None:
        """Takes the mapping that libhologram gave."""
        self._address = address
        self._bytes = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self.__array_interface__ = {"version": 3, "shape": shape, "typestr": dtype.str,
                                    "data": (address, not writable)}

    def __del__(self) -> None:
        LIBRARY.unmap(self._address, self._bytes)
