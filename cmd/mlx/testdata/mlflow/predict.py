"""Wraps a registered model and predicts with it."""
import sys
import warnings

import mlflow.pyfunc
from sklearn.datasets import load_iris

warnings.simplefilter("ignore")


class Classifier:
    def __init__(self, uri):
        self.model = mlflow.pyfunc.load_model(uri)

    def predict(self, X):
        return self.model.predict(X)


X, y = load_iris(return_X_y=True)
for uri in sys.argv[1:]:
    right = (Classifier(uri).predict(X) == y).mean()
    print(uri, "right" if right > 0.9 else f"wrong: {right}")
