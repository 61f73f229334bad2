package run

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

func TestMaskText(t *testing.T) {
	key := "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA7\n-----END KEY-----\n"
	m := NewMask([]string{"hunter2", "hunter2-long", "abc", key})
	for in, want := range map[string]string{
		"password hunter2!":           "password ***!",
		"hunter2-long and hunter2":    "*** and ***",
		"abc is too short to be kept": "abc is too short to be kept",
		strings.TrimSpace(key):        "***",
		"MIIEpAIBAAKCAQEA7":           "***",
		"hunter":                      "hunter",
	} {
		if got := m.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

// TestMaskStream: however a stream is cut, what comes out is what masking the whole gives, and nothing is lost.
func TestMaskStream(t *testing.T) {
	secrets := []string{"aabaab", "baab", "hunter2", "hunter22-and-more", "xyxyxz"}
	m := NewMask(secrets)
	r := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		var text strings.Builder
		for range r.IntN(8) {
			switch r.IntN(3) {
			case 0:
				text.WriteString(secrets[r.IntN(len(secrets))])
			case 1:
				s := secrets[r.IntN(len(secrets))]
				text.WriteString(s[:r.IntN(len(s))])
			default:
				text.WriteString("abxyh"[:r.IntN(5)])
			}
		}
		whole := text.String()
		s := m.Stream()
		var out strings.Builder
		for rest := whole; rest != ""; {
			n := 1 + r.IntN(min(len(rest), 5))
			out.Write(s.Pass([]byte(rest[:n])))
			rest = rest[n:]
		}
		out.Write(s.Rest())
		for _, secret := range secrets {
			if strings.Contains(out.String(), secret) {
				t.Fatalf("%q in %q of %q", secret, out.String(), whole)
			}
		}
		if !strings.Contains(whole, "aab") && !strings.Contains(whole, "hun") && !strings.Contains(whole, "xyxyx") && out.String() != whole {
			t.Fatalf("%q became %q", whole, out.String())
		}
		once := m.Stream()
		if got := string(once.Pass([]byte(whole))) + string(once.Rest()); got != out.String() {
			t.Fatalf("%q: %q at once, %q in pieces", whole, got, out.String())
		}
	}
}

func TestMaskBody(t *testing.T) {
	root := object.Sum([]byte("x"))
	b := Body{
		Cause: "exit status 1: hunter2", Params: map[string]any{"key": "hunter2", "n": 2.0}, Metrics: map[string]any{"loss/hunter2": 0.5},
		Environment: &Environment{Variables: map[string]string{"A": "hunter2"}}, Job: &Job{Tree: root, Facts: []NodeFact{{Text: "hunter2"}}},
	}
	before := b.Job
	NewMask([]string{"hunter2"}).body(&b)
	want := Body{
		Cause: "exit status 1: ***", Params: map[string]any{"key": "***", "n": 2.0}, Metrics: map[string]any{"loss/***": 0.5},
		Environment: &Environment{Variables: map[string]string{"A": "***"}}, Job: &Job{Tree: root, Facts: []NodeFact{{Text: "***"}}},
	}
	if !reflect.DeepEqual(b, want) {
		t.Error(cmp.Diff(want, b))
	}
	if before.Facts[0].Text != "hunter2" {
		t.Error("the value that was given is changed")
	}
}
