"""Read a table with pandas, or write a CSV as Parquet, for bench/table."""
import sys

import pandas

what, path = sys.argv[1], sys.argv[2]
if what == "csv":
    table = pandas.read_csv(path)
elif what == "jsonl":
    table = pandas.read_json(path, lines=True)
elif what == "parquet":
    table = pandas.read_parquet(path)
elif what == "write":
    import pyarrow.csv
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.csv.read_csv(path), sys.argv[3], compression="snappy", row_group_size=1 << 20)
    sys.exit()
print(len(table))
