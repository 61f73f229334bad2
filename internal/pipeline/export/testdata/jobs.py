"""usage: jobs.py github|gitlab|argo|cronjob FILE

Print the jobs of a file as JSON: {id: {needs, script}}, as a reader of YAML 1.1 and one of YAML 1.2 both see them, with
what the target itself replaces replaced.
"""

import json
import sys

import ruamel.yaml
import yaml

form, path = sys.argv[1:]
with open(path, encoding="utf-8") as f:
    text = f.read()
doc = ruamel.yaml.YAML(typ="safe", pure=True).load(text)
old = yaml.safe_load(text)
if True in old:
    old["on"] = old.pop(True)
if old != doc:
    sys.exit("YAML 1.1 and 1.2 read two different files")


def expressions(script):
    return script.replace("${{ '${{' }}", "${{")


def kubernetes(script):
    return script.replace("$$", "$")


jobs = {}
if form == "github":
    for name, job in doc["jobs"].items():
        lines = [s["run"] for s in job["steps"] if "run" in s]
        if any("${{" in line for line in lines):
            sys.exit(f"an expression in {lines}")
        jobs[name] = {"needs": job.get("needs", []), "script": "\n".join(lines), "name": expressions(job["name"])}
elif form == "gitlab":
    for name, job in doc.items():
        if name not in ("stages", ".mlx"):
            jobs[name] = {"needs": job["needs"], "script": "\n".join(job["script"])}
elif form == "argo":
    dag = doc["spec"]["templates"][0]["dag"]
    for task in dag["tasks"]:
        command = task["arguments"]["parameters"][0]["value"]
        if "{{" in command or "}}" in command:
            sys.exit(f"a template in {command}")
        jobs[task["name"]] = {"needs": task.get("dependencies", []), "script": kubernetes(command)}
elif form == "cronjob":
    container = doc["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]
    jobs["job"] = {"needs": [], "script": kubernetes(container["args"][0])}
json.dump(jobs, sys.stdout)
