# SPDX-License-Identifier: Apache-2.0
"""Graphs on their way to the daemon: what they are made from, runs, and those that it keeps."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_char_p, c_uint32, c_uint64, c_void_p, pointer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Mapping, Sequence, Union

import numpy as np
from numpy.typing import ArrayLike

from . import _library
from ._library import LIBRARY
from .dtypes import DType
from .errors import InvalidArgument, NotFound

if TYPE_CHECKING:
    from ._session import Session
    from .buffer import Buffer
    from .client import Client

Value = Union["Buffer", ArrayLike]
Results = Any  # an array or a Buffer, or a dict of them

OUTPUTS_MAX = 64


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


class NodeList:
    """Nodes as the library has them, and what they point to."""

    def __init__(self, nodes: Sequence[_library.Node], results: Sequence[tuple[str, int]]) -> None:
        self._nodes = (_library.Node * len(nodes))(*nodes)
        self._results = (c_uint32 * len(results))(*(index for _, index in results))
        self._names = (c_char_p * len(results))(*(name.encode() for name, _ in results))
        self.struct = _library.NodeList(self._nodes, len(nodes), len(results), self._results,
                                        self._names, None, 0)
