"""Write the table that gates are measured with, or judge it with a peer.

usage: peers.py table ROWS FILE | gx FILE | duckdb FILE
"""

import sys

COUNTRIES = ["DE", "FR", "IT", "ES", "PL", "NL", "BE", "AT"]
PLANS = ["free", "basic", "pro", "team"]


def table(rows, path):
    import numpy
    import pyarrow
    import pyarrow.parquet

    rng = numpy.random.default_rng(7)
    schema, writer, start = None, None, 0
    while start < rows:
        n = min(1_000_000, rows - start)
        score = rng.random(n)
        columns = {
            "id": numpy.arange(start, start + n, dtype="int64"),
            "age": rng.integers(0, 100, n, dtype="int64"),
            "country": pyarrow.array(numpy.array(COUNTRIES)[rng.integers(0, 8, n)]),
            "plan": pyarrow.array(numpy.array(PLANS)[rng.integers(0, 4, n)]),
            "score": score,
            "amount": pyarrow.array(numpy.round(rng.exponential(50, n), 2), mask=rng.random(n) < 0.02),
            "visits": rng.integers(0, 1000, n, dtype="int64"),
            "active": rng.random(n) < 0.7,
            "seen": pyarrow.array((1_700_000_000_000_000 + rng.integers(0, 86_400 * 365, n) * 1_000_000), pyarrow.timestamp("us", "UTC")),
            "ratio": score * rng.random(n),
        }
        part = pyarrow.table(columns)
        if writer is None:
            writer = pyarrow.parquet.ParquetWriter(path, part.schema, compression="snappy")
        writer.write_table(part)
        start += n
    writer.close()


def gx(path):
    import great_expectations
    import great_expectations.expectations as e
    import pandas

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    source = context.data_sources.add_pandas("pandas").add_dataframe_asset("table").add_batch_definition_whole_dataframe("all")
    suite = great_expectations.ExpectationSuite(name="checks")
    for check in [
        e.ExpectTableRowCountToBeBetween(min_value=1, max_value=100_000_000), e.ExpectTableColumnCountToEqual(value=10),
        e.ExpectColumnValuesToBeUnique(column="id"), e.ExpectColumnValuesToBeBetween(column="id", min_value=0, max_value=1e9),
        e.ExpectColumnValuesToBeBetween(column="age", min_value=0, max_value=120), e.ExpectColumnValuesToNotBeNull(column="age"),
        e.ExpectColumnValuesToBeInSet(column="country", value_set=COUNTRIES), e.ExpectColumnValuesToMatchRegex(column="country", regex="^[A-Z]{2}$"),
        e.ExpectColumnValueLengthsToBeBetween(column="country", min_value=2, max_value=2), e.ExpectColumnValuesToBeInSet(column="plan", value_set=PLANS),
        e.ExpectColumnValuesToBeBetween(column="score", min_value=0, max_value=1), e.ExpectColumnMeanToBeBetween(column="score", min_value=0.4, max_value=0.6),
        e.ExpectColumnStdevToBeBetween(column="score", min_value=0.2, max_value=0.4), e.ExpectColumnValuesToNotBeNull(column="amount", mostly=0.95),
        e.ExpectColumnValuesToBeBetween(column="amount", min_value=0), e.ExpectColumnValuesToBeBetween(column="visits", min_value=0, max_value=1000),
        e.ExpectColumnMaxToBeBetween(column="visits", min_value=1, max_value=1000), e.ExpectColumnValuesToBeInSet(column="active", value_set=[True, False]),
        e.ExpectColumnValuesToNotBeNull(column="seen"),
        e.ExpectColumnPairValuesAToBeGreaterThanB(column_A="score", column_B="ratio", or_equal=True),
    ]:
        suite.add_expectation(check)
    result = source.get_batch({"dataframe": pandas.read_parquet(path)}).validate(suite, result_format="BASIC")
    print(result.success, sum(r.success for r in result.results))


def duck(path):
    import duckdb

    print(duckdb.sql(f"""select count(*), count(distinct id), min(id), max(id), min(age), max(age), count(*) - count(age),
        count(*) filter (country not in {tuple(COUNTRIES)}), count(*) filter (not regexp_full_match(country, '[A-Z]{{2}}')),
        count(*) filter (length(country) != 2), count(*) filter (plan not in {tuple(PLANS)}), min(score), max(score), avg(score), stddev(score),
        count(*) - count(amount), min(amount), min(visits), max(visits), count(*) filter (active not in (true, false)),
        count(*) - count(seen), count(*) filter (score < ratio) from '{path}'""").fetchall())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["table", rows, path]:
            table(int(rows), path)
        case ["gx", path]:
            gx(path)
        case ["duckdb", path]:
            duck(path)
        case _:
            sys.exit(__doc__)
