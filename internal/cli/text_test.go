package cli

import "testing"

// Values of one block begin in one column, whatever stands between the labelled lines; a line that belongs to no block ends it.
func TestKeyValueAligns(t *testing.T) {
	x := &Text{tty: true}
	x.Line(Str("run"))
	x.KeyValue(2, "code", Str("a"))
	x.Rows(4, [][]Cell{{Str("pass"), Str("auc")}})
	x.Rows(2, nil)
	x.KeyValue(2, "experiment", Str("b"))
	x.KeyRows(2, "curves", [][]Cell{{Str("loss"), Str("1")}, {Str("a"), Str("2")}})
	x.Line(Str("model"))
	x.KeyValue(2, "code", Str("c"))
	const want = "run\n  code        a\n    pass  auc\n  experiment  b\n  curves      loss  1\n              a     2\nmodel\n  code      c\n"
	if got := string(x.bytes()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	p := &Text{}
	p.KeyValue(2, "code", Str("a"))
	p.KeyRows(2, "experiment", [][]Cell{{Str("b"), Str("1")}})
	if got := string(p.bytes()); got != "code\ta\nexperiment\tb\t1\n" {
		t.Errorf("a program gets %q", got)
	}
}
