"""The same learner judged twice: on flights drawn at random, and on the days after those it learned from.

usage: split.py random|forward        reads data/flights, writes train.csv and test.csv

Flights of one day share their weather. Who draws the test at random learns the days that are asked about, and is flattered.
"""

import sys

import pandas
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import train_test_split

from train import CATEGORIES, NUMBERS, read


def main(how):
    flights = read("data/flights")
    flights = flights[flights["month"] <= 3]
    if how == "random":
        train, test = train_test_split(flights, test_size=0.3, random_state=7)
    else:
        train, test = flights[flights["month"] < 3], flights[flights["month"] == 3]
    model = HistGradientBoostingClassifier(max_depth=6, max_iter=150, learning_rate=0.06, categorical_features="from_dtype",
                                           random_state=13).fit(train[CATEGORIES + NUMBERS], train["arr_delay"] > 30)
    for rows, file in ((train, "train.csv"), (test, "test.csv")):
        table = pandas.DataFrame({"time_hour": rows["time_hour"], "label": (rows["arr_delay"] > 30).astype(int),
                                  "score": model.predict_proba(rows[CATEGORIES + NUMBERS])[:, 1]})
        table.to_csv(file, index=False, lineterminator="\n", float_format="%.6f")
        print(f"{file}: {len(table)} flights")


if __name__ == "__main__":
    main(sys.argv[1])
