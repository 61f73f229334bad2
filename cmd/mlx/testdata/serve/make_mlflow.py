"""Write y = W x as a model of MLflow: make_mlflow.py FOLDER W."""

import sys

import numpy as np
from mlflow.models import infer_signature
from mlflow.sklearn import save_model

from sklearn_line import line

folder, w = sys.argv[1], float(sys.argv[2])
x = np.array([[1.0]])
save_model(line(w), folder, signature=infer_signature(x, line(w).predict(x)))
