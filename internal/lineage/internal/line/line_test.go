package line

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	obj "mlx/internal/object"
)

func sample() Header {
	return Header{
		Kind: "run.ended/v1", Nonce: [16]byte{1, 2, 0xff}, LC: 8123, At: 1795426200123456, By: "ana \"x\"\n\u2028é",
		Prev: []obj.Digest{obj.Sum([]byte("a"))}, In: []Input{{"data", obj.Sum([]byte("b"))}, {"code", obj.Sum([]byte("c"))}},
		Op: "op-1", Crit: true, Body: []byte(`{"metrics":{"auc":0.75},"tags":["a","b"]}`),
	}
}

func TestFormatAndParseAgree(t *testing.T) {
	for _, h := range []Header{sample(), {Kind: "a.b/v1", Body: []byte("{}")}} {
		var p Parser
		b, err := p.Format(h)
		if err != nil {
			t.Fatal(err)
		}
		if err := obj.Check(b); err != nil {
			t.Errorf("%s: %v", b, err)
		}
		got, err := p.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		got.BodyAt = 0
		if d := cmp.Diff(h, got); d != "" {
			t.Error(d)
		}
		again, err := p.Format(got)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("a second encoding differs:\n%s\n%s", b, again)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	var p Parser
	b, err := p.Format(sample())
	if err != nil {
		t.Fatal(err)
	}
	good := string(b)
	swap := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("%s not in the sample", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	deep := strings.Repeat(`{"a":`, MaxDepth) + "1" + strings.Repeat("}", MaxDepth)
	for name, bad := range map[string]string{
		"empty": "", "list": "[]", "two values": good + "{}", "trailing comma": swap(`,"v":1}`, `,"v":1,}`),
		"newer version": swap(`"v":1`, `"v":2`), "no version": swap(`,"v":1`, ``), "no kind": swap(`"kind"`, `"kinx"`),
		"bad kind": swap("run.ended/v1", "run/v1"), "upper kind": swap("run.ended/v1", "Run.ended/v1"), "kind version": swap("run.ended/v1", "run.ended/v01"),
		"short nonce": swap("0102ff", "0102"), "upper nonce": swap("0102ff", "0102FF"),
		"huge lc": swap(`"lc":8123`, `"lc":9007199254740992`), "negative lc": swap(`"lc":8123`, `"lc":-1`), "fraction": swap(`"lc":8123`, `"lc":1.5`),
		"time": swap("2026-11-23T", "2026-13-23T"), "short time": swap(".123456Z", ".123Z"), "february": swap("2026-11-23", "2026-02-30"),
		"duplicate key": swap(`"lc":8123`, `"lc":8123,"lc":8123`), "duplicate in body": swap(`"metrics":`, `"metrics":1,"metrics":`),
		"escaped duplicate": swap(`{"metrics":`, `{"metr\u0069cs":1,"metrics":`), "body is a list": swap(`"body":{`, `"body":[{`),
		"too deep": swap(`{"auc":0.75}`, deep), "bad prev": swap(`"prev":["sha256:`, `"prev":["sha512:`),
		"nine prev": swap(`"prev":[`, `"prev":[`+strings.Repeat(`"`+obj.Sum(nil).String()+`",`, 8)),
		"bad utf-8": swap("ana", "an\xff"), "control": swap("op-1", "op\x01"), "bad escape": swap("op-1", `op\x`), "lone surrogate": swap("op-1", `\ud800`),
		"leading zero": swap("0.75", "00.75"), "no digits": swap("0.75", "."), "nan": swap("0.75", "NaN"), "hex": swap("0.75", "0x1"),
		"newline between": swap(`,"lc"`, ",\v\"lc\""), "too long": swap("op-1", strings.Repeat("x", MaxBytes)),
	} {
		if _, err := p.Parse([]byte(bad)); err == nil {
			t.Errorf("%s: accepted %.300s", name, bad)
		}
	}
	for name, fine := range map[string]string{
		"unknown key": swap(`,"v":1}`, `,"v":1,"zz":{"a":[1,2,{}]}}`), "spaces": swap(`"lc":8123`, "\"lc\" : \t8123"),
		"unsorted": swap(`{"at"`, `{"zz":1,"at"`), "pair": swap("op-1", `\ud83d\ude00`),
	} {
		if _, err := p.Parse([]byte(fine)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzParse compares the scanner with the strict check of package object, which is written independently, and looks for a line that
// parses but whose content would be written differently from what a writer writes.
func FuzzParse(f *testing.F) {
	var p Parser
	b, err := p.Format(sample())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"a":[1,-0.5e+3,true,null,"\u00e9\ud83d\ude00"]}`))
	f.Add([]byte(`{"b":1,"a":{},"b":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Parser
		h, err := p.Parse(b)
		if err != nil {
			return
		}
		if err := obj.Check(b); err != nil {
			t.Fatalf("accepted %q, but: %v", b, err)
		}
		if err := obj.Check(h.Body); err != nil {
			t.Fatalf("body %q: %v", h.Body, err)
		}
		again, err := p.Format(h)
		if err != nil {
			t.Fatalf("%q cannot be written again: %v", b, err)
		}
		h2, err := p.Parse(again)
		h.BodyAt, h2.BodyAt = 0, 0
		if err != nil || cmp.Diff(h, h2) != "" {
			t.Fatalf("%q does not survive: %v %s", b, err, cmp.Diff(h, h2))
		}
	})
}
