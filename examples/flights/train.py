"""Train a classifier: will a flight arrive more than 30 minutes late?

usage: train.py        reads data/flights, writes model.pkl

mlx hands over the parameters (mlx run -p depth=6) as JSON in the file $MLX_PARAMS and takes the metrics as JSON from the
file $MLX_METRICS. Without mlx the script works as well, and prints the metrics.

Honest on three counts. It uses only what is known before departure: schedule, carrier, plane, weather of the hour
before. It drops flights that never arrived, which "NaN > 30" would count as on time. And it is judged on the last month
of the data after learning from the months before, because a model serves the future, never a random sample of its past.
"""

import json
import os
import pathlib
import pickle

import pandas
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

CATEGORIES = ["carrier", "origin", "dest"]
NUMBERS = ["day_of_week", "sched_dep_time", "sched_arr_time", "distance", "plane_year", "plane_seats",
           "weather_temp", "weather_dewp", "weather_humid", "weather_wind_dir", "weather_wind_speed",
           "weather_precip", "weather_pressure", "weather_visib"]


def read(folder):
    flights = pandas.concat(pandas.read_csv(file) for file in sorted(pathlib.Path(folder).glob("*.csv")))
    flights = flights[flights["arr_delay"].notna()].reset_index(drop=True)
    flights["day_of_week"] = pandas.to_datetime(flights[["year", "month", "day"]]).dt.day_of_week
    for name in CATEGORIES:
        flights[name] = flights[name].astype("category")
    return flights


def score(late, guess):
    return {
        "auc": roc_auc_score(late, guess),
        "log_loss": log_loss(late, guess),
        "brier": brier_score_loss(late, guess),
        "accuracy": accuracy_score(late, guess > 0.5),
        # The accuracy of always saying "on time": one near it is no achievement.
        "majority": float(max(late.mean(), 1 - late.mean())),
    }


def main():
    params = {"depth": 6, "rounds": 150, "learning_rate": 0.06}
    if "MLX_PARAMS" in os.environ:
        params.update(json.loads(pathlib.Path(os.environ["MLX_PARAMS"]).read_text()))
    flights = read("data/flights")
    late = flights["arr_delay"] > 30
    features = flights[CATEGORIES + NUMBERS]
    test = flights["month"] == flights["month"].max()
    model = HistGradientBoostingClassifier(max_depth=params["depth"], max_iter=params["rounds"],
                                           learning_rate=params["learning_rate"],
                                           categorical_features="from_dtype", random_state=13)
    model.fit(features[~test], late[~test])
    metrics = score(late[test], model.predict_proba(features[test])[:, 1])
    print(f"learned from {(~test).sum()} flights, judged on {test.sum()} of the month after")
    pathlib.Path("model.pkl").write_bytes(pickle.dumps(model))
    if "MLX_METRICS" in os.environ:
        pathlib.Path(os.environ["MLX_METRICS"]).write_text(json.dumps(metrics))
    else:
        print(json.dumps(metrics, indent=2))


if __name__ == "__main__":
    main()
