"""Writes Parquet files of every type, codec, encoding and pattern of missing values into a folder, and beside each the values that
must be read: NAME.json holds for each column a list of what a person would write, null where nothing is."""

import base64
import datetime
import decimal
import json
import math
import random
import sys
import uuid

import numpy
import pyarrow as pa
import pyarrow.parquet as pq

OUT = sys.argv[1]
RANDOM = random.Random(7)
ROWS = int(sys.argv[2])
EPOCH = datetime.datetime(1970, 1, 1)
UTC = datetime.timezone.utc


def pattern(kind, n):
    """Says for each row whether it has a value."""
    if kind == "none":
        return [True] * n
    if kind == "all":
        return [False] * n
    if kind == "runs":
        return [(i // 77) % 2 == 0 for i in range(n)]
    return [RANDOM.random() < 0.8 for _ in range(n)]


def wide(digits, scale):
    whole = RANDOM.randrange(-(10**digits) + 1, 10**digits)
    return decimal.Decimal(whole).scaleb(-scale, decimal.Context(prec=digits + 2))


def stamps(unit):
    top = {"ms": 9_000_000_000_000, "us": 9_000_000_000_000_000, "ns": 9_000_000_000_000_000_000}[unit]
    return lambda: RANDOM.randrange(-top, top)


def types():
    """Yields the name of each type, how Arrow calls it, how a value is made, and how it is written down."""
    times = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
    yield "bool", pa.bool_(), lambda: RANDOM.random() < 0.5, lambda v: v
    for bits in (8, 16, 32, 64):
        yield f"int{bits}", getattr(pa, f"int{bits}")(), lambda b=bits: RANDOM.randrange(-(2 ** (b - 1)), 2 ** (b - 1)), str
        yield f"uint{bits}", getattr(pa, f"uint{bits}")(), lambda b=bits: RANDOM.randrange(0, 2**b), str
    yield "uint64_small", pa.uint64(), lambda: RANDOM.randrange(0, 2**63), str
    yield "few", pa.int64(), lambda: RANDOM.randrange(0, 9) * 10**12, str
    yield "float", pa.float32(), lambda: float(numpy.float32(RANDOM.gauss(0, 1e5))), repr
    yield "double", pa.float64(), lambda: RANDOM.choice([RANDOM.gauss(0, 1), math.nan, math.inf, -math.inf, 0.0, -0.0, 5e-324]), repr
    yield "few_doubles", pa.float64(), lambda: RANDOM.randrange(0, 5) / 3, repr
    yield "half", pa.float16(), lambda: numpy.float16(RANDOM.choice([RANDOM.gauss(0, 100), 6e-8, 0, 65504])), lambda v: repr(float(v))
    for digits, scale in ((5, 2), (9, 0), (18, 18), (19, 4), (38, 10)):
        yield f"decimal{digits}_{scale}", pa.decimal128(digits, scale), lambda d=digits, s=scale: wide(d, s), lambda v: format(v, "f")
    yield "decimal76_20", pa.decimal256(76, 20), lambda: wide(76, 20), lambda v: format(v, "f")
    yield "date", pa.date32(), lambda: RANDOM.randrange(-100_000, 100_000), str
    for unit in ("ms", "us", "ns"):
        make = pa.time32 if unit == "ms" else pa.time64
        yield f"time_{unit}", make(unit), lambda u=unit: RANDOM.randrange(0, 86400 * 10**9 // times[u]), lambda v, u=unit: str(v * times[u])
        yield f"stamp_{unit}", pa.timestamp(unit), stamps(unit), lambda v, u=unit: str(v * times[u])
        yield f"stamp_{unit}_utc", pa.timestamp(unit, "UTC"), stamps(unit), lambda v, u=unit: str(v * times[u])
    yield "text", pa.string(), lambda: RANDOM.choice(["", "a", "äöü€𝄞", "x" * RANDOM.randrange(300)]), lambda v: v
    yield "words", pa.string(), lambda: f"word {RANDOM.randrange(40)}", lambda v: v
    yield "dict", pa.dictionary(pa.int32(), pa.string()), lambda: f"entry {RANDOM.randrange(5)}", lambda v: v
    yield "unique", pa.string(), lambda: str(uuid.UUID(int=RANDOM.getrandbits(128))), lambda v: v
    yield "binary", pa.binary(), lambda: RANDOM.randbytes(RANDOM.randrange(20)), bytes.hex
    yield "fixed", pa.binary(7), lambda: RANDOM.randbytes(7), bytes.hex
    yield "uuid", pa.uuid(), lambda: RANDOM.randbytes(16), lambda v: str(uuid.UUID(bytes=v))
    yield "list", pa.list_(pa.int64()), lambda: [maybe(RANDOM.randrange(100)) for _ in range(RANDOM.randrange(4))], canonical
    yield "deep", pa.list_(pa.list_(pa.string())), lambda: [maybe([maybe(f"t{i}") for i in range(RANDOM.randrange(3))]) for _ in range(RANDOM.randrange(3))], canonical
    yield "record", pa.struct([("b", pa.string()), ("a", pa.float64()), ("c", pa.struct([("x", pa.int32()), ("l", pa.list_(pa.int32()))]))]), record, canonical
    yield "records", pa.list_(pa.struct([("k", pa.string()), ("v", pa.list_(pa.int64()))])), lambda: [maybe({"k": maybe("k\"\n"), "v": maybe([1, 2][: RANDOM.randrange(3)])}) for _ in range(RANDOM.randrange(3))], canonical
    yield "map", pa.map_(pa.string(), pa.int64()), lambda: [(k, maybe(RANDOM.randrange(9))) for k in RANDOM.sample("cab", RANDOM.randrange(4))], lambda v: canonical(dict(v))
    yield "numbered", pa.map_(pa.int32(), pa.list_(pa.string())), lambda: [(k, maybe(["v"] * RANDOM.randrange(3))) for k in RANDOM.sample(range(9), RANDOM.randrange(3))], lambda v: canonical({str(k): x for k, x in v})
    yield "bytes_list", pa.list_(pa.binary()), lambda: [RANDOM.randbytes(3) for _ in range(RANDOM.randrange(3))], lambda v: canonical([base64.b64encode(b).decode() for b in v])


def maybe(v):
    return v if RANDOM.random() < 0.8 else None


def record():
    inner = {"x": maybe(RANDOM.randrange(-5, 5)), "l": maybe(list(range(RANDOM.randrange(3))))}
    return {"b": maybe("b"), "a": maybe(RANDOM.randrange(1, 9) / 2 + 0.25), "c": maybe(inner)}


def canonical(v):
    return json.dumps(v, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def column(arrow, make, kind):
    there = pattern(kind, ROWS)
    values = [make() if t else None for t in there]
    if arrow == pa.uuid():
        return values, pa.ExtensionArray.from_storage(arrow, pa.array(values, pa.binary(16)))
    if arrow == pa.date32() or pa.types.is_time(arrow) or pa.types.is_timestamp(arrow):
        width = pa.int32() if arrow.bit_width == 32 else pa.int64()
        return values, pa.array(values, width).cast(arrow) if arrow.bit_width == 64 else pa.array(values, width).view(arrow)
    return values, pa.array(values, arrow)


def table(kind):
    columns, wanted = {}, {}
    for name, arrow, make, shown in types():
        values, columns[name] = column(arrow, make, kind)
        wanted[name] = [None if v is None else shown(v) for v in values]
    columns["nothing"], wanted["nothing"] = pa.nulls(ROWS), [None] * ROWS
    if kind == "none":
        fields = [pa.field(n, c.type, nullable=n == "nothing") for n, c in columns.items()]
        return pa.Table.from_arrays(list(columns.values()), schema=pa.schema(fields)), wanted
    return pa.table(columns), wanted


def save(name, data, wanted, **options):
    pq.write_table(data, f"{OUT}/{name}.parquet", **options)
    with open(f"{OUT}/{name}.json", "w") as f:
        json.dump(wanted, f)


def main():
    tables = {kind: table(kind) for kind in ("none", "some", "runs", "all")}
    codecs = ["NONE", "SNAPPY", "GZIP", "BROTLI", "ZSTD", "LZ4"]
    turn = 0
    for kind, (data, wanted) in tables.items():
        for codec in codecs:
            turn += 1
            save(f"{kind}_{codec.lower()}", data, wanted, compression=codec, version="2.6",
                 data_page_version="2.0" if turn % 2 else "1.0", use_dictionary=turn % 3 > 0, write_page_checksum=turn % 4 == 0,
                 data_page_size=[1 << 20, 700, 5000][turn % 3], row_group_size=[10_000, 997][turn % 2])
    data, wanted = tables["some"]
    encodings = {"delta": {"DELTA_BINARY_PACKED": ["int8", "int32", "int64", "uint64", "few", "date", "stamp_us"],
                           "DELTA_LENGTH_BYTE_ARRAY": ["text", "binary"], "DELTA_BYTE_ARRAY": ["words", "unique", "fixed", "uuid"]},
                 "split": {"BYTE_STREAM_SPLIT": ["float", "double", "int32", "int64", "fixed", "half", "few_doubles"]},
                 "rle": {"RLE": ["bool"]}}
    for name, by in encodings.items():
        chosen = {column: encoding for encoding, columns in by.items() for column in columns}
        for version in ("1.0", "2.0"):
            for kind in ("none", "some"):
                data, wanted = tables[kind]
                keep = list(chosen)
                save(f"{name}_{version[0]}_{kind}", data.select(keep), {k: wanted[k] for k in keep}, use_dictionary=False,
                     column_encoding=chosen, data_page_version=version, data_page_size=3000, compression="SNAPPY")
    data, wanted = tables["some"]
    stamps96 = data.select(["stamp_ns"])
    save("int96", stamps96, {"stamp_ns": wanted["stamp_ns"]}, use_deprecated_int96_timestamps=True)
    save("int_decimals", data.select(["decimal5_2", "decimal18_18"]), {k: wanted[k] for k in ("decimal5_2", "decimal18_18")}, store_decimal_as_integer=True)
    save("no_statistics", data, wanted, write_statistics=False)
    save("fallback", data.select(["unique", "int64", "words"]), {k: wanted[k] for k in ("unique", "int64", "words")}, dictionary_pagesize_limit=2000, data_page_size=500)
    some = {k: wanted[k] for k in ("int64", "words", "list")}
    save("checksums", data.select(list(some)), some, write_page_checksum=True, row_group_size=20)
    old = pa.table({"l": pa.array([[1, None], [], None, [3]] * 5, pa.list_(pa.int32()))})
    save("old_list", old, {"l": [None if v is None else canonical(v) for v in old["l"].to_pylist()]}, use_compliant_nested_type=False)
    for name, values, arrow in (("ids_small", [1, None, 7], pa.uint64()), ("ids_large", [2**63 + 2**40, None, 3], pa.uint64()), ("ids_real", [0.5, None], pa.float64())):
        save(name, pa.table({"id": pa.array(values, arrow)}), {"id": [None if v is None else str(v) for v in values]})
    empty = pa.table({"a": pa.array([], pa.int64()), "b": pa.array([], pa.list_(pa.string()))})
    save("no_rows", empty, {"a": [], "b": []})


main()
