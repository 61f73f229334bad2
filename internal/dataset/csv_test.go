package dataset

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// inMemory is a file that stands in memory.
func inMemory(name, content string) File {
	return File{Name: name, Size: int64(len(content)), Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(content)), nil
	}}
}

// chunked opens one text file with chunks of a given size.
func chunked(f File, opts Options, size int) (*Table, error) {
	open := openCSV
	if opts.Format == "jsonl" {
		open = openLines
	}
	opened, err := open(context.Background(), f, opts, size)
	if err != nil {
		return nil, err
	}
	opts.Workers = max(opts.Workers, 1)
	t := &Table{files: []file{opened}, opts: opts}
	t.schema, err = unite(t.files, opts)
	return t, err
}

// dump reads a table as text: the schema, and then a line a row, with <nil> where a value is missing.
func dump(t *Table, columns ...string) (string, error) {
	var rows strings.Builder
	err := Fold(context.Background(), t, Request{Columns: columns}, Folding[string]{
		Start: rows.Reset,
		Part:  func(b *Batch) (string, error) { return dumpBatch(b), nil },
		Merge: func(s Span, p string) error {
			if n := strings.Count(p, "\x1e"); n != s.Rows {
				return fmt.Errorf("%d rows, and the span says %d", n, s.Rows)
			}
			rows.WriteString(p)
			return nil
		},
	})
	return t.Schema().String() + "\n" + strings.ReplaceAll(rows.String(), "\x1e", "\n"), err
}

func dumpBatch(b *Batch) string {
	var out strings.Builder
	for i := range b.Rows {
		for k := range b.Columns {
			c := &b.Columns[k]
			if k > 0 {
				out.WriteByte('|')
			}
			if c.Missing.Has(i) {
				out.WriteString("<nil>")
				continue
			}
			out.Write(c.AppendText(nil, i))
		}
		out.WriteByte('\x1e')
	}
	return out.String()
}

// read is the dump of one file that is read in whole by default, with the words of an error instead if there is one.
func read(f File, opts Options) string {
	t, err := Open(context.Background(), []File{f}, opts)
	if err != nil {
		return "error: " + err.Error()
	}
	defer t.Close()
	out, err := dump(t)
	if err != nil {
		return "error: " + err.Error()
	}
	return out
}

func TestReadText(t *testing.T) {
	for name, c := range map[string]struct {
		file, content string
		opts          Options
		want          string
	}{
		"types": {file: "a.csv", content: "id,price,at,name,day,ok,code\n1,2.5,2013-01-02T03:04:05Z,Anna,2013-01-01,true,007\n2,,2013-01-02 03:04:05+01:00,\"B, \"\"C\"\"\",2013-02-01,False,12\n",
			want: "id int, price float, at time, name text, day date, ok bool, code text\n1|2.5|2013-01-02T03:04:05Z|Anna|2013-01-01|true|007\n2|<nil>|2013-01-02T02:04:05Z|B, \"C\"|2013-02-01|false|12\n"},
		"json lines": {file: "a.jsonl", content: `{"a":1,"b":"x","c":[1,{"z":1,"y":null}]}` + "\n\n" + `{"b":"\u00e9\n","a":null,"d":12345678901234567890}` + "\r\n" + `{"a":2.5,"c":{}}`,
			want: "a float, b text, c nested, d decimal(0)\n1|x|[1,{\"y\":null,\"z\":1}]|<nil>\n<nil>|é\n|<nil>|12345678901234567890\n2.5|<nil>|{}|<nil>\n"},
		"json array": {file: "a.json", content: " \n[ {\"a\":1},\n {\"a\":[\"]\"]} ,{} ]\n", want: "a text\n1\n[\"]\"]\n<nil>\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, read(inMemory(c.file, c.content), c.opts)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
