"""Writes a table as CSV and as Parquet into a folder, and want.json: what pandas and numpy say of each column. A column of which not all
values are counted also leaves its values in order, NAME.f64, from which a rank can be told."""

import json
import math
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

OUT, ROWS = sys.argv[1], int(sys.argv[2])
RNG = np.random.default_rng(20260101)
QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]


def words(n, count, start):
    marks = ["", "é", "日本", ' "q"', ", c", "\n", " 🎉"]
    names = [f"{start} {i}{marks[i % len(marks)]}" for i in range(count)]
    return [names[i] for i in np.minimum(RNG.zipf(1.3, n) - 1, count - 1)]


def holes(values, share):
    gone = RNG.random(len(values)) < share
    return [None if g else v for g, v in zip(gone, values)]


def columns(n):
    """Name: values as pyarrow has them, type from CSV, type from Parquet."""
    measured = RNG.normal(5, 300, n)
    measured[RNG.random(n) < 0.01] = math.nan
    measured[RNG.random(n) < 0.001] = math.inf
    measured[RNG.random(n) < 0.002] = -math.inf
    skewed = np.exp(RNG.normal(0, 40, n)) * np.where(RNG.random(n) < 0.5, 1, -1)
    heavy = np.where(RNG.random(n) < 0.4, RNG.integers(0, 30, n), RNG.integers(-(2**40), 2**40, n))
    days = np.datetime64("1969-06-01", "D") + RNG.integers(0, 5000, n)
    times = np.datetime64("2001-02-03T04:05:06", "s") + RNG.integers(0, 10**9, n)
    cents = pa.array(holes(RNG.integers(-(10**6), 10**6, n).tolist(), 0.1), pa.int64())
    return {
        "id": (pa.array(range(n)), "int", "int"),
        "few": (pa.array(holes(RNG.integers(-3, 12, n).tolist(), 0.05), pa.int64()), "int", "int"),
        "heavy": (pa.array(heavy), "int", "int"),
        "measured": (pa.array(holes(measured.tolist(), 0.03), pa.float64()), "float", "float"),
        "rounded": (pa.array(np.round(RNG.normal(0, 40, n), 1)), "float", "float"),
        "skewed": (pa.array(skewed), "float", "float"),
        "offset": (pa.array(1e9 + RNG.random(n)), "float", "float"),
        "amount": (cents.cast(pa.decimal128(38, 0)).cast(pa.decimal128(14, 2)), "float", "decimal"),
        "flag": (pa.array(holes((RNG.random(n) < 0.3).tolist(), 0.2), pa.bool_()), "bool", "bool"),
        "day": (pa.array(days), "date", "date"),
        "at": (pa.array(times.astype("datetime64[us]")), "time", "time"),
        "word": (pa.array(holes(words(n, 500, "word"), 0.1), pa.string()), "text", "text"),
        "code": (pa.array([f"c{v}" for v in RNG.integers(0, 60000, n)]), "text", "text"),
        "constant": (pa.array([7] * n), "int", "int"),
        "nothing": (pa.nulls(n), "null", "null"),
    }


def values_of(array):
    """What is there, as pandas has it, and the same as numbers."""
    series = pd.Series(array.drop_null().to_pylist(), dtype=object)
    if len(series) == 0 or isinstance(series.iloc[0], str):
        return series, None
    if pa.types.is_date(array.type):
        return series, array.drop_null().cast(pa.int32()).to_numpy().astype(np.float64)
    if pa.types.is_timestamp(array.type):
        return series, array.drop_null().cast(pa.int64()).to_numpy() / 1e6
    return series, np.array([float(v) for v in series])


def text(value):
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def describe(name, array, csv, parquet):
    series, numbers = values_of(array)
    want = {"csv": csv, "parquet": parquet, "missing": array.null_count, "nan": 0, "plus_inf": 0, "minus_inf": 0}
    if numbers is not None:
        want["nan"] = int(np.isnan(numbers).sum())
        want["plus_inf"], want["minus_inf"] = int((numbers == math.inf).sum()), int((numbers == -math.inf).sum())
        series, numbers = series[np.isfinite(numbers)], numbers[np.isfinite(numbers)]
        frame = pd.Series(numbers)
        want["low"], want["high"] = float(frame.min()), float(frame.max())
        want["zeros"], want["negatives"] = int((numbers == 0).sum()), int((numbers < 0).sum())
        want["mean"] = math.fsum(numbers) / len(numbers)
        want["pandas_mean"], want["std"] = float(frame.mean()), float(np.std(numbers.astype(np.longdouble), ddof=1))
        kind = "lower" if csv in ("date", "time", "bool") else "linear"
        want["quantiles"] = [float(v) for v in np.quantile(numbers, QUANTILES, method=kind)]
        np.sort(numbers).astype("<f8").tofile(f"{OUT}/{name}.f64")
    elif len(series):
        want["first"], want["last"] = min(series, key=str.encode), max(series, key=str.encode)
        lengths = series.str.len()
        want["shortest"], want["longest"], want["length"] = int(lengths.min()), int(lengths.max()), float(lengths.mean())
    counts = series.value_counts()
    want["values"], want["distinct"] = len(series), len(counts)
    want["counts"] = {text(v): int(n) for v, n in counts.items() if n > 1}
    return want


def main():
    made = columns(ROWS)
    table = pa.table({name: array for name, (array, _, _) in made.items()})
    pa.parquet.write_table(table, f"{OUT}/t.parquet", row_group_size=ROWS // 5 + 1)
    pa.csv.write_csv(table, f"{OUT}/t.csv")
    want = {name: describe(name, *column) for name, column in made.items()}
    with open(f"{OUT}/want.json", "w", encoding="utf-8") as f:
        json.dump({"rows": ROWS, "quantiles": QUANTILES, "columns": want}, f)


main()
