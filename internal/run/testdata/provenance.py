"""usage: provenance.py openlineage|prov FILE

Read a document with the published library of its format, as strictly as that allows, and print what it says as JSON.
"""

import importlib
import inspect
import io
import json
import pkgutil
import sys

form, path = sys.argv[1:]
with open(path, encoding="utf-8") as f:
    text = f.read()


def schemas():
    """The classes of the library by the address of the schema that each was made from."""
    from openlineage.client import generated

    found = {}
    for module in pkgutil.iter_modules(generated.__path__):
        for _, cls in inspect.getmembers(importlib.import_module(f"{generated.__name__}.{module.name}"), inspect.isclass):
            if hasattr(cls, "_get_schema"):
                found[cls._get_schema()] = cls
    return found


def build(cls, values):
    """Make a value of a class: unknown fields and missing ones are errors, as are facets of another version."""
    values = dict(values)
    for key in ("_schemaURL", "schemaURL"):
        if key in values and values.pop(key) != cls._get_schema():
            sys.exit(f"{cls.__name__} is not of {cls._get_schema()}")
    values.pop("_producer", None)
    return cls(**values)


def facets(known, values):
    return {name: build(known[facet["_schemaURL"]], facet) for name, facet in values.items()}


def openlineage():
    from openlineage.client.generated import base

    known = schemas()
    events = []
    for line in text.splitlines():
        e = json.loads(line)
        e["eventType"] = base.EventType(e["eventType"])
        e["run"] = base.Run(**{**e["run"], "facets": facets(known, e["run"]["facets"])})
        e["job"] = base.Job(**{**e["job"], "facets": facets(known, e["job"]["facets"])})
        e["inputs"] = [base.InputDataset(**{**d, "facets": facets(known, d["facets"])}) for d in e["inputs"]]
        e["outputs"] = [
            base.OutputDataset(**{**d, "facets": facets(known, d["facets"]), "outputFacets": facets(known, d["outputFacets"])})
            for d in e["outputs"]
        ]
        event = build(base.RunEvent, e)
        events.append({"type": event.eventType.value, "inputs": len(event.inputs), "outputs": len(event.outputs), "facets": sorted(event.run.facets)})
    return events


def prov():
    from prov.model import ProvActivity, ProvDocument, ProvEntity

    doc = ProvDocument.deserialize(content=text, format="json")
    there = doc.serialize(format="json")
    back = ProvDocument.deserialize(content=there, format="json").serialize(format="json")
    if json.loads(there) != json.loads(back):  # not the documents themselves: NaN differs from itself
        sys.exit("the document changes on its way through the library")
    doc.serialize(io.StringIO(), format="provn")
    kinds = {}
    for record in doc.get_records():
        kinds[type(record).__name__] = kinds.get(type(record).__name__, 0) + 1
    for record in doc.get_records((ProvActivity, ProvEntity)):
        if record.identifier.namespace.prefix != "mlx":
            sys.exit(f"{record.identifier} is of {record.identifier.namespace}")
    return kinds


json.dump({"openlineage": openlineage, "prov": prov}[form](), sys.stdout)
