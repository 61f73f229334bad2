package dataset

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// textOnly reads every column as text and nothing as missing, in chunks of size; without a header.
func textOnly(content string, size int) ([][]string, error) {
	opts := Options{NoHeader: true, Nulls: []string{}, Comma: ','}
	probe, err := chunked(inMemory("t", content), opts, size)
	if err != nil {
		return nil, err
	}
	for _, f := range probe.Schema() {
		opts.Schema = append(opts.Schema, Field{Name: f.Name, Type: Text})
	}
	tab, err := chunked(inMemory("t", content), opts, size)
	if err != nil {
		return nil, err
	}
	var all [][]string
	for b, err := range tab.Batches(context.Background(), Request{}) {
		if err != nil {
			return nil, err
		}
		for i := range b.Rows {
			var row []string
			for k := range b.Columns {
				row = append(row, string(b.Columns[k].Bytes(i)))
			}
			all = append(all, row)
		}
	}
	return all, nil
}

// FuzzCSV reads as encoding/csv does what both accept, whatever the size of chunks.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"a,b\n1,2\n", "\"a\n\",b\r\n\"x\"\"y\",\n", "a\n\n\"\"\n", "a,b\n1\n", "\"a", "a\"b,c\n", "x,\"y\"z\n", odd(5, true)} {
		f.Add(s, uint8(7))
	}
	f.Fuzz(func(t *testing.T, s string, size uint8) {
		got, err := textOnly(s, max(1, int(size)))
		other, otherErr := textOnly(s, textBlock)
		if (err == nil) != (otherErr == nil) || err == nil && !reflect.DeepEqual(got, other) {
			t.Fatalf("chunks of %d: %q, %v; in one %q, %v", size, got, err, other, otherErr)
		}
		if err != nil {
			return
		}
		if !strings.Contains(s, "\n") && strings.Contains(s, "\r") || strings.Contains(s, "\r\r\n") || strings.HasPrefix(s, "\xef\xbb\xbf") || strings.HasPrefix(s, "\xff\xfe") || strings.HasPrefix(s, "\xfe\xff") {
			return // line ends and marks of its own
		}
		r := csv.NewReader(strings.NewReader(s))
		r.Comma = ','
		want, err := r.ReadAll()
		if err != nil {
			return
		}
		// encoding/csv turns CRLF inside of quotes into LF; here a value stays what it is.
		for _, row := range got {
			for i := range row {
				row[i] = strings.ReplaceAll(row[i], "\r\n", "\n")
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: read %q, encoding/csv %q", s, got, want)
		}
	})
}

// FuzzTable reads anything as anything: it must end, with a table or an error.
func FuzzTable(f *testing.F) {
	f.Add([]byte("a,b\n1,2013-01-01\n"), "csv")
	f.Add([]byte(`{"a":[1,{"b":"\u00e9"}]}`), "jsonl")
	f.Add([]byte(`[{"a":1},{"a":"x"}]`), "jsonl")
	f.Add([]byte("\xff\xfea\x00,\x00b\x00"), "tsv")
	f.Fuzz(func(t *testing.T, content []byte, format string) {
		if format != "csv" && format != "tsv" && format != "jsonl" {
			return
		}
		for _, size := range []int{8, textBlock} {
			tab, err := chunked(inMemory("t", string(content)), Options{Format: format}, size)
			if err != nil {
				continue
			}
			_, err = dump(tab)
			if err != nil && strings.Contains(err.Error(), "settle") {
				t.Fatal(err)
			}
		}
	})
}

// FuzzInt reads a whole number exactly if it is written as it would be written back.
func FuzzInt(f *testing.F) {
	for _, s := range []string{"0", "-0", "007", "+5", "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "99999999999999999999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseInt([]byte(s))
		want, err := strconv.ParseInt(s, 10, 64)
		if ok != (err == nil && strconv.FormatInt(want, 10) == s) || ok && got != want {
			t.Fatalf("%q: %d, %v; strconv %d, %v", s, got, ok, want, err)
		}
	})
}

// FuzzCanonicalJSON agrees with encoding/json on what is JSON and on what it means, and writes what it would write again.
func FuzzCanonicalJSON(f *testing.F) {
	for _, s := range []string{`{"b":[1,2.50,"é\n\ud83d\ude00"],"a":{}}`, `[]`, `"\ud800"`, `-0.5e+7`, `{"a":1,"a":2}`, `nul`, `[1,]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "NI") {
			return
		}
		got, err := canonicalJSON(nil, []byte(s))
		if !json.Valid([]byte(s)) {
			if err == nil {
				t.Fatalf("%q is no JSON and became %q", s, got)
			}
			return
		}
		if err != nil {
			if errors.Is(err, errJSONTwice) || errors.Is(err, errJSONDeep) {
				return
			}
			t.Fatalf("%q: %v", s, err)
		}
		var a, b any
		for _, p := range []struct {
			text []byte
			into *any
		}{{[]byte(s), &a}, {got, &b}} {
			d := json.NewDecoder(bytes.NewReader(p.text))
			d.UseNumber()
			if err := d.Decode(p.into); err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%q became %q", s, got)
		}
		again, err := canonicalJSON(nil, got)
		if err != nil || !bytes.Equal(got, again) {
			t.Fatalf("%q became %q, and then %q, %v", s, got, again, err)
		}
	})
}

// FuzzLines reads records as encoding/json does.
func FuzzLines(f *testing.F) {
	f.Add(`{"a":1,"b":"x\ty"}`, uint8(3))
	f.Add(`{"a":null}`+"\n"+`{"b":true,"c":[1]}`, uint8(200))
	f.Fuzz(func(t *testing.T, s string, size uint8) {
		if !utf8.ValidString(s) || strings.ContainsAny(s, "NI\x00\r") || strings.HasPrefix(s, "\ufeff") || strings.HasPrefix(strings.TrimSpace(s), "[") {
			return
		}
		tab, err := chunked(inMemory("t", s), Options{Format: "jsonl"}, max(1, int(size)))
		if err == nil {
			err = tab.Settle(context.Background())
		}
		rows := 0
		for line := range strings.SplitSeq(s, "\n") {
			if strings.TrimSpace(line) == "" {
				continue
			}
			var record map[string]any
			if bad := json.Unmarshal([]byte(line), &record); bad != nil || record == nil {
				if err == nil {
					t.Fatalf("%q is no record and was read", line)
				}
				return
			}
			rows++
		}
		if err != nil {
			return // what is stricter here: keys twice, and an empty file
		}
		got := 0
		for b, err := range tab.Batches(context.Background(), Request{}) {
			if err != nil {
				t.Fatal(err)
			}
			got += b.Rows
		}
		if got != rows {
			t.Fatalf("%d rows, want %d: %s", got, rows, fmt.Sprint(tab.Schema()))
		}
	})
}
