#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the test programs and the pytest suites, a few at a time, and sums them up.

A test program is a cmocka binary: its own lines are shown when it fails (or with -v), and its count
of cases is added up; one that is not counts as one case. The last line reads "N passed, N failed, N
skipped"; the exit status is 0 only if something ran and nothing failed.
"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
PYTEST_SUITES = ("tests/integration", "tests/tidy")
# Tests of a running daemon wait more than they compute: a suite's files are dealt to so many pytests
# at once, beside --jobs programs. The longest files first, so that they come into different hands.
HANDS = 3
LONGEST = ("test_grpc_hostile.py", "test_warm.py", "test_grpc_wire.py")
TIMEOUT_S = 1200


def count_cmocka(output):
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test\(s\)\.", output))
    skipped = sum(int(n) for n in re.findall(r"\[  SKIPPED \] (\d+) test\(s\)", output))
    failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) test\(s\)", output))
    return passed, failed, skipped


def count_pytest(output):
    def last(word):
        found = re.findall(rf"(\d+) {word}", output.rsplit("\n", 3)[-3] + output[-400:])
        return int(found[-1]) if found else 0

    return last("passed"), last("failed") + last("error"), last("skipped")


def run(name, command, environment, count):
    start = time.monotonic()
    try:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S)
        output, status = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as expired:
        output, status = (expired.stdout or b"").decode("utf-8", "replace") + "\ntimed out\n", 124
    passed, failed, skipped = count(output)
    if status != 0 and failed == 0:
        failed = 1
    if status == 0 and "test(s) run" not in output and count is count_cmocka:
        passed = 1  # a program without cmocka: its exit status is the test
    if status == 0 and passed + skipped == 0:
        output, failed = output + "\nno test ran\n", 1
    return name, passed, failed, skipped, time.monotonic() - start, output


def pytests(suite):
    """The suite's share of the work: a few pytests, each with every HANDS-th file."""
    names = sorted(path.name for path in (ROOT / suite).glob("test_*.py"))
    names.sort(key=lambda name: name not in LONGEST)
    files = [f"{suite}/{name}" for name in names]
    hands = [files[first::HANDS] for first in range(HANDS)]
    return [(f"{suite} {number}/{HANDS}" if len(files) > 1 else suite,
             [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *hand], count_pytest)
            for number, hand in enumerate(hands, 1) if hand]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", default="release")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()

    environment = dict(os.environ, HOLOGRAM_BUILD=str(ROOT / "build" / options.variant),
                       HOLOGRAM_VARIANT=options.variant, PYTHONDONTWRITEBYTECODE="1")
    environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0")
    # libgrpc and abseil are not built for TSan, so it cannot see how they synchronise: what they do
    # by way of memcpy or epoll is not looked at, all that our own code does is.
    environment.setdefault("TSAN_OPTIONS", "halt_on_error=1:second_deadlock_stack=1:"
                                           "ignore_noninstrumented_modules=1")
    environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1")

    work = [part for suite in PYTEST_SUITES for part in pytests(suite)]
    work += [(p, [str(ROOT / p)], count_cmocka) for p in options.programs]

    totals = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs) + HANDS - 1) as pool:
        futures = [pool.submit(run, name, command, environment, count)
                   for name, command, count in work]
        for future in concurrent.futures.as_completed(futures):
            name, passed, failed, skipped, seconds, output = future.result()
            totals = [totals[0] + passed, totals[1] + failed, totals[2] + skipped]
            word = "FAIL" if failed else "ok"
            print(f"{word:4} {name}: {passed} passed, {failed} failed, {skipped} skipped "
                  f"({seconds:.1f} s)", flush=True)
            if failed or options.verbose:
                print(output, flush=True)
    print(f"{totals[0]} passed, {totals[1]} failed, {totals[2]} skipped")
    return 1 if totals[1] or not totals[0] else 0


if __name__ == "__main__":
    sys.exit(main())
