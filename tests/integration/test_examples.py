# SPDX-License-Identifier: Apache-2.0
"""The examples run as they are, and say what is right."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

from python_client import BUILD, ENVIRONMENT, ROOT, hologram

EXAMPLES = ROOT / "client" / "examples"


@pytest.fixture(scope="module")
def environment():
    with hologram.testing.private_daemon({"http.listen": "127.0.0.1:0"}) as daemon:
        program = pathlib.Path(hologram.testing.find_program("hologramctl"))
        yield dict(ENVIRONMENT, HOLOGRAM_SOCKET=daemon.socket,
                   PATH=f"{program.parent}:{os.environ['PATH']}")


def run(environment, *command):
    done = subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def compile_example(environment, name, program, *flags):
    library = pathlib.Path(os.environ.get("HOLOGRAM_LIBRARY", BUILD / "lib" / "libhologram.so"))
    run(environment, "cc", *flags, "-O2", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
        f"-I{ROOT / 'client' / 'include'}", EXAMPLES / f"{name}.c", "-o", program,
        f"-L{library.parent}", f"-Wl,-rpath,{library.parent}", "-lhologram")


@pytest.mark.parametrize("standard", ["c11", "c17"])
@pytest.mark.parametrize("name,output", [("vector_add", "10 + 20 = 30, 999 + 1998 = 2997\n"),
                                         ("prepared", "1000 ... 1000\n")])
def test_c(environment, tmp_path, standard, name, output):
    compile_example(environment, name, tmp_path / name, f"-std={standard}")
    assert run(environment, tmp_path / name) == output


# Without a daemon it says so, and fails.
@pytest.mark.parametrize("name,text", [
    ("vector_add", "vector_add: connect: UNAVAILABLE: cannot connect to"),
    ("prepared", "prepared: cannot connect to")])
def test_c_without_a_daemon(environment, tmp_path, name, text):
    compile_example(environment, name, tmp_path / name)
    done = subprocess.run([tmp_path / name], capture_output=True, text=True,
                          env=dict(environment, HOLOGRAM_SOCKET=str(tmp_path / "none")))
    assert done.returncode == 1
    assert text in done.stderr


def test_softmax(environment):
    shown = run(environment, sys.executable, "-W", "error", EXAMPLES / "softmax.py")
    assert shown.startswith("[[0.0900305")
    assert "temperature 2: [0.1863 0.3072 0.5065]" in shown


# The commands are those of its own text, and grpcio sees no package of ours.
def test_grpc_softmax(environment, tmp_path):
    if shutil.which("grpc_python_plugin") is None:
        pytest.skip("protobuf-compiler-grpc is not installed")
    text = (EXAMPLES / "grpc_softmax.py").read_text("utf-8")
    commands = re.search(r"checkout:\n\n(.*?)\n\n", text, re.S)[1]
    assert "build/stubs" in commands and " python3 " in commands
    commands = commands.replace("build/stubs", str(tmp_path / "stubs"))
    commands = commands.replace(" python3 ", f" {sys.executable} ")
    shown = run(environment, "sh", "-ec", commands)
    assert shown.startswith("[0.090031, 0.244728, 0.665241] cache: ")
    assert "INVALID_ARGUMENT softmax takes 1 inputs" in shown


def test_shell(environment):
    shown = run(environment, "sh", EXAMPLES / "shell.sh")
    printed = [float(word) for word in shown.rsplit("[", 1)[1].strip(" ]\n").split(",")]
    weights = np.load(ROOT / "tests" / "data" / "digits_w2.npy")
    assert np.allclose(printed, weights.sum(axis=1), atol=1e-6)
    named = run(environment, "hologramctl", "ls")
    assert "shell/" not in named, "it cleans up after itself"


# A minute is enough to read each.
@pytest.mark.parametrize("name", ["vector_add.c", "prepared.c", "softmax.py", "grpc_softmax.py",
                                  "shell.sh"])
def test_examples_are_short(name):
    assert len((EXAMPLES / name).read_text("utf-8").split("\n")) <= 80


# A network trained from random weights reads 95 of 100 digits that it has not seen; its steps find
# their programs, and move a tenth of what tensors would.
def test_training(environment):
    output = run(environment, sys.executable, EXAMPLES / "train.py")
    losses = [float(line.split()[-1]) for line in output.splitlines() if line.startswith("step")]
    accuracy = float(re.search(r"held-out accuracy: ([0-9.]+)", output)[1])
    hits, misses = map(int, re.search(r"(\d+) hits, (\d+) misses", output).groups())
    assert losses[0] > 2 and losses[-1] < 0.5
    assert accuracy >= 0.95
    assert hits > 99 * misses
    moved, whole = map(int, re.search(r"moves (\d+) bytes; (\d+) when", output).groups())
    assert 0 < 10 * moved <= whole
