# SPDX-License-Identifier: Apache-2.0
"""The examples run as they are, and say what is right."""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from python_client import BUILD, ENVIRONMENT, ROOT, hologram

EXAMPLES = ROOT / "client" / "examples"


@pytest.fixture(scope="module")
def environment():
    with hologram.testing.private_daemon() as daemon:
        program = pathlib.Path(hologram.testing.find_program("hologramctl"))
        yield dict(ENVIRONMENT, HOLOGRAM_SOCKET=daemon.socket,
                   PATH=f"{program.parent}:{os.environ['PATH']}")


def run(environment, *command):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("standard", ["c11", "c17"])
def test_vector_add(environment, tmp_path, standard):
    program = tmp_path / "vector_add"
    library = pathlib.Path(os.environ.get("HOLOGRAM_LIBRARY", BUILD / "lib" / "libhologram.so"))
    run(environment, "cc", f"-std={standard}", "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
        f"-I{ROOT / 'client' / 'include'}", EXAMPLES / "vector_add.c", "-o", program,
        f"-L{library.parent}", f"-Wl,-rpath,{library.parent}", "-lhologram")
    assert run(environment, program) == "10 + 20 = 30, 999 + 1998 = 2997\n"


# Without a daemon it says so, and fails.
def test_vector_add_without_a_daemon(environment, tmp_path):
    program = tmp_path / "vector_add"
    library = pathlib.Path(os.environ.get("HOLOGRAM_LIBRARY", BUILD / "lib" / "libhologram.so"))
    run(environment, "cc", f"-I{ROOT / 'client' / 'include'}", EXAMPLES / "vector_add.c", "-o",
        program, f"-L{library.parent}", f"-Wl,-rpath,{library.parent}", "-lhologram")
    done = subprocess.run([program], env=dict(environment, HOLOGRAM_SOCKET=str(tmp_path / "none")),
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert "vector_add: connect: UNAVAILABLE: cannot connect to" in done.stderr


def test_softmax(environment):
    shown = run(environment, sys.executable, "-W", "error", EXAMPLES / "softmax.py")
    assert shown.startswith("[[0.0900305")
    assert "temperature 2: [0.1863 0.3072 0.5065]" in shown


def test_shell(environment):
    shown = run(environment, "sh", EXAMPLES / "shell.sh")
    printed = [float(word) for word in shown.rsplit("[", 1)[1].strip(" ]\n").split(",")]
    weights = np.load(ROOT / "tests" / "data" / "digits_w2.npy")
    assert np.allclose(printed, weights.sum(axis=1), atol=1e-6)
    named = run(environment, "hologramctl", "ls")
    assert "shell/" not in named, "it cleans up after itself"


# A minute is enough to read each.
@pytest.mark.parametrize("name", ["vector_add.c", "softmax.py", "shell.sh"])
def test_examples_are_short(name):
    assert len((EXAMPLES / name).read_text("utf-8").split("\n")) <= 80
