"""The same comparison with pandas, all in memory: peer.py A B. Prints the number of changed rows."""

import sys

import pandas as pd

a, b = (pd.read_parquet(p) for p in sys.argv[1:])
both = a.merge(b, on="id", how="outer", suffixes=("_a", "_b"), indicator=True, validate="one_to_one")
pairs = both["_merge"] == "both"
changed = pd.Series(False, index=both.index)
for column in a.columns.drop("id"):
    x, y = both[column + "_a"], both[column + "_b"]
    changed |= pairs & ~((x == y) | (x.isna() & y.isna()))
print((both["_merge"] == "right_only").sum(), (both["_merge"] == "left_only").sum(), changed.sum())
