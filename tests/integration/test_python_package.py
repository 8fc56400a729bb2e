# SPDX-License-Identifier: Apache-2.0
"""The Python client: installing it, testing with it, and what its documentation shows."""

import importlib.util
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys

import pytest

from python_client import BUILD, ENVIRONMENT, PACKAGE, ROOT, daemon, hologram


def test_a_daemon_that_does_not_start():
    with pytest.raises(RuntimeError, match="no.such.option"):
        with hologram.testing.private_daemon({"no.such_option": "1"}):
            pass


def test_installs_from_the_checkout_without_a_network(tmp_path, daemon):
    for needed in ("pip", "setuptools", "wheel"):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"python3-{needed} is not installed")
    source, target = tmp_path / "source", tmp_path / "target"
    shutil.copytree(PACKAGE, source)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-build-isolation",
                    "--no-deps", "--no-index", "--disable-pip-version-check", "--target",
                    str(target), str(source)], check=True, stdin=subprocess.DEVNULL)
    assert (target / "hologram" / "py.typed").exists()
    library = os.environ.get("HOLOGRAM_LIBRARY", str(BUILD / "lib" / "libhologram.so"))
    shown = subprocess.run(
        [sys.executable, "-c", "import hologram; c = hologram.connect(); "
         "print(hologram.__file__, (c.put([1.5, 2]) * 2).tolist())"], check=True, text=True,
        capture_output=True, cwd=tmp_path, env=dict(
            ENVIRONMENT, PYTHONPATH=str(target), HOLOGRAM_SOCKET=daemon.socket,
            HOLOGRAM_LIBRARY=library)).stdout
    assert str(target) in shown and "[3.0, 4.0]" in shown


def annotated(function):
    parameters = list(inspect.signature(function).parameters.values())
    own = [p for p in parameters if p.name not in ("self", "cls")]
    return ("return" in function.__annotations__
            and all(p.annotation is not inspect.Parameter.empty for p in own))


# It says that it is typed (py.typed), so nothing that users may call is without types.
def test_everything_is_typed():
    untyped, functions = [], 0
    for info in pkgutil.iter_modules([str(PACKAGE / "hologram")]):
        module = importlib.import_module(f"hologram.{info.name}")
        found = [(name, value) for name, value in vars(module).items()
                 if getattr(value, "__module__", None) == module.__name__]
        for name, value in list(found):
            if inspect.isclass(value):
                found += [(f"{name}.{key}", getattr(member, "__func__", member))
                          for key, member in vars(value).items()]
        for name, value in found:
            value = value.fget if isinstance(value, property) else value
            # Generated methods, of data classes and the like, have no source of their own.
            if inspect.isfunction(value) and value.__code__.co_filename == module.__file__:
                functions += 1
                if not annotated(inspect.unwrap(value)):
                    untyped.append(f"{module.__name__}.{name}")
    assert functions > 200 and not untyped


README = (PACKAGE / "README.md").read_text("utf-8")


# Every Python block of the README runs as it is written.
@pytest.mark.parametrize("number", range(README.count("```python")))
def test_the_readmes_examples_run(daemon, number):
    code = re.findall(r"```python\n(.*?)```", README, re.S)[number]
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], text=True,
                          capture_output=True,
                          env=dict(ENVIRONMENT, HOLOGRAM_SOCKET=daemon.socket))
    assert done.returncode == 0, done.stderr
    expected = ("<hologram.Buffer f32 (32, 10)>", "<hologram.Buffer f32 (32, 10)>", "[[",
                "1\n")[number]
    assert expected in done.stdout
    if number == 0:
        assert "INVALID_ARGUMENT DIVISION_BY_ZERO" in done.stdout


# The top README's line, as it is written there.
def test_one_line(daemon):
    readme = (ROOT / "README.md").read_text("utf-8")
    line, = re.findall(r"^PYTHONPATH=client/python .*$", readme, re.M)
    shown = subprocess.run(["sh", "-c", line], cwd=ROOT, check=True, capture_output=True, text=True,
                           env=dict(ENVIRONMENT, HOLOGRAM_SOCKET=daemon.socket)).stdout
    assert shown == "[0.09003057 0.24472847 0.66524096]\n"
