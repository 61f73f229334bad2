"""What a model says of July and of August, beside what became of those flights: all that a comparison needs.

usage: later.py MODEL        reads data/year, writes july.csv and august.csv
"""

import pathlib
import pickle
import sys

import pandas

from train import CATEGORIES, NUMBERS, read


def main(file):
    learner = pickle.loads(pathlib.Path(file).read_bytes())
    flights = read("data/year")
    for month, name in ((7, "july.csv"), (8, "august.csv")):
        rows = flights[flights["month"] == month]
        table = pandas.DataFrame({"id": rows.index, "day": pandas.to_datetime(rows[["year", "month", "day"]]), "origin": rows["origin"],
                                  "label": (rows["arr_delay"] > 30).astype(int),
                                  "score": learner.predict_proba(rows[CATEGORIES + NUMBERS])[:, 1]})
        table.to_csv(name, index=False, lineterminator="\n", float_format="%.6f")
        print(f"{name}: {len(table)} flights, {table['label'].mean():.3f} late, {table['score'].mean():.3f} predicted")


if __name__ == "__main__":
    main(sys.argv[1])
