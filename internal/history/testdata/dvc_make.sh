#!/bin/sh
# Makes a repository with the real dvc: sh dvc_make.sh DIR PYTHON
set -e
rm -rf "$1"; mkdir -p "$1"; cd "$1"
export DVC_NO_ANALYTICS=1 PATH="$(dirname "$2"):$PATH"
git init -q -b main .; git config user.name Ana; git config user.email ana@example.com
dvc init -q
cat > params.yaml <<'P'
train: {depth: 6, lr: 0.1}
name: first
P
cat > train.py <<'P'
import json, os, yaml
p = yaml.safe_load(open("params.yaml"))["train"]
json.dump({"auc": 0.7 + p["depth"] / 100, "val": {"loss": p["lr"]}}, open("metrics.json", "w"))
open("model.pkl", "w").write("weights %s" % p)
os.makedirs("preds", exist_ok=True)
open("preds/a.csv", "w").write("1,2\n"); open("preds/b.csv", "w").write("depth %s\n" % p["depth"])
os.makedirs("dvclive/plots/metrics/train", exist_ok=True)
json.dump({"train": {"loss": 0.25}, "step": 2}, open("dvclive/metrics.json", "w"))
open("dvclive/plots/metrics/train/loss.tsv", "w").write("step\tloss\n0\t1.0\n1\t0.5\n2\t0.25\n")
P
cat > dvc.yaml <<'P'
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [train.depth, train.lr]
    outs: [model.pkl, preds]
    metrics:
    - metrics.json:
        cache: false
    - dvclive/metrics.json:
        cache: false
P
dvc repro -q
git add -A; git commit -qm "first model"
dvc exp run -q -n deeper -S train.depth=9
git checkout -q -- .; 
sed -i 's/lr: 0.1/lr: 0.2/' params.yaml; dvc repro -q; git add -A; git commit -qm "faster"
git tag v1
