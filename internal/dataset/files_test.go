package dataset

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func TestTreeOfFiles(t *testing.T) {
	tree := fstest.MapFS{}
	for _, name := range []string{"t/part-10.csv", "t/part-2.csv", "t/README.md", "t/_SUCCESS", "t/.part-2.csv.crc", "t/_tmp/x.csv", "t/.git/x.csv",
		"t/year=2013/a.csv.gz", "t/_day=1/b.csv", "plain/part-0", "plain/part-1"} {
		tree[name] = &fstest.MapFile{Data: []byte("a\n1\n")}
	}
	got, err := Tree(tree, "t", nil)
	if want := "t/_day=1/b.csv t/part-2.csv t/part-10.csv t/year=2013/a.csv.gz"; strings.Join(got, " ") != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	got, err = Tree(tree, "t", func(rel string, isDir bool) bool { return rel == "year=2013" && isDir || rel == "part-2.csv" })
	if want := "t/_day=1/b.csv t/part-10.csv"; strings.Join(got, " ") != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := Tree(tree, "plain", nil); len(got) != 2 || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestNaturalOrder holds that the order of names is an order, whatever they are.
func TestNaturalOrder(t *testing.T) {
	names := []string{"", "a", "a1", "a01", "a001b", "a1b", "a2", "a10", "b", "1", "01", "10", "9", "a/1", "a-1", "99999999999999999999999", "100000000000000000000000"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var b strings.Builder
		for range r.IntN(6) {
			b.WriteByte("ab019-/"[r.IntN(7)])
		}
		names = append(names, b.String())
	}
	for _, a := range names {
		for _, b := range names {
			if (Natural(a, b) < 0) != (Natural(b, a) > 0) || (Natural(a, b) == 0) != (a == b) {
				t.Fatalf("%q and %q", a, b)
			}
			for _, c := range names[:40] {
				if Natural(a, b) < 0 && Natural(b, c) < 0 && Natural(a, c) >= 0 {
					t.Fatalf("%q %q %q", a, b, c)
				}
			}
		}
	}
	some := []string{"part-10", "part-9", "part-009", "part-1"}
	slices.SortFunc(some, Natural)
	if want := "part-1 part-009 part-9 part-10"; strings.Join(some, " ") != want {
		t.Errorf("%q", some)
	}
}

func tableText(t *testing.T, opts Options, files ...File) string {
	t.Helper()
	ctx := context.Background()
	table, err := Open(ctx, files, opts)
	if err != nil {
		return err.Error()
	}
	defer table.Close()
	if err := table.Settle(ctx); err != nil {
		return err.Error()
	}
	var all strings.Builder
	all.WriteString(table.Schema().String())
	for b, err := range table.Batches(ctx, Request{}) {
		if err != nil {
			return err.Error()
		}
		for k := range b.Rows {
			sep := "\n"
			for i := range b.Columns {
				c := &b.Columns[i]
				if c.Missing.Has(k) {
					fmt.Fprintf(&all, "%s-", sep)
				} else {
					fmt.Fprintf(&all, "%s%s", sep, c.AppendText(nil, k))
				}
				sep = ","
			}
		}
	}
	return all.String()
}

func TestPartitions(t *testing.T) {
	csv := []byte("a,b\n1,x\n2,y\n")
	file := func(name string) File { return parquetBytes(name, csv) }
	for _, c := range []struct {
		name  string
		opts  Options
		files []File
		want  string
	}{
		{"typed", Options{}, []File{file("d/month=01/day=2013-01-02/place=a%20b%2Fc/x.csv"), file("d/month=12/day=__HIVE_DEFAULT_PARTITION__/place=ä/x.csv")},
			"a int, b text, month int, day date, place text\n1,x,1,2013-01-02,a b/c\n2,y,1,2013-01-02,a b/c\n1,x,12,-,ä\n2,y,12,-,ä"},
		{"own column", Options{}, []File{file("a=9/c=1/x.csv")}, "a int, b text, c int\n1,x,1\n2,y,1"},
		{"one lacks it", Options{}, []File{file("k=1/x.csv"), file("x.csv")}, "a int, b text, k int\n1,x,1\n2,y,1\n1,x,-\n2,y,-"},
		{"fixed", Options{Schema: Schema{{Name: "k", Type: Text}}}, []File{file("k=01/x.csv")}, "a int, b text, k text\n1,x,01\n2,y,01"},
		{"fixed wrongly", Options{Schema: Schema{{Name: "k", Type: Int}}}, []File{file("k=one/x.csv")}, "cannot read k=one/x.csv: partition k=one is no int"},
		{"no escape", Options{}, []File{file("k=%zz/x.csv")}, "a int, b text, k text\n1,x,%zz\n2,y,%zz"},
		{"in a snapshot", Options{}, []File{file("v1:k=3/x.csv")}, "a int, b text, k int\n1,x,3\n2,y,3"},
	} {
		if got := tableText(t, c.opts, c.files...); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", c.name, got, c.want)
		}
	}
}

// TestPartitionsOfParquet reads partitions alone, which no column of the file goes with.
func TestPartitionsOfParquet(t *testing.T) {
	whole, err := os.ReadFile("testdata/parquet/types.parquet")
	if err != nil {
		t.Fatal(err)
	}
	table, err := Open(context.Background(), []File{parquetBytes("year=2013/a.parquet", whole), parquetBytes("year=2014/a.parquet", whole)}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	counts := map[int64]int{}
	err = Fold(context.Background(), table, Request{Columns: []string{"year"}}, Folding[map[int64]int]{
		Part: func(b *Batch) (map[int64]int, error) {
			n := map[int64]int{}
			for _, v := range b.Columns[0].Ints {
				n[v]++
			}
			return n, nil
		},
		Merge: func(_ Span, part map[int64]int) error {
			for k, v := range part {
				counts[k] += v
			}
			return nil
		},
	})
	if err != nil || counts[2013] != 40 || counts[2014] != 40 {
		t.Errorf("%v, %v", counts, err)
	}
	if n, ok := table.Rows(); n != 80 || !ok {
		t.Errorf("%d rows", n)
	}
}

func TestSeveralFormats(t *testing.T) {
	whole, err := os.ReadFile("testdata/parquet/old_list.parquet")
	if err != nil {
		t.Fatal(err)
	}
	got := tableText(t, Options{}, parquetBytes("a.parquet", whole), parquetBytes("b.csv", []byte("a\n1\n")))
	if want := "cannot read a.parquet with b.csv as one table: only one of them is Parquet"; got != want {
		t.Errorf("%s", got)
	}
}

// TestFileThatChanges notices that a file is another one than when it was named.
func TestFileThatChanges(t *testing.T) {
	tree := fstest.MapFS{"x.csv": &fstest.MapFile{Data: []byte("a\n1\n"), ModTime: time.Unix(1, 0)}}
	f, err := FromFS(tree, "x.csv", "x.csv")
	if err != nil {
		t.Fatal(err)
	}
	tree["x.csv"] = &fstest.MapFile{Data: []byte("a\n2\n"), ModTime: time.Unix(2, 0)}
	if _, err := f.Open(context.Background()); err == nil || err.Error() != "cannot read x.csv: it changed while it was read" {
		t.Errorf("%v", err)
	}
	if _, err := FromFS(tree, "no.csv", "no.csv"); err == nil || !strings.Contains(err.Error(), "cannot read no.csv") {
		t.Errorf("%v", err)
	}
	tree["d"] = &fstest.MapFile{Mode: fs.ModeDir}
	if _, err := FromFS(tree, "d", "d"); err == nil {
		t.Error("a folder is no file")
	}
}
