#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Softmax of each row of a matrix, in the daemon, beside NumPy's."""

import numpy as np

import hologram

logits = np.array([[1, 2, 3], [1, 1, 1], [-1000, 0, 1000]], np.float32)

with hologram.connect() as client:
    x = client.put(logits)
    cold = hologram.softmax(x, temperature=2.0)
    p = hologram.softmax(x).numpy()
    print(p)

    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    assert np.allclose(p, e / e.sum(axis=1, keepdims=True), atol=1e-6)
    assert np.allclose(cold.sum(axis=-1), 1.0, atol=1e-6)
    print("temperature 2:", np.round(cold.numpy()[0], 4))
    print("softmax cache:", client.stats().caches["softmax"].hits, "hits")
