#!/usr/bin/env python3
"""Exits 1 unless the C example in README.md is examples/quickstart.c, character by character.

    python3 tools/same_example.py README.md examples/quickstart.c
"""
import re
import sys

if len(sys.argv) != 3:
    sys.exit(__doc__.strip())
with open(sys.argv[1], encoding="utf-8") as readme, open(sys.argv[2], encoding="utf-8") as source:
    shown = re.search(r"^```c\n(.*?)^```$", readme.read(), re.S | re.M)
    if not shown or shown.group(1) != source.read():
        sys.exit(f"same_example.py: the C block in {sys.argv[1]} is not {sys.argv[2]}; copy it there")
