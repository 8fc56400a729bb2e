# SPDX-License-Identifier: Apache-2.0
"""The other end of python_peer.c: keeps statements and times them.

Lines on stdin, fields separated by \\x1f:
  A setup statement   ->  "ok NUMBER" or "no REASON"
  T number times      ->  nanoseconds of all
  C number times      ->  the same of the thread's CPU time
  D number            ->  nothing: the statement is forgotten, and what it kept
"""
import sys
import time

statements = []


def add(setup, statement):
    names = {}
    try:
        exec(setup, names)
        source = ("def run(times, now):\n"
                  "    begin = now()\n"
                  "    for _ in range(times):\n"
                  f"        {statement}\n"
                  "    return now() - begin\n")
        exec(source, names)
        names["run"](1, time.perf_counter_ns)
    except Exception as error:  # whatever a comparator's setup throws is a reason to leave it out
        return "no " + str(error).replace("\n", " ")
    statements.append(names["run"])
    return f"ok {len(statements) - 1}"


for line in sys.stdin:
    fields = line.rstrip("\n").split("\x1f")
    if fields[0] == "A":
        print(add(fields[1].replace("\x1e", "\n"), fields[2]), flush=True)
    elif fields[0] == "D":
        statements[int(fields[1])] = None
    else:
        now = time.thread_time_ns if fields[0] == "C" else time.perf_counter_ns
        print(statements[int(fields[1])](int(fields[2]), now), flush=True)
