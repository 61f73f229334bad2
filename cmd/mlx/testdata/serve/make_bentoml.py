"""Write y = W x as a folder that BentoML serves: make_bentoml.py FOLDER W."""

import os
import sys

import joblib

from sklearn_line import line

folder, w = sys.argv[1], float(sys.argv[2])
os.makedirs(folder)
joblib.dump(line(w), os.path.join(folder, "model.joblib"))
with open(os.path.join(folder, "service.py"), "w") as f:
    f.write('''import os

import bentoml
import joblib


@bentoml.service(workers=1)
class Line:
    def __init__(self):
        self.model = joblib.load(os.path.join(os.path.dirname(__file__), "model.joblib"))

    @bentoml.api
    def predict(self, x: float) -> float:
        return float(self.model.predict([[x]])[0])
''')
with open(os.path.join(folder, "bentofile.yaml"), "w") as f:
    f.write('service: "service:Line"\n')
