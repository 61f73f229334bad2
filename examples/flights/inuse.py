"""The model in use: what it is asked each day, what it answers, and, weeks later, what became of those flights.

usage: inuse.py MODEL FOLDER MONTH...        reads data/year, writes FOLDER/asked/DAY.csv and FOLDER/outcomes-MONTH.csv

A day's file holds what the model reads and its score. The outcomes come later and apart, as they do in practice.
"""

import pathlib
import pickle
import sys

import pandas

from train import CATEGORIES, NUMBERS, read


def main(file, folder, months):
    learner = pickle.loads(pathlib.Path(file).read_bytes())
    flights = read("data/year")
    flights = flights[flights["month"].isin(months)]
    asked = flights[["time_hour", *CATEGORIES, *NUMBERS]].assign(
        id=flights.index, score=learner.predict_proba(flights[CATEGORIES + NUMBERS])[:, 1].round(6))
    day = pandas.to_datetime(flights[["year", "month", "day"]]).dt.strftime("%Y-%m-%d")
    out = pathlib.Path(folder)
    (out / "asked").mkdir(parents=True, exist_ok=True)
    for name, rows in asked.groupby(day):
        rows.to_csv(out / "asked" / f"{name}.csv", index=False, lineterminator="\n")
    outcomes = pandas.DataFrame({"id": flights.index, "label": (flights["arr_delay"] > 30).astype(int)})
    for month, rows in outcomes.groupby(flights["month"].to_numpy()):
        rows.to_csv(out / f"outcomes-2013-{month:02}.csv", index=False, lineterminator="\n")
    print(f"{folder}: {len(asked)} predictions of {day.nunique()} days")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], [int(m) for m in sys.argv[3:]])
