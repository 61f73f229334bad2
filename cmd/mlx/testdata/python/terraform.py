# Reads a file of Terraform with a parser of its language, and prints what its data sources ask and what its locals name.
import json
import sys

import hcl2


def plain(value):
    """What a text in quotes means: nothing is put in where $ and % are doubled."""
    if isinstance(value, dict):
        return {plain(k): plain(v) for k, v in value.items() if k != "__is_block__"}
    if isinstance(value, list):
        return [plain(v) for v in value]
    if isinstance(value, str) and value.startswith('"'):
        return json.loads(value).replace("$${", "${").replace("%%{", "%{")
    return value


with open(sys.argv[1]) as f:
    read = plain(hcl2.load(f))
asks = {}
for block in read["data"]:
    for kind, named in block.items():
        for label, body in named.items():
            asks[label] = {"kind": kind, "program": body["program"], "query": body["query"], "folder": body["working_dir"]}
print(json.dumps({"asks": asks, "locals": read["locals"][0]["mlx"], "providers": read["terraform"][0]["required_providers"][0]}))
