package main

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestFaultTableIsHeld: each fault that docs/rollouts.md lists names tests, and all of these exist.
func TestFaultTableIsHeld(t *testing.T) {
	text, err := os.ReadFile("../../docs/rollouts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n## Which test holds what\n")
	if !found {
		t.Fatal("the table is not there")
	}
	known := map[string]bool{}
	begins := regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)
	root := os.DirFS("../..")
	err = fs.WalkDir(root, ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		code, err := fs.ReadFile(root, path)
		for _, m := range begins.FindAllSubmatch(code, -1) {
			known[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rows, names := 0, regexp.MustCompile("`(Test\\w+)(?:/(\\w+))?`")
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 || strings.Contains(cells[2], "---") || strings.TrimSpace(cells[2]) == "tests" {
			continue
		}
		rows++
		named := names.FindAllStringSubmatch(cells[2], -1)
		if len(named) == 0 {
			t.Errorf("no test holds: %s", cells[1])
		}
		for _, m := range named {
			if !known[m[1]] {
				t.Errorf("%s: there is no %s", cells[1], m[1])
			}
			if m[2] == "" {
				continue
			}
			if _, err := os.Stat("testdata/script/" + m[2] + ".txtar"); err != nil {
				t.Errorf("%s: %v", cells[1], err)
			}
		}
	}
	if rows < 14 {
		t.Errorf("%d faults are listed", rows)
	}
}
