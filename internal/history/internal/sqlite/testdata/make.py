"""Makes the databases of the tests with SQLite itself, and beside each what SQLite reads from it: python3 make.py"""
import json, os, shutil, sqlite3

here = os.path.dirname(os.path.abspath(__file__))


def dump(con, name):
    tables = {}
    for (table,) in con.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE '%WITHOUT%' ORDER BY name"):
        columns = [r[1] for r in con.execute(f'PRAGMA table_info("{table}")')]
        rows = [[v.hex() if isinstance(v, bytes) else repr(v) if isinstance(v, float) else v for v in r]
                for r in con.execute(f'SELECT rowid, * FROM "{table}" ORDER BY rowid')]
        tables[table] = {"columns": columns, "rows": rows}
    with open(os.path.join(here, name + ".json"), "w") as f:
        json.dump(tables, f)


def fresh(name):
    for end in ("", "-wal", "-shm", "-journal"):
        if os.path.exists(os.path.join(here, name + end)):
            os.remove(os.path.join(here, name + end))
    return sqlite3.connect(os.path.join(here, name), isolation_level=None)


def fill(con, rows):
    con.execute('CREATE TABLE "odd, name" (id INTEGER NOT NULL, -- a comment, with a comma\n "a b" VARCHAR(10) DEFAULT \'x\'\'y\', '
                "price FLOAT DEFAULT (1.5), CONSTRAINT pk PRIMARY KEY (id), CHECK (price IN (1, 2, 1.5) OR price > 0))")
    con.execute("CREATE TABLE many (key VARCHAR(250), value, run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY (key, run_uuid))")
    con.execute("CREATE TABLE none (a)")
    con.execute("CREATE TABLE keyed (a TEXT PRIMARY KEY, b) WITHOUT ROWID")
    con.execute('INSERT INTO "odd, name" (id) VALUES (-7), (5)')
    con.execute("INSERT INTO \"odd, name\" VALUES (9223372036854775807, 'ä€😀', 2)")
    con.execute('ALTER TABLE "odd, name" ADD COLUMN later INTEGER DEFAULT -3 NOT NULL')
    values = [None, 0, 1, -1, 127, 128, -129, 40000, 9000000, 1 << 40, -(1 << 62), 0.1, 1e300, float("inf"), "", "text", b"\x00\xff", "long " * 300]
    con.execute("BEGIN")
    for i in range(rows):
        con.execute("INSERT INTO many VALUES (?, ?, ?)", (f"k{i}", values[i % len(values)], f"{i:032x}"))
    con.execute("COMMIT")
    con.execute("DELETE FROM many WHERE rowid % 7 = 3")


for name, pragma, rows in (("small.db", "PRAGMA page_size = 512", 150), ("wide.db", "PRAGMA encoding = 'UTF-16le'", 40)):
    con = fresh(name)
    con.execute(pragma)
    fill(con, rows)
    dump(con, name)
    con.close()

con = fresh("live.db")
con.execute("PRAGMA page_size = 1024")
con.execute("PRAGMA journal_mode = WAL")
con.execute("PRAGMA wal_autocheckpoint = 0")
con.execute("CREATE TABLE t (a, b)")
con.execute("PRAGMA wal_checkpoint(TRUNCATE)")
for i in range(40):
    con.execute("INSERT INTO t VALUES (?, ?)", (i, "x" * (i * 20)))
dump(con, "live.db")
con.execute("BEGIN")
con.execute("PRAGMA cache_spill = 1")
con.execute("PRAGMA cache_size = 1")
con.execute("UPDATE t SET b = 'not committed'")
for end in ("", "-wal"):
    shutil.copy(os.path.join(here, "live.db" + end), os.path.join(here, "copy.db" + end))
con.close()
for end in ("", "-wal"):
    os.replace(os.path.join(here, "copy.db" + end), os.path.join(here, "live.db" + end))
