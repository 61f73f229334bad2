package cli

import (
	"bytes"
	"errors"
	"iter"
	"strings"
	"testing"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

type view struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// at returns streams into buffers, with a clock that stands still.
func at(tty bool) (s *Streams, out, err *bytes.Buffer) {
	out, err = new(bytes.Buffer), new(bytes.Buffer)
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	return &Streams{Out: out, Err: err, OutTTY: tty, ErrTTY: tty, Hints: true, Now: func() time.Time { return now }}, out, err
}

func same(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func snapshotText(t *Text) {
	t.Line(Fmt("snapshot %s", ID(object.Sum(nil))), Path("data/flights"), Num(3, "file"), Bytes(7_400_000),
		Fmt("(%s stored)", Bytes(1_900_000)), Shown(RolePlain, "for people"))
}

func TestEmit(t *testing.T) {
	s, out, _ := at(true)
	if err := s.Emit(view{"a<b", 1}, snapshotText); err != nil {
		t.Fatal(err)
	}
	same(t, out.String(), "snapshot e3b0c44298fc  data/flights  3 files  7.4 MB  (1.9 MB stored)  for people\n")

	s, out, _ = at(false)
	_ = s.Emit(view{"a<b", 1}, snapshotText)
	same(t, out.String(), object.Sum(nil).Hex()+"\tdata/flights\t3\t7400000\t1900000\n")

	s, out, _ = at(true)
	s.JSON, s.Quiet = true, true
	_ = s.Emit(view{"a<b", 1}, snapshotText)
	same(t, out.String(), `{"name":"a<b","n":1}`+"\n")
	if err := s.Emit(func() {}, nil); err == nil || strings.Count(out.String(), "\n") != 1 {
		t.Errorf("a value that is no JSON left %q, %v", out, err)
	}
}

func TestEmitVerdictUnderQuiet(t *testing.T) {
	text := func(t *Text) { t.Line(Str("verdict")) }
	for _, c := range []struct {
		quiet, failed bool
		want          string
	}{{false, false, "verdict\n"}, {true, false, ""}, {true, true, "verdict\n"}} {
		s, out, _ := at(false)
		s.Quiet = c.quiet
		_ = s.EmitVerdict(view{}, c.failed, text)
		same(t, out.String(), c.want)
	}
}

func rowsOf(err error) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		for i, name := range []string{"first", "second\trow"} {
			item := Item{view{name, i}, []Cell{Time(time.Date(2026, 11, 23, 11, 59, 48, 0, time.UTC)), Str(name), Count(1234)}}
			if !yield(item, nil) {
				return
			}
		}
		if err != nil {
			yield(Item{}, err)
		}
	}
}

func TestList(t *testing.T) {
	header := []string{"WHEN", "NAME", "N"}
	s, out, _ := at(true)
	_ = s.List(header, rowsOf(nil))
	same(t, out.String(), "WHEN      NAME        N\n12 s ago  first       1,234\n12 s ago  second row  1,234\n")

	s, out, _ = at(false)
	_ = s.List(header, rowsOf(nil))
	same(t, out.String(), "2026-11-23T11:59:48Z\tfirst\t1234\n2026-11-23T11:59:48Z\tsecond row\t1234\n")

	s, out, _ = at(true)
	s.JSON = true
	stop := errors.New("stop")
	if err := s.List(header, rowsOf(stop)); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	_ = s.Flush()
	same(t, out.String(), `{"name":"first","n":0}`+"\n"+`{"name":"second\trow","n":1}`+"\n")

	s, out, _ = at(true)
	s.Width = 12
	_ = s.List(header, rowsOf(nil))
	same(t, out.String(), "WHEN      N…\n12 s ago  f…\n12 s ago  s…\n")
}

func TestBlocksOfText(t *testing.T) {
	text := func(t *Text) {
		t.Heading(Word(RoleBold, "metrics"))
		t.KeyValue(2, "auc", Float(0.741), Delta(-0.006))
		t.Rows(2, [][]Cell{{Str("pass"), Str("auc")}, {Str("inconclusive"), Str("loss")}})
		t.Indented(4, Quoted("her\nwords"), Duration(1500*time.Millisecond), Change(12), Hex("sha256:abcdef", 4))
	}
	s, out, _ := at(true)
	_ = s.Emit(nil, text)
	same(t, out.String(), "metrics\n  auc       0.741  -0.006\n  pass          auc\n  inconclusive  loss\n"+
		"    \"her words\"  1.5 s  +12 B  abcd\n")
	s, out, _ = at(false)
	_ = s.Emit(nil, text)
	same(t, out.String(), "auc\t0.741\t-0.006\npass\tauc\ninconclusive\tloss\nher words\t1.5\t12\tabcdef\n")
}

func TestColorOnlyRepeats(t *testing.T) {
	s, out, _ := at(true)
	s.Color = true
	_ = s.Emit(nil, func(t *Text) { t.Line(Word(RoleFail, "fail"), Word(RolePlain, "\x1b[31mx")) })
	if got := out.String(); !strings.Contains(got, "\x1b[") || clean(strings.TrimSpace(got)) != "fail  x" {
		t.Errorf("got %q", got)
	}
}

func TestForcedColorInAPipe(t *testing.T) {
	s, out, _ := at(false)
	s.Color = true
	_ = s.Emit(nil, func(t *Text) { t.Line(Word(RoleFail, "fail"), Count(1000)) })
	if got := out.String(); !strings.Contains(got, "\x1b[") || dropEscapes(got) != "fail\t1000\n" {
		t.Errorf("got %q", got)
	}
}

func TestFail(t *testing.T) {
	err := fault.New(fault.NotFound, "cannot read %s: %w", "x", errors.New("it is\ngone")).
		Hint("one").Hint("two   # reason").Hint("three")
	s, out, errs := at(false)
	if status := s.Fail(err); status != 2 {
		t.Errorf("status %d", status)
	}
	same(t, errs.String(), "mlx: cannot read x: it is gone\nhint: one\nhint: two   # reason\n")
	same(t, out.String(), "")

	s, _, errs = at(false)
	s.JSON = true
	s.FailAs(err.In(fault.Position{File: "f", Line: 3}), 125)
	same(t, errs.String(), `{"kind":"error/v1","error":"not-found","message":"cannot read x","cause":"it is\ngone",`+
		`"hints":["one","two   # reason","three"],"retryable":false,"status":125,"at":{"file":"f","line":3,"column":null},"refs":[]}`+"\n")

	s, _, errs = at(false)
	if status := s.Fail(fault.New(fault.Interrupted, "whatever")); status != 130 {
		t.Errorf("status %d", status)
	}
	same(t, errs.String(), "mlx: interrupted\n")
}

func TestNotesAndHints(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(*Streams)
		want string
	}{
		{"terminal", func(*Streams) {}, "a note\nhint: mlx log   # see it\n"},
		{"pipe", func(s *Streams) { s.ErrTTY = false }, "a note\n"},
		{"quiet", func(s *Streams) { s.Quiet = true }, ""},
		{"no hints", func(s *Streams) { s.Hints = false }, "a note\n"},
		{"verbose", func(s *Streams) { s.Verbose, s.ErrTTY = true, false }, "a note\nbecause\n"},
		{"json", func(s *Streams) { s.JSON = true }, `{"kind":"note/v1","text":"a note"}` + "\n"},
	} {
		s, _, errs := at(true)
		c.set(s)
		s.Note("a %s", "note")
		s.Why("because")
		s.Hint("mlx log", "see it")
		if errs.String() != c.want {
			t.Errorf("%s: got %q, want %q", c.name, errs, c.want)
		}
	}
}

func TestWantColor(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		tty  bool
		want bool
	}{
		{nil, true, true},
		{nil, false, false},
		{map[string]string{"NO_COLOR": "1"}, true, false},
		{map[string]string{"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, true, false},
		{map[string]string{"CLICOLOR_FORCE": "1"}, false, true},
		{map[string]string{"CLICOLOR_FORCE": "0"}, false, false},
		{map[string]string{"CLICOLOR": "0"}, true, false},
		{map[string]string{"TERM": "dumb"}, true, false},
	} {
		if got := wantColor(c.tty, func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%v on a terminal %v: got %v", c.env, c.tty, got)
		}
	}
	s, _, _ := at(false)
	if err := s.SetColor(ColorAlways); err != nil || !s.Color || !s.ErrColor {
		t.Error("always is not always")
	}
	if err := s.SetColor("sometimes"); fault.KindOf(err) != fault.Usage {
		t.Errorf("got %v", err)
	}
}

// TestAskNobody: where no person can answer, nobody is asked and nothing is written.
func TestAskNobody(t *testing.T) {
	for _, json := range []bool{false, true} {
		var errs bytes.Buffer
		s := &Streams{In: strings.NewReader("y\n"), Err: &errs, ErrTTY: true, JSON: json}
		if yes, err := s.Ask(t.Context(), "really?"); yes || fault.KindOf(err) != fault.Usage || errs.Len() > 0 {
			t.Errorf("json %v: %v %v %q", json, yes, err, errs.String())
		}
	}
}
