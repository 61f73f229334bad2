"""Two models for one question, learned from January to March, and what each says of April and of July.

usage: champion.py boosting|logistic        reads data/year, writes april.csv and july.csv

The predictions are all that a comparison needs: a row for each flight with its day, for flights of one day share their weather
and are late together.
"""

import sys

import pandas
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from train import CATEGORIES, NUMBERS, read


def model(name):
    if name == "boosting":
        return HistGradientBoostingClassifier(max_depth=6, max_iter=150, learning_rate=0.06,
                                              categorical_features="from_dtype", random_state=13)
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(make_column_transformer((OneHotEncoder(handle_unknown="ignore"), CATEGORIES), (numbers, NUMBERS)),
                         LogisticRegression(max_iter=300))


def main(name):
    flights = read("data/year")
    features, late = flights[CATEGORIES + NUMBERS], flights["arr_delay"] > 30
    known = flights["month"] <= 3
    learner = model(name).fit(features[known], late[known])
    for month, file in ((4, "april.csv"), (7, "july.csv")):
        rows = flights["month"] == month
        day = pandas.to_datetime(flights.loc[rows, ["year", "month", "day"]])
        table = pandas.DataFrame({"id": flights.index[rows], "day": day, "origin": flights.loc[rows, "origin"],
                                  "label": late[rows].astype(int), "score": learner.predict_proba(features[rows])[:, 1]})
        table.to_csv(file, index=False, lineterminator="\n", float_format="%.6f")
        print(f"{file}: {len(table)} flights")


if __name__ == "__main__":
    main(sys.argv[1])
