package dataset

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"mlx/internal/fault"
)

func zipped(text string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = io.WriteString(z, text)
	_ = z.Close()
	return b.String()
}

func zstded(text string) string {
	w, _ := zstd.NewWriter(nil)
	return string(w.EncodeAll([]byte(text), nil))
}

func utf16Text(text string, big bool) string {
	b := []byte{0xff, 0xfe}
	if big {
		b = []byte{0xfe, 0xff}
	}
	for _, u := range utf16.Encode([]rune(text)) {
		if big {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return string(b)
}

// noisy is enough random text that compression leaves something to cut.
func noisy() string {
	var b strings.Builder
	b.WriteString("a,b\n")
	x := uint32(1)
	for i := range 5000 {
		x = x*1664525 + 1013904223
		fmt.Fprintf(&b, "%d,%x\n", i, x)
	}
	return b.String()
}

// TestBadText holds what a reader of text tables must survive: either it reads it as said here, or one line says what is wrong, where.
func TestBadText(t *testing.T) {
	const two = "a,b\n1,x\n2,y\n"
	const rows = "a int, b text\n1|x\n2|y\n"
	long := strings.Repeat("x", 10<<20)
	schema := func(fields ...Field) Options { return Options{Schema: fields} }
	for name, c := range map[string]struct {
		file    string // t.csv
		content string
		opts    Options
		want    string
	}{
		"ragged, too few":            {content: "a,b\n1,2\n3\n4,5\n", want: "error: cannot read t.csv: line 3 has 1 value, the table 2 columns"},
		"ragged, too many":           {content: "a,b\n1,2\n\n\"x\ny\",5\n3,4,5\n", want: "error: cannot read t.csv: line 6 has 3 values, the table 2 columns"},
		"wrong type":                 {content: "a,b\n1,2\nx,3\n", opts: schema(Field{Name: "a", Type: Int}), want: `error: cannot read t.csv: line 3, column "a": "x" is no int`},
		"wrong type in quotes":       {content: "a,b\n\"1\n\",\"2\"\"\"\n", opts: schema(Field{Name: "b", Type: Float}), want: `error: cannot read t.csv: line 3, column "b": "2\"" is no float`},
		"fractions of an int":        {content: "a\n1.5\n", opts: schema(Field{Name: "a", Type: Int}), want: `error: cannot read t.csv: line 2, column "a": "1.5" is no int`},
		"no such date":               {content: "a\n2013-02-30\n", opts: schema(Field{Name: "a", Type: Date}), want: `error: cannot read t.csv: line 2, column "a": "2013-02-30" is no date`},
		"too exact a decimal":        {content: "a\n12.30\n1.234\n", opts: schema(Field{Name: "a", Type: Decimal, Scale: 2}), want: `error: cannot read t.csv: line 3, column "a": "1.234" is no decimal(2)`},
		"decimals":                   {content: "a\n12.3\n-0.05\n12345678901234567890.12\n", opts: schema(Field{Name: "a", Type: Decimal, Scale: 2}), want: "a decimal(2)\n12.30\n-0.05\n12345678901234567890.12\n"},
		"lenient where fixed":        {content: "a,b,c\n007,1,00.5\n+8,FALSE,1\n", opts: schema(Field{Name: "a", Type: Int}, Field{Name: "b", Type: Bool}, Field{Name: "c", Type: Float}), want: "a int, b bool, c float\n7|true|0.5\n8|false|1\n"},
		"empty":                      {content: "", want: "error: cannot read t.csv: it is empty"},
		"blank lines only":           {content: "\n\r\n\n", want: "error: cannot read t.csv: it is empty"},
		"header only":                {content: "a,b", want: "a null, b null\n"},
		"nothing but missing":        {content: "a,b\n,NA\nNULL,\n", want: "a null, b null\n<nil>|<nil>\n<nil>|<nil>\n"},
		"duplicate names":            {content: "a,b,a\n1,2,3\n", want: `error: cannot read t.csv: columns 1 and 3 are both called "a"`},
		"empty names":                {content: ",b,\n1,2,3\n", want: "column_1 int, b int, column_3 int\n1|2|3\n"},
		"byte order mark":            {content: "\xef\xbb\xbf" + two, want: rows},
		"UTF-16, little":             {content: utf16Text("a,b\n1,€😀\n", false), want: "a int, b text\n1|€😀\n"},
		"UTF-16, big":                {content: utf16Text("a,b\n1,€😀\n", true), want: "a int, b text\n1|€😀\n"},
		"UTF-16, half":               {content: utf16Text("a,b\n1,€\n", false) + "\x3d\xd8", want: "error: cannot read t.csv: line 3: the UTF-16 text has half of a character"},
		"UTF-16 without mark":        {content: utf16Text("a,b\n1,x\n", false)[2:], want: "error: cannot read t.csv: it is UTF-16 without a byte order mark"},
		"UTF-32":                     {content: "\xff\xfe\x00\x00a\x00\x00\x00", want: "error: cannot read t.csv: it is UTF-32"},
		"Latin-1":                    {content: "a,b\n1,x\n2,M\xfcller\n", want: "error: cannot read t.csv: line 3, column 4 is byte 0xfc, which is no UTF-8"},
		"NUL":                        {content: "a,b\n1,x\n" + strings.Repeat("2,y\n", 20) + "3,\x00\n", want: "error: cannot read t.csv: line 23, column 3 is a NUL byte: the file is damaged or no text"},
		"CRLF":                       {content: "a,b\r\n1,x\r\n2,y\r\n", want: rows},
		"CRLF and quotes":            {content: "a,b\r\n1,\"x\"\r\n2,\"y\"", want: rows},
		"CR":                         {content: "a,b\r1,x\r2,y\r", want: rows},
		"CR in LF":                   {content: "a,b\n1,x\ry\n", want: "a int, b text\n1|x\ry\n"},
		"no final newline":           {content: "a,b\n1,x\n2,y", want: rows},
		"quotes":                     {content: "\"a\",\"b\"\n1,\"x, \"\"y\"\"\nz\"\n2,\"\"\n", want: "a int, b text\n1|x, \"y\"\nz\n2|<nil>\n"},
		"quotes inside":              {content: "a,b\n1,5\" pipe\n2,say \"x\"\n", want: "a int, b text\n1|5\" pipe\n2|say \"x\"\n"},
		"unclosed quote":             {content: "a,b\n1,\"x\n2,y\n3,z\n", want: "error: cannot read t.csv: line 2 opens a quote that nothing closes"},
		"quote closed too early":     {content: "a,b\n1,x\n2,\"y\"z\n", want: "error: cannot read t.csv: line 3 closes a quote in the middle of a value; a quote inside of quotes is written twice"},
		"10 MiB line":                {content: "a,b\n1," + long + "\n", want: "a int, b text\n1|" + long + "\n"},
		"endless line":               {content: "a,b\n1," + strings.Repeat(long, 7), want: "error: cannot read t.csv: line 2 is longer than 64 MiB"},
		"endless quote":              {content: "a,b\n1,\"\n" + strings.Repeat(long, 7), want: "error: cannot read t.csv: line 2 opens a quote that nothing closes within 64 MiB"},
		"semicolons":                 {content: "a;b\n1;1,5\n2;2,5\n", want: "a int, b text\n1|1,5\n2|2,5\n"},
		"tabs":                       {content: "a\tb\n1\tx,x\n2\ty\n", want: "a int, b text\n1|x,x\n2|y\n"},
		"bars":                       {content: "a|b\n1|x\n2|y\n", want: rows},
		"a separator that is said":   {content: "a:b\n1:x\n2:y\n", opts: Options{Comma: ':'}, want: rows},
		"a separator that cannot be": {content: two, opts: Options{Comma: '€'}, want: "error: cannot read t.csv: the separator cannot be '€'"},
		"NaN words":                  {content: "a,b\nNaN,inf\n1,-Infinity\n,2\n", want: "a float, b float\nNaN|+Inf\n1|-Inf\n<nil>|2\n"},
		"other null words":           {content: "a,b\n-999,x\n1,NA\n,\n", opts: Options{Nulls: []string{"-999", ""}}, want: "a int, b text\n<nil>|x\n1|NA\n<nil>|<nil>\n"},
		"int64 overflow":             {content: "a,b\n9223372036854775808,9223372036854775807\n-1,-9223372036854775808\n", want: "a decimal(0), b int\n9223372036854775808|9223372036854775807\n-1|-9223372036854775808\n"},
		"large ids in floats":        {content: "a,b\n9007199254740993,10000000000000000000000\n0.5,0.5\n", want: "a text, b float\n9007199254740993|1e+22\n0.5|0.5\n"},
		"leading zeros":              {content: "a,b\n00123,0\n7,-0\n", want: "a text, b float\n00123|0\n7|-0\n"},
		"too large a float":          {content: "a\n1e999\n1\n", want: "a text\n1e999\n1\n"},
		"blanks around":              {content: "a , b\n 1,x \n2 , \n", want: "a int, b text\n1|x \n2| \n"},
		"bool and int":               {content: "a,b\ntrue,TRUE\n1,false\n", want: "a text, b bool\ntrue|true\n1|false\n"},
		"mixed dates":                {content: "a,b,c,d\n2013-01-02,2013-01-02,2013-01-02 10:00,10:00\n02/01/2013,2013-01-02 10:00:00.5,2013-01-02T10:00Z,10:00:01\n", want: "a text, b time, c text, d clock\n2013-01-02|2013-01-02T00:00:00|2013-01-02 10:00|10:00:00\n02/01/2013|2013-01-02T10:00:00.5|2013-01-02T10:00Z|10:00:01\n"},
		"a zone for naive times":     {content: "a\n2013-07-01 12:00\n2013-01-01T12:00:00+05:30\n2013-01-01\n", opts: Options{TimeZone: "Europe/Berlin"}, want: "a time\n2013-07-01T10:00:00Z\n2013-01-01T06:30:00Z\n2012-12-31T23:00:00Z\n"},
		"no such zone":               {content: two, opts: Options{TimeZone: "Mars/Base"}, want: `error: cannot read times: there is no time zone "Mars/Base"`},
		"missing column":             {content: two, opts: schema(Field{Name: "bb", Type: Text}), want: `error: cannot read t.csv: it has no column "bb", which the schema names`},
		"case-changed column":        {content: two, opts: schema(Field{Name: "B", Type: Text}), want: `error: cannot read t.csv: it has no column "B", which the schema names`},
		"extra column":               {content: two, opts: Options{Exact: true, Schema: Schema{{Name: "a", Type: Int}}}, want: `error: cannot read t.csv: it has a column "b", which the schema does not name`},
		"reordered columns":          {content: two, opts: Options{Exact: true, Schema: Schema{{Name: "b", Type: Text}, {Name: "a", Type: Float}}}, want: "a float, b text\n1|x\n2|y\n"},
		"injection":                  {content: "a,b\n=1+1,<script>alert(1)</script>\n@x,\x1b[31mred\n-2+3,| a | `b` |\n", want: "a text, b text\n=1+1|<script>alert(1)</script>\n@x|\x1b[31mred\n-2+3|| a | `b` |\n"},
		"binary":                     {content: "\x7fELF\x02\x01\x00\x00\x00,\n", want: "error: cannot read t.csv as text: it is binary"},
		"Parquet by another name":    {content: "PAR1\x15\x04", want: "error: cannot read t.csv as text: it is a Parquet file"},
		"a spreadsheet":              {file: "t", content: "PK\x03\x04\x14\x00", want: "error: cannot read t as text: it is a zip archive (Excel files are such)"},
		"no header, inferred":        {content: "5.1,3.5,setosa\n4.9,3.0,setosa\n", want: "column_1 float, column_2 float, column_3 text\n5.1|3.5|setosa\n4.9|3|setosa\n"},
		"no header, by texts":        {content: "x,1\ny,2\nx,3\n", want: "column_1 text, column_2 int\nx|1\ny|2\nx|3\n"},
		"years as names":             {content: "country,2012,2013\nDE,1,2\nFR,3,4\n", want: "country text, 2012 int, 2013 int\nDE|1|2\nFR|3|4\n"},
		"positions as names":         {content: "0,1\n5,6\n", want: "0 int, 1 int\n5|6\n"},
		"no header, said":            {content: "a,b\nc,d\n", opts: Options{NoHeader: true}, want: "column_1 text, column_2 text\na|b\nc|d\n"},
		"one column":                 {content: "a\n1\n\n2\n", want: "a int\n1\n2\n"},
		"tsv":                        {file: "t.tsv", content: "a\tb\n1\tx\n", want: "a int, b text\n1|x\n"},
		"gzip":                       {content: zipped(two), want: rows},
		"gzip, by name":              {file: "t.csv.gz", content: zipped(two), want: rows},
		"gzip, two members":          {content: zipped("a,b\n1,x\n") + zipped("2,y\n"), want: rows},
		"gzip, cut off":              {content: zipped(noisy())[:9000], want: "error: cannot read t.csv: its gzip data ends too early: the file is cut off"},
		"gzip, garbage behind":       {content: zipped(two) + "garbage that is no member", want: "error: cannot read t.csv: its gzip data is damaged, or something else follows it"},
		"gzip in gzip":               {content: zipped(zipped(two)), want: "error: cannot read t.csv as text: it is gzip inside of gzip"},
		"zstd":                       {file: "t.csv.zst", content: zstded(two), want: rows},
		"zstd, cut off":              {content: zstded(noisy())[:9000], want: "error: cannot read t.csv: its zstd data ends too early: the file is cut off"},
		"JSON: no object":            {file: "t.jsonl", content: "{\"a\":1}\n[1]\n", want: "error: cannot read t.jsonl: line 2, column 1: a record must be an object"},
		"JSON: ends early":           {file: "t.jsonl", content: "{\"a\":1}\n{\"a\":\n", want: "error: cannot read t.jsonl: line 2, column 6: it ends too early"},
		"JSON: two in a line":        {file: "t.jsonl", content: "{\"a\":1} {\"a\":2}\n", want: "error: cannot read t.jsonl: line 1, column 9: something follows the record"},
		"JSON: a key twice":          {file: "t.jsonl", content: "{\"a\":1,\"a\":2}\n", want: "error: cannot read t.jsonl: line 1, column 13: a key of an object stands twice"},
		"JSON: too deep":             {file: "t.jsonl", content: "{\"a\":" + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + "}\n", want: "error: cannot read t.jsonl: line 1, column 107: it is nested more than 100 deep"},
		"JSON: exact":                {file: "t.jsonl", content: "{\"a\":1}\n{\"a\":2,\"b\":3}\n", opts: Options{Exact: true, Schema: Schema{{Name: "a", Type: Int}}}, want: `error: cannot read t.jsonl: it has a column "b", which the schema does not name`},
		"JSON: wrong type":           {file: "t.jsonl", content: "{\"a\":1}\n{\"a\":\"x\"}\n", opts: schema(Field{Name: "a", Type: Int}), want: `error: cannot read t.jsonl: line 2, column "a": "x" is no int`},
		"JSON: array not closed":     {file: "t.json", content: "[{\"a\":1},\n{\"a\":2}", want: "error: cannot read t.json: line 2: the array is not closed"},
		"JSON: behind the array":     {file: "t.json", content: "[{\"a\":1}]\n{}", want: "error: cannot read t.json: line 2: something follows the array"},
		"JSON: text and numbers":     {file: "t.jsonl", content: "{\"a\":\"007\",\"b\":\"2013-01-01\",\"c\":NaN,\"d\":true}\n{\"a\":\"8\",\"c\":1}\n", want: "a text, b date, c float, d bool\n007|2013-01-01|NaN|true\n8|<nil>|1|<nil>\n"},
		"JSON: empty":                {file: "t.jsonl", content: "", want: "error: cannot read t.jsonl: it is empty"},
		"JSON: empty array":          {file: "t.json", content: "[]", want: "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			file := c.file
			if file == "" {
				file = "t.csv"
			}
			if got := read(inMemory(file, c.content), c.opts); got != c.want {
				if len(got) > 1000 {
					got = got[:1000]
				}
				t.Errorf("read\n%s\nwant\n%.1000s", got, c.want)
			}
		})
	}
}

// TestBadTextIsTheUsersFault holds that what is wrong with a file is no defect of mlx, and says the place.
func TestBadTextIsTheUsersFault(t *testing.T) {
	_, err := Open(context.Background(), []File{inMemory("t.csv", "a,b\n1,2\n3\n")}, Options{})
	if at := fault.At(err); fault.KindOf(err) != fault.Usage || at == nil || at.Line != 3 || at.File != "t.csv" {
		t.Errorf("%v is %v at %v", err, fault.KindOf(err), at)
	}
	_, err = Open(context.Background(), []File{inMemory("t.csv", "age,b\n1,x\n")}, Options{Schema: Schema{{Name: "Age", Type: Int}}})
	if diff := cmp.Diff([]string{`did the schema mean "age"?`}, fault.Hints(err)); diff != "" {
		t.Error(diff)
	}
	_, err = Open(context.Background(), []File{inMemory("t.csv", "a\nM\xfcller\n")}, Options{})
	if len(fault.Hints(err)) != 1 {
		t.Errorf("no hint for Latin-1: %v", err)
	}
}

func TestNoFile(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]struct {
		message string
		kind    fault.Kind
	}{
		"folder":   {"cannot read folder: it is a folder", fault.Usage},
		"none.csv": {"cannot read none.csv: no such file or directory", fault.NotFound},
	} {
		if name == "folder" {
			if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		f := File{Name: name, Open: func(context.Context) (io.ReadCloser, error) { return os.Open(filepath.Join(dir, name)) }}
		_, err := Open(context.Background(), []File{f}, Options{})
		if err == nil || err.Error() != want.message || fault.KindOf(err) != want.kind {
			t.Errorf("%s: %v (%v)", name, err, fault.KindOf(err))
		}
	}
}

// brokenReader fails in the middle.
type brokenReader struct{ io.Reader }

func (r brokenReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = errors.New("the disk is gone")
	}
	return n, err
}

func TestReadErrorIsNoEnd(t *testing.T) {
	f := File{Name: "t.csv", Open: func(context.Context) (io.ReadCloser, error) {
		return io.NopCloser(brokenReader{strings.NewReader("a,b\n1,2\n")}), nil
	}}
	if got := read(f, Options{}); got != "error: cannot read t.csv: the disk is gone" {
		t.Error(got)
	}
}
