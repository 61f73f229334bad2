"""Measures drift with a peer: peer.py evidently|nannyml|polars REFERENCE CURRENT."""

import os
import sys

os.environ["NML_DISABLE_USAGE_LOGGING"] = os.environ["DO_NOT_TRACK"] = "1"  # nothing is told to anybody

peer, ref, cur = sys.argv[1:4]


def pandas_table(path):
    import pandas as pd

    return pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path, dtype={f"c{i}": str for i in range(5)})


def evidently():
    from evidently import Report
    from evidently.presets import DataDriftPreset

    Report([DataDriftPreset()]).run(pandas_table(cur), pandas_table(ref)).dict()


def nannyml():
    import nannyml as nml

    a, b = pandas_table(ref), pandas_table(cur)
    found = nml.UnivariateDriftCalculator(column_names=list(a.columns), chunk_number=10)
    found.fit(a)
    found.calculate(b).to_df()


def polars():
    """PSI alone: ten quantile bins of the reference for numbers, categories for texts."""
    import numpy as np
    import polars as pl

    read = pl.read_parquet if ref.endswith(".parquet") else pl.read_csv
    a, b = read(ref), read(cur)
    for name in a.columns:
        x, y = a[name].drop_nulls(), b[name].drop_nulls()
        if x.dtype == pl.String:
            p, q = x.value_counts(), y.value_counts()
            both = p.join(q, on=name, how="full", suffix="_now").fill_null(0)
            p, q = both["count"].to_numpy() / len(x), both["count_now"].to_numpy() / len(y)
        else:
            edges = np.unique([x.quantile(k / 10, "linear") for k in range(1, 10)])
            count = lambda s: np.bincount(np.searchsorted(edges, s.to_numpy(), side="right"), minlength=len(edges) + 1) / len(s)
            p, q = count(x), count(y)
        p, q = np.maximum(p, 1e-4), np.maximum(q, 1e-4)
        print(name, ((p - q) * np.log(p / q)).sum())


{"evidently": evidently, "nannyml": nannyml, "polars": polars}[peer]()
