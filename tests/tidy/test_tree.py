# SPDX-License-Identifier: Apache-2.0
"""The tree keeps its own rules: who may include whom, what stands where, what is exported."""

import fnmatch
import os
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("HOLOGRAM_BUILD", ROOT / "build" / "release"))

# Which layer may include which (every layer may include itself and lib/base).
ALLOWED = {
    "lib/base": set(),
    "lib/isa": set(),
    "lib/pool": set(),
    "lib/sched": set(),
    "lib/program": {"lib/isa"},
    "lib/ops": {"lib/program", "lib/isa"},
    "lib/native": {"lib/program", "lib/isa"},
    "lib/cache": {"lib/program", "lib/isa"},
    "lib/exec": {"lib/native", "lib/program", "lib/isa", "lib/pool", "lib/sched"},
    "lib/graph": {"lib/ops", "lib/program", "lib/isa"},
    "lib/engine": {"lib/cache", "lib/exec", "lib/graph", "lib/native", "lib/ops", "lib/program",
                   "lib/isa", "lib/pool", "lib/sched"},
    "daemon": {"lib/engine", "lib/graph", "lib/ops", "lib/isa", "lib/exec", "lib/cache", "lib/pool",
               "lib/program", "lib/sched", "proto"},
    "client": {"proto"},
}
# The one exception: hologramctl assembles and disassembles with the instruction set's own code.
EXCEPTIONS = {"client/cli/program.c": {"lib/isa", "lib/base"}}

# System headers that only these places may include.
RESTRICTED = {
    r"uv\.h": r"daemon/(loop|listener|transport/|http/)",
    r"grpc/.*": r"daemon/transport/grpc",
    r".*\.pb-c\.h": r"(daemon|client)/.*codec",
    r"jemalloc/.*": r"lib/(base/alloc|pool/)",
    r".*intrin\.h|cpuid\.h": r"lib/(exec/kernel|base/cpu|cache/hash)|tests/",
}
INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]', re.MULTILINE)


def tracked(*patterns):
    if not (ROOT / ".git").exists():  # a tarball holds what is tracked, and what was built
        names = (path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*") if path.is_file())
        return [name for name in names if not name.startswith("build/")
                and any(fnmatch.fnmatch(name, pattern) for pattern in patterns or ("*",))]
    listed = subprocess.run(["git", "ls-files", "--", *patterns], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.split("\n")
    return [name for name in listed if name and (ROOT / name).is_file()]


SOURCES = tracked("*.c", "*.h", "*.def")


def layer_of(path):
    return next((layer for layer in ALLOWED if path.startswith(layer + "/")), None)


def includes(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return [(kind, path) for kind, path in INCLUDE.findall(text)]


def test_layers_include_only_what_they_may():
    wrong = []
    for name in SOURCES:
        layer = layer_of(name)
        if layer is None:
            continue
        for kind, path in includes(name):
            target = layer_of(path) if kind == '"' else None
            if target in (None, layer):
                continue
            if target == "lib/base" and layer != "client":
                continue
            if target in ALLOWED[layer] or target in EXCEPTIONS.get(name, set()):
                continue
            wrong.append(f"{name} includes {path}")
    assert not wrong, "\n".join(wrong)


def test_restricted_headers_stay_in_their_places():
    wrong = []
    for name in SOURCES:
        for _, path in includes(name):
            for header, place in RESTRICTED.items():
                if re.fullmatch(header, path) and not re.match(place, name):
                    if not name.startswith("tests/"):
                        wrong.append(f"{name} includes {path}")
    assert not wrong, "\n".join(wrong)


def test_tests_are_not_included_from_the_product():
    wrong = [f"{name} includes {path}" for name in SOURCES if not name.startswith("tests/")
             for _, path in includes(name) if path.startswith("tests/")]
    assert not wrong, "\n".join(wrong)


def test_every_source_has_its_licence_line():
    missing = [name for name in tracked("*.c", "*.h", "*.def", "*.py", "*.mk", "*.sh", "Makefile")
               if "SPDX-License-Identifier: Apache-2.0"
               not in (ROOT / name).read_text(encoding="utf-8")[:400]]
    assert not missing, "\n".join(missing)


def test_comments_are_block_comments():
    wrong = []
    for name in tracked("*.c", "*.h"):
        for number, line in enumerate((ROOT / name).read_text(encoding="utf-8").split("\n"), 1):
            if re.match(r"\s*//", line):
                wrong.append(f"{name}:{number}")
    assert not wrong, "\n".join(wrong)


# What our code calls instead: memory through lib/base/alloc.h, bounded string functions.
BANNED = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|strcpy|strcat|sprintf|gets|alloca|atoi)\s*\(")
BANNED_ALLOWED = re.compile(r"lib/base/alloc|client/|tests/")


def strip_comments(text):
    return re.sub(r'/\*.*?\*/|"(?:\\.|[^"\\])*"', "", text, flags=re.DOTALL)


def test_banned_calls_are_not_used():
    wrong = []
    for name in tracked("lib/*.c", "lib/*.h", "daemon/*.c", "daemon/*.h"):
        if BANNED_ALLOWED.match(name):
            continue
        for call in BANNED.findall(strip_comments((ROOT / name).read_text(encoding="utf-8"))):
            wrong.append(f"{name} calls {call}()")
    assert not wrong, "\n".join(wrong)


def test_nothing_unfinished_is_left():
    words = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    wrong = [name for name in tracked("*.c", "*.h", "*.def", "*.mk", "*.md", "*.proto")
             if words.search((ROOT / name).read_text(encoding="utf-8"))]
    assert not wrong, "\n".join(wrong)


def test_every_directory_with_code_explains_itself():
    folders = {str(pathlib.Path(name).parent) for name in tracked("*.c", "*.h", "*.py")}

    def documented(folder):
        while folder != ".":
            if (ROOT / folder / "README.md").is_file():
                return True
            folder = str(pathlib.Path(folder).parent)
        return False

    wrong = sorted(folder for folder in folders if not documented(folder))
    assert not wrong, "\n".join(wrong)


def test_the_schema_is_not_recursive_and_has_no_optional():
    """Decoding recurses as deep as the schema does: a message that held itself would let a peer
    choose the depth."""
    text = (ROOT / "proto/hologram/v1/hologram.proto").read_text(encoding="utf-8")
    text = re.sub(r"//.*", "", text)
    assert not re.search(r"\boptional\b", text)
    fields = {}
    for name, body in re.findall(r"\bmessage\s+(\w+)\s*\{((?:[^{}]|\{[^{}]*\})*)\}", text):
        fields[name] = set(re.findall(r"(?:repeated\s+)?(\w+)\s+\w+\s*=\s*\d+", body))
    assert "Request" in fields and "Step" in fields["Batch"]

    def reachable(name, path):
        assert name not in path, " -> ".join([*path, name])
        for kind in fields.get(name, ()):
            if kind in fields:
                reachable(kind, [*path, name])

    for name in fields:
        reachable(name, [])


def test_every_header_compiles_alone():
    # A *_body.h is the body of several objects, each of which defines its types first.
    headers = [name for name in tracked("lib/*.h", "daemon/*.h", "client/*.h")
               if not name.endswith("_body.h")]
    wrong = []
    for name in headers:
        done = subprocess.run(["gcc", "-fsyntax-only", "-std=gnu17", "-D_GNU_SOURCE", "-I.",
                               f"-I{BUILD}/gen", "-Iclient/include", "-x", "c", "-Wall", "-Werror",
                               "-Wno-unused-function", "-"], cwd=ROOT, text=True,
                              input=f'#include "{name}"\n', capture_output=True)
        if done.returncode:
            wrong.append(f"{name}:\n{done.stderr}")
    assert not wrong, "\n".join(wrong)


def exported(library):
    listed = subprocess.run(["nm", "-D", "--defined-only", str(library)], check=True,
                            capture_output=True, text=True).stdout
    return [line.split()[2].split("@")[0] for line in listed.strip().split("\n") if line]


@pytest.mark.parametrize("library,prefix", [("libhologram.so", "hologram_"),
                                            ("libhologram-engine.so", "hg_")])
def test_libraries_export_only_their_own_names(library, prefix):
    path = BUILD / "lib" / library
    if library == "libhologram-engine.so" and BUILD.name != "release":
        pytest.skip("built in release only: see lib/engine/module.mk")
    assert path.exists(), f"{path} was not built"
    foreign = [name for name in exported(path)
               if not name.startswith(prefix) and not name.startswith("HOLOGRAM")]
    assert not foreign, "\n".join(foreign)


def test_the_public_header_is_c_and_cpp(tmp_path):
    header = "hologram/hologram.h"
    for compiler, standard in (("gcc", "c11"), ("gcc", "c17"), ("g++", "c++11"), ("g++", "c++17")):
        if shutil.which(compiler) is None:
            pytest.fail(f"{compiler} is missing: run `make deps`")
        suffix = "c" if compiler == "gcc" else "c++"
        done = subprocess.run([compiler, f"-std={standard}", "-x", suffix, "-fsyntax-only", "-Wall",
                               "-Wextra", "-Wpedantic", "-Werror", "-Iclient/include", "-"],
                              cwd=ROOT, text=True, capture_output=True,
                              input=f"#include <{header}>\nint main(void) {{ return 0; }}\n")
        assert done.returncode == 0, done.stderr
