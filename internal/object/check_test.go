package object

import (
	"encoding/json"
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestCheck(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	for _, good := range []string{
		"1", " null ", `""`, `{"a":1,"b":{"a":2}}`, "[1,-2.5e+7,true]", nested(MaxDepth), `"\ud83d\ude00\/\b"`, "-0", `{"b":1,"a":2}`,
	} {
		if err := Check([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", " ", "1 1", "{", "[", `"`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,}`, "[1,]", "01", "1.", "1e", "+1", ".5", "nul", "tru", "nan",
		`{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"b":1,"a":2,"b":3}`, "\"\xff\"", "\"\x01\"", `"\x"`, `"\u12"`, `"\ud800"`, `"\udc00"`,
		`"\ud800\u0041"`, nested(MaxDepth + 1), "\ufeff1", "'a'", "[1 2]", `{"a" 1}`, strings.Repeat(" ", MaxBytes) + "1",
	} {
		if err := Check([]byte(bad)); err == nil {
			t.Errorf("%.60q passed", bad)
		}
	}
}

func TestDecodeIgnoresUnknownFields(t *testing.T) {
	var v struct{ A int }
	if err := Decode([]byte(`{"A":1,"later":[]}`), &v); err != nil || v.A != 1 {
		t.Errorf("got %+v, %v", v, err)
	}
	if err := Decode([]byte(`{"A":"x"}`), &v); err == nil {
		t.Error("a string became an int")
	}
}

func FuzzCheck(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.50,"x\u00e9"],"b":null}`, `"\ud83d\ude00"`, "[[[]]]", `{"a":1,"a":2}`, "1e-7", "-0"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if Check(b) != nil {
			return
		}
		if !json.Valid(b) {
			t.Fatalf("%q passed the check and is no JSON", b)
		}
		canonical, err := Encode(json.RawMessage(b))
		if err != nil {
			return // a number without an exact form
		}
		if err := Check(canonical); err != nil && len(b) < MaxBytes/6 {
			t.Fatalf("the canonical form of %q fails the check: %v", b, err)
		}
		again, err := Encode(json.RawMessage(canonical))
		if err != nil || string(again) != string(canonical) {
			t.Fatalf("%q is not stable: %q, %v", canonical, again, err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	doc, err := Encode(aSample())
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if err := Check(doc); err != nil {
			b.Fatal(err)
		}
	}
}

func TestDecodeWithin(t *testing.T) {
	long := []byte(`"` + strings.Repeat("x", MaxBytes) + `"`)
	var s string
	if err := Decode(long, &s); fault.KindOf(err) != fault.Integrity {
		t.Errorf("a long text as a record: %v", err)
	}
	if err := DecodeWithin(long, len(long), &s); err != nil || len(s) != MaxBytes {
		t.Errorf("%d bytes, %v", len(s), err)
	}
	if err := DecodeWithin(long, len(long)-1, &s); fault.KindOf(err) != fault.Integrity {
		t.Errorf("one byte too many: %v", err)
	}
}
