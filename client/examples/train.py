#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a network on handwritten digits: a step of gradient descent is one request.

Images, labels and weights stay in the daemon; what travels per step are 32 row numbers and the
name of a graph. Run from the repository's root. The same steps are taken with NumPy, and with torch
where it is installed, in turn with the daemon's, so that all have the same machine; what travels is
what the daemon counts, if it serves metrics (`hologramd --http=127.0.0.1:0`).
"""

import re
import time
import urllib.request

import numpy as np

import hologram

STEPS, BATCH, HIDDEN, ROUND = 1000, 32, 64, 50

STEP = """
x = images[rows]; t = targets[rows]
z = x @ w1 + b1
h = relu(z)
p = softmax(h @ w2 + b2)
loss = -sum(t * log(maximum(p, 1e-7))) / t.shape[0]

d2 = (p - t) / t.shape[0]                   # the gradients, written out
d1 = where(z > 0, d2 @ w2.T, 0)
w2 -= rate * (h.T @ d2);  b2 -= rate * sum(d2, axis=0)
w1 -= rate * (x.T @ d1);  b1 -= rate * sum(d1, axis=0)
return w1, b1, w2, b2, loss
"""



def numpy_step(images, targets, rows, w1, b1, w2, b2, rate):
    """The same with NumPy, for its time."""
    x, t = images[rows], targets[rows]
    z = x @ w1 + b1
    h = np.maximum(z, 0)
    e = np.exp((s := h @ w2 + b2) - s.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    loss = -(t * np.log(np.maximum(p, 1e-7))).sum() / len(t)
    d2 = (p - t) / np.float32(len(t))
    d1 = np.where(z > 0, d2 @ w2.T, 0)
    w2 -= rate * (h.T @ d2)
    b2 -= rate * d2.sum(axis=0)
    w1 -= rate * (x.T @ d1)
    b1 -= rate * d1.sum(axis=0)
    return loss


def torch_stepper(images, targets, weights, rate):
    """The same as people write it with torch, for its time; None without torch."""
    try:
        import torch
    except ImportError:
        return None
    images, targets = torch.from_numpy(images), torch.from_numpy(targets)
    w1, b1, w2, b2 = (torch.from_numpy(value.copy()).requires_grad_()
                      for value in weights.values())

    def step(rows):
        x, t = images[rows], targets[rows]
        p = torch.softmax(torch.relu(x @ w1 + b1) @ w2 + b2, 1)
        loss = -(t * torch.log(p.clamp(min=1e-7))).sum() / len(t)
        loss.backward()
        with torch.no_grad():
            for value in (w1, b1, w2, b2):
                value -= rate * value.grad
                value.grad = None
        return loss

    return lambda rows: step(torch.from_numpy(rows.astype(np.int64)))


class Clock:
    """What one kind of step takes: the median of its rounds."""

    def __init__(self):
        self.rounds = []

    def time(self, step, batches):
        began = time.perf_counter()
        for batch in batches:
            step(batch)
        self.rounds.append((time.perf_counter() - began) / len(batches))

    def text(self):
        return f"{np.median(self.rounds) * 1e6:.0f} us"


def bytes_travelled(client):
    """That the daemon has received and sent; None if it serves no metrics."""
    url = client.stats().server.metrics_url
    if not url:
        return None
    with urllib.request.urlopen(url) as answer:
        text = answer.read().decode()
    return sum(int(re.search(rf"^hologram_{name}_bytes_total (\d+)", text, re.M)[1])
               for name in ("received", "sent"))


def report_bytes(client, step, arrays, per_step):
    """Beside the same step when every tensor travels."""
    count = 20
    before = bytes_travelled(client)
    for _ in range(count):
        for result in step(**arrays):
            np.asarray(result)
    whole = (bytes_travelled(client) - before) / count
    print(f"a step moves {per_step:.0f} bytes; {whole:.0f} when its tensors are sent each time")
    assert whole >= 10 * per_step


def main():
    images = (np.load("tests/data/digits_images.npy") / 16).astype(np.float32)
    labels = np.load("tests/data/digits_labels.npy")
    held_out = np.arange(len(images)) % 4 == 3
    targets = np.eye(10, dtype=np.float32)[labels]
    rng = np.random.default_rng(1)
    weights = {"w1": rng.normal(0, (2 / 64) ** 0.5, (64, HIDDEN)), "b1": np.zeros(HIDDEN),
               "w2": rng.normal(0, (2 / HIDDEN) ** 0.5, (HIDDEN, 10)), "b2": np.zeros(10)}
    weights = {name: value.astype(np.float32) for name, value in weights.items()}
    rate = np.float32(0.2)
    batches = [rng.choice(np.flatnonzero(~held_out), BATCH).astype(np.int32)
               for _ in range(STEPS)]
    own = {name: value.copy() for name, value in weights.items()}
    torch_step = torch_stepper(images, targets, weights, rate)
    clocks = {"here": Clock(), "with NumPy": Clock()}
    if torch_step:
        clocks["with torch"] = Clock()

    with hologram.connect() as client:
        kept = {name: client.put(value) for name, value in weights.items()}
        data = {"images": client.put(images), "targets": client.put(targets),
                "rate": client.put(rate)}
        rows, loss = client.put(batches[0]), client.put(np.float32(0))
        graph = client.graph(STEP)

        def step(batch):
            rows.write(batch)
            graph(**data, **kept, rows=rows, out={**kept, "loss": loss})

        step(batches[0])
        print(f"step    0: loss {float(loss.numpy()):.4f}")
        before, travelled = client.stats(), bytes_travelled(client)
        for number in range(0, STEPS, ROUND):
            part = batches[number:number + ROUND]
            clocks["here"].time(step, part)
            clocks["with NumPy"].time(
                lambda batch: numpy_step(images, targets, batch, *own.values(), rate), part)
            if torch_step:
                clocks["with torch"].time(torch_step, part)
            if number % 100 == 0:
                print(f"step {number + ROUND:4}: loss {float(loss.numpy()):.4f}")
        cache = client.stats().caches["graph"]
        hits, misses = (getattr(cache, field) - getattr(before.caches["graph"], field)
                        for field in ("hits", "misses"))
        if travelled is not None:
            per_step = (bytes_travelled(client) - travelled) / STEPS
            report_bytes(client, graph, dict(weights, images=images[batches[0]],
                                             targets=targets[batches[0]], rate=rate,
                                             rows=np.arange(BATCH, dtype=np.int32)), per_step)

        predict = client.graph("argmax(relu(x @ w1 + b1) @ w2 + b2, axis=-1)")
        guess = predict(x=images[held_out], **kept)
        accuracy = float((np.asarray(guess) == labels[held_out]).mean())

    print(f"held-out accuracy: {accuracy:.3f}")
    print(f"program cache: {hits} hits, {misses} misses ({hits / (hits + misses):.2%})")
    print("a step: " + ", ".join(f"{clock.text()} {name}" for name, clock in clocks.items()))
    assert accuracy >= 0.95 and hits >= 0.99 * (hits + misses)


main()
