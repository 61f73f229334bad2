"""Write y = W x as MLServer wants it: make_mlserver.py FOLDER W."""

import json
import os
import sys

import joblib

from sklearn_line import line

folder, w = sys.argv[1], float(sys.argv[2])
os.makedirs(folder)
joblib.dump(line(w), os.path.join(folder, "model.joblib"))
with open(os.path.join(folder, "model-settings.json"), "w") as f:
    json.dump({"name": "line", "implementation": "mlserver_sklearn.SKLearnModel", "parameters": {"uri": "./model.joblib"}}, f)
