"""Attack a scikit-learn classifier with the Adversarial Robustness Toolbox, and print what is left of its accuracy.

mlx gate runs it by `under: {attack: python attack.py --eps 0.3}`: the model is the pickle that $MLX_GATE_MODEL names, the rows are those of
the CSV in $MLX_GATE_TABLE with a column label, of which $MLX_GATE_ROWS are drawn with $MLX_GATE_SEED.
"""

import argparse
import csv
import json
import os
import pickle

import numpy as np
from art.attacks.evasion import FastGradientMethod
from art.estimators.classification import SklearnClassifier


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--eps", type=float, default=0.3, help="how far each value may be moved")
    eps = parser.parse_args().eps
    with open(os.environ["MLX_GATE_MODEL"], "rb") as f:
        model = pickle.load(f)
    with open(os.environ["MLX_GATE_TABLE"], newline="") as f:
        rows = list(csv.DictReader(f))
    features = [name for name in rows[0] if name not in ("id", "label")]
    x = np.array([[float(row[name]) for name in features] for row in rows], dtype=np.float32)
    y = np.array([int(row["label"]) for row in rows])
    random = np.random.default_rng(int(os.environ.get("MLX_GATE_SEED", "0")))
    drawn = random.permutation(len(x))[: int(os.environ.get("MLX_GATE_ROWS", "1000"))]
    x, y = x[drawn], y[drawn]

    classifier = SklearnClassifier(model=model, clip_values=(float(x.min()) - eps, float(x.max()) + eps))
    attacked = FastGradientMethod(estimator=classifier, eps=eps).generate(x=x)
    print(json.dumps({
        "accuracy": float((model.predict(x) == y).mean()),
        "attacked_accuracy": float((model.predict(attacked) == y).mean()),
        "method": "FGSM",
        "eps": eps,
        "rows": len(y),
    }))


if __name__ == "__main__":
    main()
