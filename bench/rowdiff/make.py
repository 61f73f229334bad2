"""Writes two Parquet tables of N rows and 10 columns, and the second one in another order: make.py FOLDER N."""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


def main(folder, rows):
    step = 1_000_000
    rng = np.random.default_rng(7)
    names = np.array([f"name {i}" for i in range(5000)])
    a = [block(rng, names, start, min(step, rows - start)) for start in range(0, rows, step)]
    write(f"{folder}/a.parquet", a)
    b = [changed(rng, t) for t in a]
    write(f"{folder}/b.parquet", b)
    del a
    # A full shuffle needs all in memory here; the order is that of a full cycle, which is as good as none.
    whole = pa.concat_tables(b)
    order = (np.arange(rows, dtype=np.int64) * 7_368_787 + 12_345) % rows
    shuffled = (whole.slice(0, rows).take(pa.array(order[s : s + step])) for s in range(0, rows, step))
    write(f"{folder}/c.parquet", shuffled)


def block(rng, names, start, n):
    return pa.table(
        {
            "id": np.arange(start, start + n, dtype=np.int64) * 3,
            "day": pa.array(rng.integers(0, 365, n), pa.int32()).cast(pa.date32()),
            "at": pa.array(rng.integers(0, 15 * 10**14, n), pa.int64()).cast(pa.timestamp("us")),
            "amount": np.round(rng.exponential(50, n), 2),
            "score": rng.normal(size=n),
            "count": rng.integers(0, 1000, n, dtype=np.int32),
            "flag": rng.random(n) < 0.3,
            "name": names[rng.integers(0, len(names), n)],
            "code": pa.array([f"c{v}" for v in rng.integers(0, 100_000, n)]),
            "rate": pa.array(rng.random(n), mask=rng.random(n) < 0.05),
        }
    )


def changed(rng, t):
    """One row in a hundred has another amount."""
    amount = t["amount"].to_numpy().copy()
    rows = rng.random(len(amount)) < 0.01
    amount[rows] += 1
    return t.set_column(3, "amount", pa.array(amount))


def write(path, tables):
    writer = None
    for t in tables:
        writer = writer or pq.ParquetWriter(path, t.schema, compression="snappy")
        writer.write_table(t)
    writer.close()


main(sys.argv[1], int(sys.argv[2]))
