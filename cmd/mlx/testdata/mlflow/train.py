"""Trains a forest, judges it and registers it: an ordinary MLflow script."""
import sys

import mlflow
import mlflow.sklearn
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score

least = float(sys.argv[1]) if len(sys.argv) > 1 else 0.9
params = {"n_estimators": 20, "max_depth": 8, "random_state": 7}

mlflow.set_experiment("Production_V1")
with mlflow.start_run(run_name="forest"):
    mlflow.log_params(params)
    X, y = load_iris(return_X_y=True)
    model = RandomForestClassifier(**params).fit(X[::2], y[::2])
    acc = accuracy_score(y[1::2], model.predict(X[1::2]))
    mlflow.log_metric("accuracy", acc)
    if acc <= least:
        sys.exit(f"accuracy {acc} is not above {least}")
    mlflow.sklearn.log_model(model, "model", registered_model_name="Production_V1_Classifier", serialization_format="cloudpickle",
                             pip_requirements=["scikit-learn"])
