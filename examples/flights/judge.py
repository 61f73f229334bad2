"""Third stage: judge the model on the last month, which it has not seen.

usage: judge.py        reads work/features.csv and work/model.pkl, writes work/metrics.json
"""

import json
import pathlib
import pickle

from fit import read
from train import score


def main():
    _, (features, late) = read()
    model = pickle.loads(pathlib.Path("work/model.pkl").read_bytes())
    metrics = score(late, model.predict_proba(features)[:, 1])
    pathlib.Path("work/metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")
    print(f"judged on {len(late)} flights")


if __name__ == "__main__":
    main()
