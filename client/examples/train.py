#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trains a network on handwritten digits: a step of gradient descent is one request.

Images, labels and weights stay in the daemon; what travels per step are 32 row numbers and the
name of a graph. Run from the repository's root.
"""

import time

import numpy as np

import hologram

STEPS, BATCH, HIDDEN = 1000, 32, 64

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

    with hologram.connect() as client:
        kept = {name: client.put(value) for name, value in weights.items()}
        data = {"images": images, "targets": targets, "rate": rate}
        data = {name: client.put(value, constant=True) for name, value in data.items()}
        rows, loss = client.put(batches[0]), client.put(np.float32(0))
        step = client.graph(STEP)
        before = client.stats()
        began = time.perf_counter()
        for number, batch in enumerate(batches):
            rows.write(batch)
            step(**data, **kept, rows=rows, out={**kept, "loss": loss})
            if number % 100 == 0:
                print(f"step {number:4}: loss {float(loss.numpy()):.4f}")
        ours = (time.perf_counter() - began) / STEPS
        cache = client.stats().caches["graph"]
        hits, misses = (getattr(cache, field) - getattr(before.caches["graph"], field)
                        for field in ("hits", "misses"))

        predict = client.graph("argmax(relu(x @ w1 + b1) @ w2 + b2, axis=-1)")
        guess = predict(x=images[held_out], **kept)
        accuracy = float((np.asarray(guess) == labels[held_out]).mean())

    began = time.perf_counter()
    for batch in batches:
        numpy_step(images, targets, batch, *weights.values(), rate)
    theirs = (time.perf_counter() - began) / STEPS
    print(f"held-out accuracy: {accuracy:.3f}")
    print(f"program cache: {hits} hits, {misses} misses ({hits / (hits + misses):.2%})")
    print(f"a step: {ours * 1e6:.0f} us here, {theirs * 1e6:.0f} us with NumPy")
    assert accuracy >= 0.95


main()
