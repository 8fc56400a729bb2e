#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes engine.h with everything it includes as one header: amalgamate.py OUTPUT, from the
repository's root. Headers are taken once, tables (.def) wherever they are included."""
import re
import sys

INCLUDE = re.compile(r'#include "(lib/[^"]+)"')
ROOT = "lib/engine/engine.h"


def expand(path, seen):
    """The lines of PATH with its own includes in place."""
    if path.endswith(".h"):
        if path in seen:
            return
        seen.add(path)
    with open(path, encoding="utf-8") as file:
        for line in file:
            match = INCLUDE.match(line)
            if match:
                yield from expand(match.group(1), seen)
            elif "SPDX-License-Identifier" not in line:
                yield line


def main():
    with open(sys.argv[1], "w", encoding="utf-8") as output:
        output.write("/* SPDX-License-Identifier: Apache-2.0 */\n")
        output.write(
            "/*\n * libhologram-engine: compute in process. Generated: engine.h and, before it, the"
            "\n * headers whose types it uses, of which no function is exported.\n */\n"
        )
        output.writelines(expand(ROOT, set()))


main()
