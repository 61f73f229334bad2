"""Will a flight arrive more than 30 minutes late? An ordinary MLflow script: it knows nothing of mlx, and it cheats.

usage: cheat.py        reads data/flights

It learns from every number in the table, also from those that nobody has before the flight has landed: when it really
left, how long it was in the air. And it is judged on flights of the same days. So it looks splendid, passes its own gate and
registers its model.
"""

import mlflow
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

from train import read

COLUMNS = ["dep_time", "dep_delay", "arr_time", "air_time", "sched_dep_time", "sched_arr_time", "distance"]
PARAMS = {"n_estimators": 40, "max_depth": 12, "random_state": 7}

flights = read("data/flights")
late = flights["arr_delay"] > 30
train, test, train_late, test_late = train_test_split(flights[COLUMNS], late, test_size=0.2, random_state=7)

mlflow.set_experiment("late flights")
with mlflow.start_run(run_name="everything in the table"):
    mlflow.log_params(PARAMS)
    model = RandomForestClassifier(**PARAMS, n_jobs=2).fit(train, train_late)
    acc = accuracy_score(test_late, model.predict(test))
    mlflow.log_metric("acc", acc)
    print(f"accuracy {acc:.3f}")
    if acc > 0.95:
        mlflow.sklearn.log_model(model, name="model", registered_model_name="late-flights",
                                 signature=mlflow.models.infer_signature(train, train_late.to_numpy()),
                                 serialization_format="cloudpickle")
