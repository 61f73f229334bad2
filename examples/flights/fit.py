"""Second stage: learn from all months but the last.

usage: fit.py        reads work/features.csv and params.json, writes work/model.pkl

What it reports round by round goes to $MLX_METRICS, a JSON object a line, and becomes the curves of the run.
"""

import json
import os
import pathlib
import pickle

import pandas
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from train import CATEGORIES, NUMBERS


def read():
    """Months to learn from, and the last one, each as (features, late)."""
    table = pandas.read_csv("work/features.csv")
    for name in CATEGORIES:
        table[name] = table[name].astype("category")
    last = table["month"] == table["month"].max()
    return [(part[CATEGORIES + NUMBERS], part["late"]) for part in (table[~last], table[last])]


def main():
    params = json.loads(pathlib.Path("params.json").read_text())["fit"]
    (features, late), _ = read()
    model = HistGradientBoostingClassifier(max_depth=params["depth"], max_iter=params["rounds"],
                                           learning_rate=params["learning_rate"],
                                           categorical_features="from_dtype", random_state=params["seed"])
    model.fit(features, late)
    pathlib.Path("work/model.pkl").write_bytes(pickle.dumps(model))
    sample = features.sample(2000, random_state=params["seed"])
    with open(os.environ.get("MLX_METRICS", os.devnull), "w") as report:
        for step, guess in enumerate(model.staged_predict_proba(sample), 1):
            report.write(json.dumps({"step": step, "train_loss": log_loss(late[sample.index], guess[:, 1])}) + "\n")
    print(f"learned from {len(late)} flights in {params['rounds']} rounds")


if __name__ == "__main__":
    main()
