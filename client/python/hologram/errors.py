# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, as exceptions: one class per status, all of them `Error`.

Where Python has an exception of the same meaning, the class is also that one, so that code which
knows nothing of hologramd (`except TimeoutError`) does the right thing.
"""

from __future__ import annotations

import enum

__all__ = ["Status", "Error", "Cancelled", "Unknown", "InvalidArgument", "DeadlineExceeded",
           "NotFound", "AlreadyExists", "PermissionDenied", "ResourceExhausted",
           "FailedPrecondition", "Aborted", "OutOfRange", "Unimplemented", "Internal",
           "Unavailable", "DataLoss", "Unauthenticated", "ConnectionLost"]


class Status(enum.IntEnum):
    """Outcome of a request; the numbers are gRPC's."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class Error(Exception):
    """Base of everything that hologram raises.

    message: for people; names the operation, the argument, what was expected and what came.
    code: the `Status`.
    detail: for programs: DIVISION_BY_ZERO, OUT_OF_BOUNDS, FUEL_EXHAUSTED, or "".
    step: in a batch, the number of the operation that failed, from 0; else None.
    """

    code: Status = Status.UNKNOWN

    def __init__(self, message: str, detail: str = "", step: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.step = step

    def __str__(self) -> str:
        return self.message


class Cancelled(Error):
    """The request was cancelled."""

    code = Status.CANCELLED


class Unknown(Error):
    """No other status fits."""

    code = Status.UNKNOWN


class InvalidArgument(Error, ValueError):
    """The request can never succeed as it is written."""

    code = Status.INVALID_ARGUMENT


class DeadlineExceeded(Error, TimeoutError):
    """The timeout passed first."""

    code = Status.DEADLINE_EXCEEDED


class NotFound(Error, LookupError):
    """A buffer, program, name or operation does not exist."""

    code = Status.NOT_FOUND


class AlreadyExists(Error):
    """A name is taken."""

    code = Status.ALREADY_EXISTS


class PermissionDenied(Error, PermissionError):
    """This user may not."""

    code = Status.PERMISSION_DENIED


class ResourceExhausted(Error):
    """A quota, a limit or memory ran out."""

    code = Status.RESOURCE_EXHAUSTED


class FailedPrecondition(Error):
    """Not possible in the present state."""

    code = Status.FAILED_PRECONDITION


class Aborted(Error):
    """Given up because of a concurrent event."""

    code = Status.ABORTED


class OutOfRange(Error, IndexError):
    """An offset or address outside its buffer."""

    code = Status.OUT_OF_RANGE


class Unimplemented(Error, NotImplementedError):
    """This server cannot do this."""

    code = Status.UNIMPLEMENTED


class Internal(Error):
    """A fault of the server, or no valid protocol from it."""

    code = Status.INTERNAL


class Unavailable(Error, ConnectionError):
    """Not there, closing, or overloaded: try again later."""

    code = Status.UNAVAILABLE


class DataLoss(Error):
    """Stored state is corrupt."""

    code = Status.DATA_LOSS


class Unauthenticated(Error):
    """Identity not known."""

    code = Status.UNAUTHENTICATED


class ConnectionLost(Unavailable):
    """The connection broke. Every buffer that this client held is gone, and so are the programs that
    it loaded; buffers that were published live on in the daemon, if that still runs. Prepared
    operations are prepared again by themselves. `Client.reconnect` makes a new connection.

    lost_buffers: how many `Buffer` objects became invalid.
    lost_programs: how many `Program` objects have to be loaded again.
    published: names that this client had published or opened, to be opened again.
    request: what was on its way, such as "vector_add"; "" if nothing was.
    safe_to_repeat: whether doing `request` once more has the same effect as doing it once, should
        the daemon have done it before the connection broke. It is False only for what changes a
        published buffer depending on its content (in place, gemm with beta), and for publish and
        unpublish; everything else either changed only what is gone or writes the same again.
    """

    def __init__(self, message: str, detail: str = "", step: int | None = None, *,
                 lost_buffers: int = 0, lost_programs: int = 0, published: tuple[str, ...] = (),
                 request: str = "", safe_to_repeat: bool = True) -> None:
        super().__init__(message, detail, step)
        self.lost_buffers = lost_buffers
        self.lost_programs = lost_programs
        self.published = published
        self.request = request
        self.safe_to_repeat = safe_to_repeat


_CLASSES: dict[int, type[Error]] = {
    cls.code: cls for cls in (
        Cancelled, Unknown, InvalidArgument, DeadlineExceeded, NotFound, AlreadyExists,
        PermissionDenied, ResourceExhausted, FailedPrecondition, Aborted, OutOfRange,
        Unimplemented, Internal, Unavailable, DataLoss, Unauthenticated)
}


def error_class(code: int) -> type[Error]:
    """The exception of a status; `Unknown` for a number outside the table."""
    return _CLASSES.get(code, Unknown)
