#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Regenerates the files in this directory: the digits and the small network's weights.

Needs Debian's python3-sklearn (which carries the data set) and python3-numpy:

    /usr/bin/python3 tests/data/make_digits.py

The network is relu(x @ w1 + b1) @ w2 + b2 with x in [0, 1]; trained by mini-batch gradient descent
with momentum on three quarters of the images. Every fourth image (index % 4 == 3) is held out and
never seen here, except to print the accuracy at the end.
"""

import gzip
import pathlib

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
HIDDEN = 64
EPOCHS = 60
BATCH = 32
SEED = 20220506


def load_source():
    import sklearn

    path = pathlib.Path(sklearn.__file__).parent / "datasets" / "data" / "digits.csv.gz"
    with gzip.open(path, "rt") as stream:
        table = np.loadtxt(stream, delimiter=",", dtype=np.uint8)
    return table[:, :64], table[:, 64]


def forward(x, w1, b1, w2, b2):
    hidden = np.maximum(x @ w1 + b1, 0)
    return hidden, hidden @ w2 + b2


def train(x, labels):
    rng = np.random.default_rng(SEED)
    parameters = [
        rng.normal(0, np.sqrt(2 / 64), (64, HIDDEN)),
        np.zeros(HIDDEN),
        rng.normal(0, np.sqrt(2 / HIDDEN), (HIDDEN, 10)),
        np.zeros(10),
    ]
    velocity = [np.zeros_like(p) for p in parameters]
    targets = np.eye(10)[labels]
    for epoch in range(EPOCHS):
        rate = 0.1 if epoch < EPOCHS * 2 // 3 else 0.02
        order = rng.permutation(len(x))
        for start in range(0, len(x), BATCH):
            rows = order[start : start + BATCH]
            hidden, logits = forward(x[rows], *parameters)
            logits -= logits.max(axis=1, keepdims=True)
            probabilities = np.exp(logits)
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            slope = (probabilities - targets[rows]) / len(rows)
            slope_hidden = (slope @ parameters[2].T) * (hidden > 0)
            gradients = [
                x[rows].T @ slope_hidden + 1e-4 * parameters[0],
                slope_hidden.sum(axis=0),
                hidden.T @ slope + 1e-4 * parameters[2],
                slope.sum(axis=0),
            ]
            for p, v, g in zip(parameters, velocity, gradients):
                v *= 0.9
                v -= rate * g
                p += v
    return [p.astype(np.float32) for p in parameters]


def main():
    images, labels = load_source()
    held_out = np.arange(len(images)) % 4 == 3
    x = images.astype(np.float64) / 16
    parameters = train(x[~held_out], labels[~held_out])
    for name, rows in (("train", ~held_out), ("test", held_out)):
        _, logits = forward(x[rows], *parameters)
        print(f"{name} accuracy: {np.mean(logits.argmax(axis=1) == labels[rows]):.3f}")
    np.save(HERE / "digits_images.npy", images)
    np.save(HERE / "digits_labels.npy", labels)
    for name, p in zip(("w1", "b1", "w2", "b2"), parameters):
        np.save(HERE / f"digits_{name}.npy", p)


if __name__ == "__main__":
    main()
