"""Turn a test script into a page for people.

usage: tutorial.py SCRIPT                 print the page
       tutorial.py --shown PAGE SCRIPT…   fail if a "$ mlx …" line of PAGE is run by none of the scripts

In the script, `# ` lines are prose, `#$ ` lines a command as a person would type it (where it differs from the next
`exec` line), `#> ` lines what it printed once, `## ` lines headings. `exec` lines are commands. Files of the archive are
shown before the step that first names them in a `#@ FILE` line. All other lines are the checks that make it a test.
"""

import re
import sys


def page(text):
    script, *sections = text.split("\n-- ")
    files = {}
    for section in sections:
        name, _, body = section.partition(" --\n")
        files[name] = body
    out, prose, block, typed = [], [], [], None

    def end():
        if prose:
            out.append("\n".join(prose) + "\n")
        if block:
            out.append("```console\n" + "\n".join(block) + "\n```\n")
        prose.clear()
        block.clear()

    for line in script.splitlines():
        command = next((line[len(p):] for p in ("exec ", "! exec ", "? exec ") if line.startswith(p)), None)
        if line.startswith("# ") or line == "#":
            if block:
                end()
            prose.append(line[2:])
        elif line.startswith("## "):
            end()
            out.append(line + "\n")
        elif line.startswith("#@ "):
            end()
            name = line[3:]
            out.append(f"`{name}`:\n\n```{name.rpartition('.')[2]}\n{files[name].rstrip()}\n```\n")
        elif line.startswith("#> ") or line == "#>":
            block.append(line[3:])
        elif line.startswith("#$ "):
            typed = line[3:]
            block.append("$ " + typed)
        elif command is not None:
            if typed is None:
                block.append("$ " + command.replace("'", '"'))
            typed = None
    end()
    return "\n".join(out)


def plain(command):
    """The words of a command, without quotes and comment. One that runs in the background ends with "&" for people and "&name&" in a script."""
    return re.sub(r" &\w+&$", " &", command.replace('"', "").replace("'", "").split("   #")[0].strip())


def shown(page_file, scripts):
    run = set()
    for name in scripts:
        for line in open(name, encoding="utf-8", errors="replace"):
            _, found, command = line.strip().partition("exec ")
            if found:
                run.add(plain(command))
    bad = [line.strip()[2:] for line in open(page_file, encoding="utf-8")
           if line.startswith("$ mlx ") and plain(line.strip()[2:]) not in run]
    for command in bad:
        print(f"{page_file}: no script runs: {command}")
    return 1 if bad else 0


if __name__ == "__main__":
    if len(sys.argv) >= 4 and sys.argv[1] == "--shown":
        sys.exit(shown(sys.argv[2], sys.argv[3:]))
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    print("<!-- Written by make docs from the test script of the same name. -->\n")
    print(page(open(sys.argv[1], encoding="utf-8").read()), end="")
