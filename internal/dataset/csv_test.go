package dataset

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
)

// inMemory is a file that stands in memory.
func inMemory(name, content string) File {
	return File{Name: name, Size: int64(len(content)), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// dump reads a whole table as text: the schema, and then a line a row, with <nil> where a value is missing.
func dump(t *Table) (string, error) {
	var b strings.Builder
	rows := ""
	err := Fold(context.Background(), t, Request{}, Folding[string]{
		Start: func() { rows = "" },
		Part: func(b *Batch) (string, error) {
			var out strings.Builder
			for i := range b.Rows {
				for k := range b.Columns {
					c := &b.Columns[k]
					if k > 0 {
						out.WriteString(",")
					}
					if c.Missing.Has(i) {
						out.WriteString("<nil>")
					} else {
						out.Write(c.AppendText(nil, i))
					}
				}
				out.WriteString("\n")
			}
			return out.String(), nil
		},
		Merge: func(s Span, p string) error {
			if strings.Count(p, "\n") != s.Rows {
				return fmt.Errorf("%d rows", s.Rows)
			}
			rows += p
			return nil
		},
	})
	fmt.Fprintf(&b, "%s\n%s", t.Schema(), rows)
	return b.String(), err
}

func TestFirst(t *testing.T) {
	tab, err := Open(context.Background(), []File{inMemory("a.csv", "id,price,at,name,day,ok,code\n1,2.5,2013-01-02T03:04:05Z,Anna,2013-01-01,true,007\n2,,2013-01-02 03:04:05+01:00,\"B, \"\"C\"\"\",2013-02-01,False,12\n")}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := dump(tab)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(got)
}
