"""Learn from every month that is known so far.

usage: retrain.py        reads data/known, writes work/delays.pkl

Whether it is time to learn again is not decided here: the monitor in mlx.yaml does that, and the record of the run says why.
"""

import pathlib
import pickle

from champion import model
from train import CATEGORIES, NUMBERS, read


def main():
    flights = read("data/known")
    learner = model("boosting").fit(flights[CATEGORIES + NUMBERS], flights["arr_delay"] > 30)
    pathlib.Path("work").mkdir(exist_ok=True)
    pathlib.Path("work/delays.pkl").write_bytes(pickle.dumps(learner))
    print(f"learned from {len(flights)} flights of {flights['month'].nunique()} months")


if __name__ == "__main__":
    main()
