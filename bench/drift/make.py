"""Makes two tables without much drift: make.py FOLDER ROWS COLUMNS. ref and cur, as Parquet and, of few columns, as CSV."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet


def words(rng, n, different):
    names = pa.array([f"v{i}" for i in range(different)])
    return pa.DictionaryArray.from_arrays(pa.array(rng.integers(0, different, n)), names).cast(pa.string())


def twenty(rng, n, shift):
    yield from ((f"n{i}", rng.normal(i * 3 + shift, 1 + i * 0.3, n)) for i in range(5))
    yield from ((f"ln{i}", rng.lognormal(0, 1, n)) for i in range(2))
    yield "t2", rng.standard_t(2, n)
    yield "u", rng.uniform(0, 100, n)
    yield "zero", np.where(rng.random(n) < 0.94, 0, rng.exponential(1, n))
    yield from ((f"int{i}", rng.integers(0, 10 ** (i + 1), n)) for i in range(3))
    yield "big", rng.integers(2**53, 2**62, n)
    holes = rng.normal(0, 1, n)
    yield "holes", pa.array(holes, mask=rng.random(n) < 0.1)
    yield from ((f"c{i}", words(rng, n, 3 + i * 7)) for i in range(5))


def wide(rng, n, shift, columns):
    for i in range(columns):
        if i % 4 < 2:
            yield f"x{i}", rng.normal(shift, 1, n)
        elif i % 4 == 2:
            yield f"i{i}", rng.integers(0, 1000, n)
        else:
            yield f"w{i}", words(rng, n, 20)


folder, rows, columns = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for seed, (name, shift) in enumerate([("ref", 0.0), ("cur", 0.01)]):
    rng = np.random.default_rng(seed)
    table = pa.table(dict(twenty(rng, rows, shift) if columns == 20 else wide(rng, rows, shift, columns)))
    pa.parquet.write_table(table, f"{folder}/{name}.parquet", row_group_size=131072)
    if columns == 20:
        pa.csv.write_csv(table, f"{folder}/{name}.csv")
