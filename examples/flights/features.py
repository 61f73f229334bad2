"""First stage: from the flights as they came to what a model may learn from.

usage: features.py        reads data/flights, writes work/features.csv
"""

import pathlib

from train import CATEGORIES, NUMBERS, read


def main():
    flights = read("data/flights")
    table = flights[["month", *CATEGORIES, *NUMBERS]].assign(late=(flights["arr_delay"] > 30).astype(int))
    pathlib.Path("work").mkdir(exist_ok=True)
    table.to_csv("work/features.csv", index=False, lineterminator="\n")
    print(f"{len(table)} flights, {table['late'].mean():.1%} of them late")


if __name__ == "__main__":
    main()
