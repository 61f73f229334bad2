package scan

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"fmt"
)

func TestTry(t *testing.T) {
	dir := os.Getenv("TRY")
	if dir == "" {
		t.Skip()
	}
	r, err := Scan(context.Background(), os.DirFS(dir), Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for _, f := range r.Findings {
		k := string(f.Severity) + " " + f.What
		if seen[k] == 0 { b, _ := json.Marshal(f); fmt.Println(string(b)) }
		seen[k]++
	}
	n := map[Verdict]int{}
	for _, f := range r.Files { n[f.Verdict]++ }
	fmt.Println(n, r.Formats, r.Verdict)
}
