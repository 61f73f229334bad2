"""Read `go test -json` on stdin; append one "pass NAME", "fail NAME" or "skip NAME" a line to the file named.

A test with subtests is counted by its subtests, for counting both would count the same work twice; it counts itself only
if it failed and none of them did. A package that fails without a failed test (it does not compile, a panic, a timeout) is
one failure. The output of what failed or was skipped is printed.
"""

import collections
import json
import sys

tests, packages, output = {}, {}, collections.defaultdict(list)
for line in sys.stdin:
    try:
        event = json.loads(line)
    except ValueError:
        print(line, end="")  # go vet and make speak plain text
        continue
    action, key = event["Action"], (event.get("Package", ""), event.get("Test", ""))
    if action == "build-output":
        print(event["Output"], end="")
    elif action == "output":
        output[key].append(event["Output"])
    elif action in ("pass", "fail", "skip"):
        (tests if key[1] else packages)[key] = action

parents, blamed = set(), set()
for (package, test), action in tests.items():
    above = [(package, test[:i]) for i, letter in enumerate(test) if letter == "/"]
    parents.update(above)
    if action == "fail":
        blamed.update(above + [(package, "")])

rows = [(action, key) for key, action in tests.items()
        if key not in parents or (action == "fail" and key not in blamed)]
rows += [("fail", key) for key, action in packages.items() if action == "fail" and key not in blamed]

with open(sys.argv[1], "a") as results:
    for action, key in sorted(rows, key=lambda row: row[1]):
        name = " ".join(key).strip()
        results.write(f"{action} {name}\n")
        if action != "pass":
            print(f"--- {action.upper()} {name}")
            print("".join(output[key][-60:]), end="")
if not tests:
    sys.exit("no test ran")
