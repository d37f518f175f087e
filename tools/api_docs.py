#!/usr/bin/env python3
"""Makes docs/api.md from include/gdkd.h, so that the two never drift.

    python3 tools/api_docs.py include/gdkd.h            prints the page
    python3 tools/api_docs.py --check include/gdkd.h docs/api.md

--check prints nothing and exits 0 when the page is up to date; otherwise it says so and exits 1.
"""

import re
import sys
import textwrap

SECTION = re.compile(r"// --- (.+?)(?: -+)?$")
TYPE_START = re.compile(r"(?:typedef struct (\w+) \{|enum \{)")


def comment_text(line):
    """What stands behind // with its indentation, or None for a line of code."""
    found = re.match(r"\s*//(?: (.*)|)$", line)
    return None if not found else (found.group(1) or "")


def read_blocks(lines):
    """The header as ("section", name), ("text", lines), ("code", lines), in order."""
    blocks = []
    i = 0
    while i < len(lines):
        section = SECTION.match(lines[i])
        if section:
            blocks.append(("section", section.group(1)))
            i += 1
            if i < len(lines) and re.match(r"// -+$", lines[i]):
                i += 1
        elif not lines[i].strip():
            blocks.append(("gap", []))
            i += 1
        else:
            kind = "text" if comment_text(lines[i]) is not None else "code"
            start = i
            while i < len(lines) and lines[i].strip() and not SECTION.match(lines[i]):
                is_text = comment_text(lines[i]) is not None and lines[i].startswith("//")
                if is_text != (kind == "text"):
                    break
                i += 1
                if kind == "code" and TYPE_START.match(lines[i - 1]) and "}" not in lines[i - 1]:
                    while not lines[i - 1].startswith("}"):
                        i += 1
            blocks.append((kind, lines[start:i]))
    return blocks


def paragraphs(lines):
    """Comment lines as Markdown: indented ones are kept as they are, the others flow."""
    out, flow, kept, item = [], [], [], False
    lines = [comment_text(line) for line in lines]

    def flush():
        nonlocal flow, kept, item
        if flow:
            out.append(" ".join(flow))
        if kept:
            language = "c" if kept[0].strip().startswith("#include") else "text"
            out.append(f"```{language}\n" + textwrap.dedent("\n".join(kept)) + "\n```")
        flow, kept, item = [], [], False

    for place, line in enumerate(lines):
        in_code = kept and kept[0].strip().startswith("#include")
        if in_code and not line.strip() and lines[place + 1:place + 2] and lines[place + 1].startswith("  "):
            kept.append("")
        elif not line.strip():
            flush()
        elif line.startswith("- "):
            flush()
            flow, item = [line], True
        elif line.startswith("  ") and not item:
            if flow:
                flush()
            kept.append(line)
        else:
            if kept:
                flush()
            flow.append(line.strip())
    flush()
    text = "\n\n".join(out)
    return re.sub(r"\n\n- ", "\n- ", text)


def parameters(text):
    """The names in a list of parameters."""
    return [re.split(r"[ *]+", parameter.strip())[-1] for parameter in text.split(",")]


def as_called(code):
    """A function that takes a struct_size as the macro beside it shows it to C: without."""
    text = "\n".join(code).replace("\\\n", "\n")
    declared = re.search(r"GDKD_API gdkd_status (gdkd_\w+)_sized\((\w+) (\*\w+), size_t struct_size(.*?)\);", text, re.S)
    if not declared:
        return code
    name, structure, first, rest = declared.groups()
    names = parameters(first + rest)
    want = (f"#define {name}({', '.join(names)}) {name}_sized(({names[0]}), sizeof({structure})"
            + "".join(f", ({parameter})" for parameter in names[1:]) + ")")
    if want not in re.sub(r"\s+", " ", text):
        sys.exit(f"api_docs.py: beside {name}_sized the header must have {want}")
    line = f"GDKD_API gdkd_status {name}("
    words = ", ".join([f"{structure} {first}"] + re.sub(r"\s+", " ", rest).split(", ")[1:]) + ");"
    words = re.sub(r"(?<!,) ", "\0", words)  # a parameter stays on one line
    lines = textwrap.wrap(line + words, 100 + len("GDKD_API "), subsequent_indent=" " * len(line))
    return [text.replace("\0", " ") for text in lines]


def is_public(code):
    """Neither the guard, nor includes, nor the C++ bracket."""
    first = code[0]
    return not (first.startswith(("#ifndef", "#endif", "#include", "#ifdef", "#if ", "#    ", "#else", "}"))
                or first.startswith('extern "C"') or first.startswith("#define GDKD_H")
                or first.startswith("#define GDKD_API"))


def title_of(code):
    """The functions, the type, or the constants that a piece of code declares."""
    joined = " ".join(re.sub(r"//.*", "", line) for line in code)
    if code[0].startswith("GDKD_API"):
        return ", ".join(dict.fromkeys(re.findall(r"\b(gdkd_\w+)\(", joined)))
    named = re.match(r"typedef (?:struct|\w+) (\w+)", code[0])
    if named:
        return named.group(1)
    lists = re.findall(r"enum \{(.*?)\}", joined) or [joined]
    return ", ".join(title_of_names(re.findall(r"\b(GDKD_[A-Z0-9_]+)\b", names)) for names in lists)


def title_of_names(names):
    prefix = names[0]
    for name in names[1:]:
        while not name.startswith(prefix):
            prefix = prefix[:-1]
    prefix = prefix[:prefix.rfind("_") + 1]
    if len(names) == 1:
        return names[0]
    return prefix + "\\*" if prefix != "GDKD_" else names[0] + " ..."


def declaration(code):
    """Without GDKD_API, and continuation lines as far to the left as that was long."""
    cut = len("GDKD_API ")
    return "\n".join(line[cut:] if line.startswith(("GDKD_API ", " " * 20)) else line for line in code) \
        if code[0].startswith("GDKD_API") else "\n".join(code)


def page(text):
    out = ["# The interface, include/gdkd.h",
           "<!-- Made by tools/api_docs.py from include/gdkd.h: change the header, then run `make docs/api.md`. -->"]
    blocks = read_blocks(text.split("\n"))
    comment = []
    for kind, content in blocks:
        if kind == "section":
            out.append("## " + content)
            comment = []
        elif kind == "text":
            if comment:
                out.append(paragraphs(comment))
            comment = content
        elif kind == "gap":
            if comment:
                out.append(paragraphs(comment))
                comment = []
        elif is_public(content):
            content = as_called(content)
            out.append("### " + title_of(content))
            if comment:
                out.append(paragraphs(comment))
                comment = []
            out.append("```c\n" + declaration(content) + "\n```")
        else:
            if comment:
                out.append(paragraphs(comment))
            comment = []
    return "\n\n".join(out) + "\n"


def main(arguments):
    check = "--check" in arguments
    files = [a for a in arguments if a != "--check"]
    if len(files) != 1 + check:
        sys.exit(__doc__.strip())
    with open(files[0], encoding="utf-8") as header:
        made = page(header.read())
    if not check:
        sys.stdout.write(made)
        return 0
    try:
        with open(files[1], encoding="utf-8") as document:
            same = document.read() == made
    except OSError:
        same = False
    if not same:
        print(f"api_docs.py: {files[1]} is not what {files[0]} makes; run make {files[1]}", file=sys.stderr)
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
