"""Fail if a page links to a file that is not there. usage: links.py PAGE…"""

import pathlib
import re
import sys

bad = 0
for name in sys.argv[1:]:
    page = pathlib.Path(name)
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target and not (page.parent / target).exists():
            print(f"{page}: no such file: {target}")
            bad = 1
sys.exit(bad)
