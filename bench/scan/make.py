"""Write a folder of models for bench/scan: a forest of many trees as pickle and joblib, and a large array in a pickle."""
import os, pickle, sys

import joblib
import numpy as np
from sklearn.ensemble import RandomForestClassifier

out, trees, mib = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
os.makedirs(out, exist_ok=True)
rng = np.random.RandomState(1)
X = rng.normal(size=(2000, 10))
forest = RandomForestClassifier(trees, random_state=1).fit(X, (X[:, 0] + rng.normal(size=2000) > 0))
with open(os.path.join(out, "forest.pkl"), "wb") as f:
    pickle.dump(forest, f)
joblib.dump(forest, os.path.join(out, "forest.joblib"))
joblib.dump(forest, os.path.join(out, "forest.joblib.gz"), compress=("gzip", 3))
with open(os.path.join(out, "array.pkl"), "wb") as f:
    pickle.dump({"w": rng.normal(size=mib << 17)}, f)
with open(os.path.join(out, "objects.pkl"), "wb") as f:
    pickle.dump([{"id": i, "name": f"row {i}", "value": float(i)} for i in range(200_000)], f)
