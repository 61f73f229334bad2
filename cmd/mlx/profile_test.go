package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/cli"
	"mlx/internal/dataset"
	"mlx/internal/repo"
)

// hostileTable writes a CSV whose names and values are made to break what they are printed into.
func hostileTable(t *testing.T, columns, rows int) *dataset.Profile {
	t.Helper()
	bad := []string{`<script>alert(1)</script>`, "\x1b[31mred\x1b[0m", "=cmd|' /C calc'!A0", "| a | b |\n| - | - |", `"><svg onload=x>`, "# {x: y}", "true", "*?[", "日本語 🎉", strings.Repeat("<&>", 60)}
	var b strings.Builder
	cell := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
	for i := range columns {
		fmt.Fprintf(&b, "%s,", cell(fmt.Sprintf("%s %d", bad[i%len(bad)], i)))
	}
	b.WriteString("last\n")
	for r := range rows {
		for i := range columns {
			fmt.Fprintf(&b, "%s,", cell(bad[(i+r)%len(bad)]))
		}
		fmt.Fprintf(&b, "%d\n", r)
	}
	return tableProfile(t, b.String())
}

func tableProfile(t *testing.T, text string) *dataset.Profile {
	t.Helper()
	file := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	a := newApp(nil, cli.Discard())
	table, err := a.openTable(t.Context(), file, dataset.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer table.Close()
	p, err := dataset.ProfileOf(t.Context(), table.Table, dataset.ProfileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestProfileHTML: a page of 1,000 hostile columns is small, well formed, and has no element that mlx did not write.
func TestProfileHTML(t *testing.T) {
	for _, columns := range []int{5, 1000} {
		v := profileViewOf([]string{`<img src=x onerror="x">`}, hostileTable(t, columns, 12))
		page := v.html()
		if len(page) > 1<<20 {
			t.Errorf("%d columns make a page of %d bytes", columns, len(page))
		}
		for _, bad := range []string{"<script", "<img", "<svg onload", "\x1b", "onerror=\"x\""} {
			if bytes.Contains(page, []byte(bad)) {
				t.Errorf("the page holds %q", bad)
			}
		}
		if n := bytes.Count(page, []byte("<tr><th scope")); n != columns+1 {
			t.Errorf("the page has %d columns, want %d", n, columns+1)
		}
	}
}

// TestProfileSVG: histograms are well-formed XML.
func TestProfileSVG(t *testing.T) {
	v := profileViewOf([]string{"t"}, tableProfile(t, "x,y\n1,a\n2,a\n3,b\n3,b\n"))
	for _, c := range v.Columns {
		d := xml.NewDecoder(strings.NewReader(profileSVG(c)))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestSuggestedGate: what is suggested is a gate that mlx.yaml may hold, whatever a table is called and holds, and its JSON says the same.
func TestSuggestedGate(t *testing.T) {
	for _, p := range []*dataset.Profile{
		hostileTable(t, 30, 60),
		tableProfile(t, "a,b\n"),
		tableProfile(t, "a,b\n1,\n"),
		tableProfile(t, "x,y,z\nNaN,-0.001,1e300\n2,-5,-1e300\ninf,-7,4\n"),
	} {
		for _, where := range []string{"data/flights", "a b: {c}.csv", "data/2013.csv", "'#x'"} {
			s := suggestGate(where, p)
			config, err := repo.ParseConfig([]byte(s.Text))
			if err != nil {
				t.Fatalf("%v\n%s", err, s.Text)
			}
			g, ok := config.Gates.Get(s.Name)
			want := len(p.Schema()) + 1
			if p.Rows() == 0 {
				want = 1
			}
			if !ok || g.For != where || len(g.Checks) != want {
				t.Errorf("the gate %s is for %q with %d checks", s.Name, g.For, len(g.Checks))
			}
			for i, c := range g.Checks[1:] {
				if c.Column != p.Schema()[i].Name {
					t.Errorf("check %d is of %q, want %q", i, c.Column, p.Schema()[i].Name)
				}
			}
			if _, err := json.Marshal(s); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestProfileView: a view is JSON, a sheet and lines, of every kind of table.
func TestProfileView(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "a,b\n", "one row": "a,b\n1,x\n", "missing": "a,b\n,\n,\n", "infinite": "a\nNaN\ninf\n-inf\n1\n", "huge": "a\n1e308\n-1e308\n",
	} {
		p := tableProfile(t, text)
		v := profileViewOf([]string{name}, p)
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := v.csv(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, width := range []int{0, 60, 100} {
			for _, unicode := range []bool{false, true} {
				s := profileScreen{view: v, unicode: unicode, width: width}
				header, rows := s.grid()
				if len(rows) != len(v.Columns) || len(header) == 0 {
					t.Errorf("%s: %d lines", name, len(rows))
				}
				for _, line := range s.line(v.Columns[0]) {
					if !unicode && strings.ContainsFunc(line, func(r rune) bool { return r > 126 }) {
						t.Errorf("%s: %q is no ASCII", name, line)
					}
				}
				s.notes()
			}
		}
	}
}
