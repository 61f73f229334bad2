package object

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
)

// TestNumbersOfTheRFC holds the samples of RFC 8785, appendix B.
func TestNumbersOfTheRFC(t *testing.T) {
	for bits, want := range map[uint64]string{
		0x0000000000000000: "0",
		0x0000000000000001: "5e-324",
		0x8000000000000001: "-5e-324",
		0x7fefffffffffffff: "1.7976931348623157e+308",
		0xffefffffffffffff: "-1.7976931348623157e+308",
		0x4340000000000000: "9007199254740992",
		0xc340000000000000: "-9007199254740992",
		0x4430000000000000: "295147905179352830000",
		0x44b52d02c7e14af5: "9.999999999999997e+22",
		0x44b52d02c7e14af6: "1e+23",
		0x44b52d02c7e14af7: "1.0000000000000001e+23",
		0x444b1ae4d6e2ef4e: "999999999999999700000",
		0x444b1ae4d6e2ef4f: "999999999999999900000",
		0x444b1ae4d6e2ef50: "1e+21",
		0x3eb0c6f7a0b5ed8c: "9.999999999999997e-7",
		0x3eb0c6f7a0b5ed8d: "0.000001",
		0x41b3de4355555553: "333333333.3333332",
		0x41b3de4355555554: "333333333.33333325",
		0x41b3de4355555555: "333333333.3333333",
		0x41b3de4355555556: "333333333.3333334",
		0x41b3de4355555557: "333333333.33333343",
		0xbecbf647612f3696: "-0.0000033333333333333333",
		0x43143ff3c1cb0959: "1424953923781206.2",
	} {
		got, err := Encode(math.Float64frombits(bits))
		if err != nil || string(got) != want {
			t.Errorf("%016x: got %s, %v; want %s", bits, got, err, want)
		}
	}
}

// TestTextOfTheRFC holds the samples of RFC 8785, sections 3.2.2 and 3.2.3.
func TestTextOfTheRFC(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{
			`{"numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
			  "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/", "literals": [null, true, false]}`,
			`{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],` +
				`"string":"€$\u000f\nA'B\"\\\\\"/"}`,
		},
		{
			`{"\u20ac":"Euro Sign","\r":"Carriage Return","\ufb33":"Hebrew Letter Dalet With Dagesh","1":"One",` +
				`"\ud83d\ude00":"Emoji: Grinning Face","\u0080":"Control","\u00f6":"Latin Small Letter O With Diaeresis"}`,
			"{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u0080\":\"Control\",\"ö\":\"Latin Small Letter O With Diaeresis\"," +
				"\"€\":\"Euro Sign\",\"😀\":\"Emoji: Grinning Face\",\"\ufb33\":\"Hebrew Letter Dalet With Dagesh\"}",
		},
	} {
		got, err := Encode(json.RawMessage(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("got  %s, %v\nwant %s", got, err, c.want)
		}
	}
}

type inner struct {
	Z     int    `json:"z"`
	Empty string `json:"empty,omitempty"`
}

type sample struct {
	inner
	B       []byte
	Digest  Digest          `json:"digest"`
	None    Digest          `json:"none,omitzero"`
	Raw     json.RawMessage `json:"raw"`
	Map     map[string]any  `json:"map"`
	IntMap  map[int]string  `json:"int_map"`
	Digests map[Digest]bool `json:"digests"`
	At      time.Time       `json:"at"`
	Nil     *int            `json:"nil"`
	NilList []string        `json:"nil_list"`
	List    []any           `json:"list"`
	Skip    string          `json:"-"`
	F32     float32         `json:"f32"`
	U       uint8           `json:"u"`
	Number  json.Number     `json:"number"`
	Fixed   [2]bool         `json:"fixed"`
	Any     any             `json:"any"`
	private int             //nolint:unused // must not appear
}

func aSample() sample {
	return sample{
		inner: inner{Z: 7}, B: []byte{1, 2, 255}, Digest: Sum(nil), Raw: json.RawMessage(` {"b": 1.50, "a" : [ ] }`),
		Map: map[string]any{"é": 1, "a": nil, "<": "&\u2028"}, IntMap: map[int]string{10: "x", 9: "y"},
		Digests: map[Digest]bool{Sum([]byte("k")): true}, At: time.Date(2026, 11, 23, 16, 2, 11, 5000, time.UTC),
		List: []any{1.5, "two", false, map[string]int{}}, F32: 0.1, Number: "12.50", Any: &inner{Z: 1, Empty: "no"},
	}
}

// TestEncodeAgreesWithEncodingJSON: apart from order, white space and number format, the two say the same.
func TestEncodeAgreesWithEncodingJSON(t *testing.T) {
	v := aSample()
	got, err := Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	std, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Encode(json.RawMessage(std))
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if err := Check(got); err != nil {
		t.Error(err)
	}
}

func TestEncodeRefuses(t *testing.T) {
	deep := any(1)
	for range MaxDepth + 1 {
		deep = []any{deep}
	}
	for name, v := range map[string]any{
		"NaN": math.NaN(), "Inf": math.Inf(-1), "-0": math.Copysign(0, -1), "int": int64(1 << 53), "-int": int64(-1 << 53),
		"uint": uint64(1 << 53), "UTF-8": "\xff", "key": map[string]int{"\xff": 1}, "raw -0": json.RawMessage("-0"),
		"raw int": json.RawMessage("9007199254740993"), "raw big": json.RawMessage("1e400"), "func": func() {},
		"raw duplicate": json.RawMessage(`{"a":1,"\u0061":2}`), "raw rest": json.RawMessage("1 2"), "deep": deep,
		"raw deep": json.RawMessage(strings.Repeat("[", 33) + strings.Repeat("]", 33)), "chan": make(chan int),
		"lone surrogate": json.RawMessage(`"\ud800"`),
	} {
		if got, err := Encode(v); err == nil {
			t.Errorf("%s: encoded as %.80s", name, got)
		}
	}
}

// TestEncodeIsStable: what Encode wrote is its own canonical form, also for floats that look like large integers.
func TestEncodeIsStable(t *testing.T) {
	for _, v := range []any{aSample(), 1e18, 9007199254740994.0, 1e-7, "\u2028</script>", []any{}, map[string]any{}} {
		once, err := Encode(v)
		if err != nil {
			t.Fatal(err)
		}
		twice, err := Encode(json.RawMessage(once))
		if err != nil || string(twice) != string(once) {
			t.Errorf("%s became %s, %v", once, twice, err)
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	v := map[string]any{"kind": "run.ended/v1", "body": aSample()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Encode(v); err != nil {
			b.Fatal(err)
		}
	}
}
