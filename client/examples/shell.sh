#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Row sums and the positive part of a matrix of weights, from the shell: put, run, get. Needs a
# daemon and hologramctl in the PATH; run it from the top of the checkout.
set -eu

hologramctl put shell/w tests/data/digits_w2.npy              # 64 x 10, kept by the daemon by name
hologramctl run sum shell/w --attr cols=10 -o shell/rows      # an operation; its result has a name
hologramctl run relu shell/w -o shell/relu
hologramctl get shell/rows                                    # print it
hologramctl get shell/relu "${TMPDIR:-/tmp}/relu.$$.npy"      # or take it home as .npy
rm "${TMPDIR:-/tmp}/relu.$$.npy"
hologramctl free shell/w shell/rows shell/relu
