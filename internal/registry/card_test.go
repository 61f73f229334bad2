package registry

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func someCard(t *testing.T) Card {
	t.Helper()
	s := good(t)
	m := &Model{Name: "flights", Description: "delays\n## not a heading <script>", Tags: map[string]string{"License": "MIT", "license": "Apache-2.0", "task": "regression"}}
	v := &Version{Registration: Registration{Model: "flights", Version: 9, Digest: s.proof.Digest, Root: s.proof.Digest, Kind: "directory", Tags: map[string]string{},
		From: []Parent{{Model: "flights", Version: 8, Digest: s.proof.Digest}}}, At: noon, Stage: Production, StageSince: noon, By: "ana"}
	old := s.proof.SignOffs[0]
	old.Over = &Over{By: "li", Withdrawn: true, Message: "no", At: noon}
	s.proof.SignOffs = append(s.proof.SignOffs, old)
	c := NewCard(m, v, s.proof)
	c.Params["depth"], c.Params["alpha"] = 6, 0.5
	c.Files = append(c.Files, CardFile{"a|b`c", strings.Repeat("ab", 32), 3})
	c.Environment = &CardEnvironment{Packages: []CardPackage{{Name: "numpy", Version: "2.1.0"}, {Name: "x", Version: "1+local", Conda: true}}, GPUs: []string{}}
	started := noon.Add(-time.Hour)
	c.Run = &CardRun{ID: strings.Repeat("cd", 32), Command: []string{"python", "train.py"}, Started: &started}
	c.Finish()
	return c
}

// TestCardsAreTheSame writes the same card many times: maps are read in another order each time.
func TestCardsAreTheSame(t *testing.T) {
	c := someCard(t)
	text := c.Markdown()
	bom, err := c.CycloneDX()
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		again, err := c.CycloneDX()
		if err != nil || !bytes.Equal(again, bom) || !bytes.Equal(c.Markdown(), text) {
			t.Fatalf("another time it is another: %v", err)
		}
	}
	c.SignOffs[0].Counts = false
	other, err := c.CycloneDX()
	if err != nil {
		t.Fatal(err)
	}
	serial := func(b []byte) string {
		var v struct{ SerialNumber, SpecVersion string }
		if err := json.Unmarshal(b, &v); err != nil || v.SpecVersion != "1.6" {
			t.Fatal(v, err)
		}
		return v.SerialNumber
	}
	if serial(other) == serial(bom) {
		t.Error("another content has the same serial number")
	}
}

func TestCardSaysWhatIsKnown(t *testing.T) {
	c := someCard(t)
	if *c.Licence != "MIT" || *c.Task != "regression" { // of two spellings the first by name
		t.Errorf("licence %s, task %s", *c.Licence, *c.Task)
	}
	if len(c.SignOffs) != 3 || !c.SignOffs[0].Counts || !c.SignOffs[1].Counts || c.SignOffs[2].Counts {
		t.Errorf("%+v", c.SignOffs)
	}
	text := string(c.Markdown())
	for _, want := range []string{"# flights@v9\n", "delays ## not a heading &lt;script&gt;", "| licence | MIT |", `does not count: withdrawn by li "no"`,
		"| from | flights@v8 ", `| a\|b'c | 3 |`, "- code: it ran outside git", "- training data: the run declared none", "| gate release | pass |"} {
		if !strings.Contains(text, want) {
			t.Errorf("the card does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "<script>") || strings.Contains(text, "\n## not a heading") {
		t.Error("what somebody wrote is more than text")
	}
	empty := NewCard(&Model{Name: "m"}, &Version{Registration: Registration{Model: "m", Version: 1}}, Proof{})
	empty.Finish()
	if len(empty.Unknown) < 10 {
		t.Errorf("of a model of which nothing is known: %q", empty.Unknown)
	}
	if _, err := empty.CycloneDX(); err != nil {
		t.Error(err)
	}
}
