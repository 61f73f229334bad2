"""Learns with autologging of scikit-learn, a search over a grid, and xgboost."""
import warnings

import mlflow
import xgboost
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV

warnings.simplefilter("ignore")
X, y = load_iris(return_X_y=True)
mlflow.set_experiment("autolog")
mlflow.sklearn.autolog(log_models=False, silent=True)
mlflow.xgboost.autolog(log_models=False, silent=True)
with mlflow.start_run(run_name="forest"):
    RandomForestClassifier(n_estimators=5).fit(X, y)
with mlflow.start_run(run_name="grid"):
    GridSearchCV(RandomForestClassifier(n_estimators=2), {"max_depth": [1, 2, 3]}, cv=2).fit(X, y)
with mlflow.start_run(run_name="boost"):
    xgboost.train({"objective": "multi:softmax", "num_class": 3}, xgboost.DMatrix(X, y), num_boost_round=3, evals=[(xgboost.DMatrix(X, y), "train")])
