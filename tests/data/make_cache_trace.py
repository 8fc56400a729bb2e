#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Records cache_mixed_trace.txt: the keys that one daemon's cache is asked for by six clients at once.

Needs a daemon that appends each key to $HOLOGRAM_TRACE: with these lines at the top of
hg_program_borrow (lib/engine/steps.c), and not otherwise:

    static int trace = -1;
    if (trace < 0) {
        trace = open(getenv("HOLOGRAM_TRACE"), O_WRONLY | O_CREAT | O_APPEND, 0600);
    }
    (void)!write(trace, key, sizeof *key);

Two clients classify batches of varying sizes, two train small networks, one tries operations on
all types, one works on boundary buffers, where each set of operands is a program of its own.
"""

import pathlib
import random
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "integration"))

from conftest import Daemon  # noqa: E402  (needs the path above)
from hologram.v1 import hologram_pb2 as pb  # noqa: E402

KEY_BYTES = 80
LOOKUPS = 20000
TYPES = [pb.F32, pb.F32, pb.F32, pb.F64, pb.BF16, pb.F16, pb.I32, pb.I64, pb.U8]
BINARY = ["vector_add", "vector_sub", "vector_mul", "max", "min"]
UNARY = ["relu", "copy", "abs", "neg"]
CURVES = ["sigmoid", "tanh", "gelu", "softmax"]


class Client:
    """Calls operations on fresh ids, as often as a round asks for."""

    def __init__(self, daemon, seed):
        self.connection = daemon.connect()
        self.random = random.Random(seed)
        self.ids = {}

    def buffer(self, name, shape, dtype=pb.F32, pool=pb.HEAP):
        """The buffer of a name and shape."""
        key = (name, tuple(shape), dtype, pool)
        if key not in self.ids:
            self.ids[key] = len(self.ids) + 1
            self.connection.alloc(self.ids[key], list(shape), dtype, pool)
        return self.ids[key]

    def call(self, op, inputs, output, **attributes):
        """Whether it fails does not matter here."""
        self.connection.execute(op, inputs, [output], **attributes)


def classify(client):
    """A network of three layers on a batch of a common or an odd size."""
    rows = client.random.choice([1, 1, 1, 8, 8, 32, client.random.randint(2, 64)])
    layer = client.buffer("x", (rows, 64))
    for index, (inner, outer) in enumerate([(64, 48), (48, 32), (32, 10)]):
        product = client.buffer(f"h{index}", (rows, outer))
        client.call("gemm", [layer, client.buffer(f"w{index}", (inner, outer))], product)
        client.call("vector_add", [product, client.buffer(f"b{index}", (1, outer))], product)
        client.call("relu" if index < 2 else "softmax", [product], product)
        layer = product


def train(client):
    """One step: forth, loss, back, update; now and then with other sizes."""
    rows = client.random.choice([16, 16, 16, 16, 16, 32])
    width = client.random.choice([24, 24, 24, 40])
    x, w = client.buffer("x", (rows, width)), client.buffer("w", (width, 8))
    y, d = client.buffer("y", (rows, 8)), client.buffer("d", (rows, 8))
    g, loss = client.buffer("g", (width, 8)), client.buffer("loss", (1,))
    client.call("gemm", [x, w], y)
    client.call("sigmoid", [y], d)
    client.call("mse", [d, y], loss)
    client.call("vector_sub", [d, y], d)
    client.call("gemm", [x, d], g, trans_a=1)
    client.call("scalar_mul", [g], g, s=0.01)
    client.call("vector_sub", [w, g], w)
    if client.random.random() < 0.1:
        client.call("sum", [g], loss)
        client.call("reduce_max", [g], loss)


def explore(client):
    """Any operation on any type, the usual ones more often."""
    dtype = client.random.choice(TYPES)
    n = client.random.choice([100, 1000, 5000])
    a, b, c = (client.buffer(name, (n,), dtype) for name in "abc")
    kind = client.random.random()
    if kind < 0.5:
        client.call(client.random.choice(BINARY), [a, b], c)
    elif kind < 0.8:
        client.call(client.random.choice(UNARY), [a], c)
    else:
        client.call(client.random.choice(CURVES), [a], c)


def on_boundary(client):
    """Pairs of boundary buffers, those of low numbers more often."""
    ids = [client.buffer(f"p{index}", (256,), pool=pb.BOUNDARY) for index in range(16)]
    a, b, c = (ids[min(int(client.random.expovariate(0.3)), 15)] for _ in range(3))
    if client.random.random() < 0.6:
        client.call(client.random.choice(BINARY), [a, b], c)
    else:
        client.call(client.random.choice(UNARY + CURVES), [a], c)


def run(daemon, part, seed, over):
    client = Client(daemon, seed)
    while not over.is_set():
        part(client)


def record(path):
    """The keys that were asked for, in order."""
    parts = [classify, classify, train, train, explore, on_boundary]
    over = threading.Event()
    with Daemon(environment={"HOLOGRAM_TRACE": str(path)}) as daemon:
        threads = [threading.Thread(target=run, args=(daemon, part, seed, over))
                   for seed, part in enumerate(parts)]
        for thread in threads:
            thread.start()
        while not path.exists() or path.stat().st_size < LOOKUPS * KEY_BYTES:
            threads[0].join(0.05)
        over.set()
        for thread in threads:
            thread.join()
    data = path.read_bytes()[:LOOKUPS * KEY_BYTES]
    return [data[i:i + KEY_BYTES] for i in range(0, len(data), KEY_BYTES)]


def main():
    with tempfile.TemporaryDirectory() as folder:
        keys = record(pathlib.Path(folder) / "keys")
    numbers = {}
    trace = [numbers.setdefault(key, len(numbers)) for key in keys]
    with open(ROOT / "tests" / "data" / "cache_mixed_trace.txt", "w", encoding="ascii") as file:
        file.write("# Keys that the ProgramCache was asked for by six clients at once, in order;\n"
                   "# each number is one key, numbered as they first came. By make_cache_trace.py.\n")
        for i in range(0, len(trace), 24):
            file.write(" ".join(map(str, trace[i:i + 24])) + "\n")
    print(f"{len(trace)} lookups of {len(numbers)} keys")


if __name__ == "__main__":
    main()
