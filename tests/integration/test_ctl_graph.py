# SPDX-License-Identifier: Apache-2.0
"""hologramctl eval, explain and graph, against a real daemon."""

import re
import shutil
import subprocess

import numpy as np
import pytest
from ctl_client import FILE, NOT_FOUND, REFUSED, USAGE, ctl, served  # noqa: F401

RANDOM = np.random.default_rng(3)


def save(ctl, name, *shape):
    array = RANDOM.standard_normal(shape).astype("<f4")
    np.save(ctl.folder / name, array)
    return array


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def test_eval_of_files_and_named_buffers(ctl):
    """Inputs from both, a result into a file, into a named buffer, or printed."""
    x, w = save(ctl, "x.npy", 4, 5), save(ctl, "w.npy", 5, 3)
    ctl.put("weights", w)
    ctl("eval", "y = softmax(x @ w)", "x=x.npy", "w=@weights", "-o", "y.npy")
    np.testing.assert_allclose(np.load(ctl.folder / "y.npy"), softmax(x @ w), rtol=1e-5)
    out = ctl("eval", "y = x @ w; z = sum(y); return y, z", "x=x.npy", "w=w.npy", "-o", "y=@kept",
              "--mode", "640")[0]
    assert "kept: f32 [4, 3]" in out and "z: f32 []" in out
    np.testing.assert_allclose(ctl.get("kept"), x @ w, rtol=1e-5)
    assert ctl("eval", "1 + 2")[0] == "result: i64 []\n3\n"


def test_eval_says_what_is_wrong(ctl):
    """Errors of the text, of names and of files, each with its exit code."""
    save(ctl, "x.npy", 2, 3)
    assert "line 1, column 8" in ctl("eval", "y = x +", "x=x.npy", code=REFUSED)[1]
    assert "input w is not bound" in ctl("eval", "y = x @ w", "x=x.npy", code=REFUSED)[1]
    assert "INPUT=VALUE" in ctl("eval", "y = x", "x.npy", code=USAGE)[1]
    ctl("eval", "y = x", "x=none.npy", code=FILE)
    ctl("eval", "y = x", "x=@none", code=NOT_FOUND)
    ctl("eval", "@none", "x=x.npy", code=NOT_FOUND)
    assert "no result 'q'" in ctl("eval", "y = x + 1", "x=x.npy", "-o", "q=q.npy", code=USAGE)[1]
    both = ("a = x + 1; b = x + 2", "x=x.npy")
    assert "of 2 results" in ctl("eval", *both, "-o", "q.npy", code=USAGE)[1]


def test_explain(ctl):
    """Text and picture, for types and shapes, files and named buffers."""
    save(ctl, "x.npy", 16, 8)
    ctl.put("w", save(ctl, "w.npy", 8, 4))
    text = ctl("explain", "h = x @ w + b\ny = relu(h)", "x=x.npy", "w=@w", "b=f32[4]")[0]
    assert "matmul" in text
    dot = ctl("explain", "y = exp(x) + 1", "x=f32[2, 3]", "--dot")[0]
    assert dot.startswith("digraph")
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=dot.encode(), check=True, capture_output=True)
    assert "input w" in ctl("explain", "y = x @ w", "x=x.npy", code=REFUSED)[1]
    ctl("explain", "y = x", "x=f32[2", code=FILE)


def test_named_graphs(ctl):
    """Saved, listed, described, run and removed."""
    x = save(ctl, "x.npy", 3)
    ctl("graph", "save", "models/twice", "y = x * 2", "--mode", "640")
    assert "taken" in ctl("graph", "save", "models/twice", "y = x", code=REFUSED)[1]
    [graph] = ctl.json("graph", "ls")
    assert (graph["name"], graph["mode"], graph["inputs"]) == ("models/twice", 0o640, 1)
    assert re.search(r"models/twice +\d+ +1 +1 +640", ctl("graph", "ls")[0])
    described = ctl("graph", "load", "models/twice")[0]
    assert "takes   x\ngives   y\n" in described and graph["digest"] in described
    ctl("eval", "@models/twice", "x=x.npy", "-o", "y.npy")
    assert np.array_equal(np.load(ctl.folder / "y.npy"), 2 * x)
    ctl("graph", "rm", "models/twice")
    ctl("graph", "rm", "models/twice", code=NOT_FOUND)
    ctl("graph", "load", "models/twice", code=NOT_FOUND)
    ctl("graph", "save", "x", code=USAGE)
    ctl("graph", "turn", code=USAGE)


@pytest.mark.parametrize("command", ["save", "load", "ls", "rm"])
def test_every_command_has_help(ctl, command):
    assert ctl("graph", command, "--help")[0].startswith(f"Usage: hologramctl graph {command}")
