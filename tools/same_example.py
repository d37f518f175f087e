#!/usr/bin/env python3
"""Exits 1 unless the C examples in README.md and include/gdkd.h are examples/quickstart.c, character by character.

    python3 tools/same_example.py examples/quickstart.c README.md include/gdkd.h

In a Markdown file the example is the first block of C; in a header the first comment that includes something, up to the
brace that closes main.
"""
import re
import sys
import textwrap


def shown_in(path, text):
    if path.endswith(".md"):
        block = re.search(r"^```c\n(.*?)^```$", text, re.S | re.M)
        return block and block.group(1)
    block = re.search(r"^//( +)#include.*?^//\1}$\n", text, re.S | re.M)
    return block and textwrap.dedent(re.sub(r"^// ?", "", block.group(), flags=re.M))


def main(source, *documents):
    with open(source, encoding="utf-8") as file:
        wanted = file.read()
    for path in documents:
        with open(path, encoding="utf-8") as file:
            if shown_in(path, file.read()) != wanted:
                sys.exit(f"same_example.py: the example in {path} is not {source}; copy it there")


if len(sys.argv) < 3:
    sys.exit(__doc__.strip())
main(*sys.argv[1:])
