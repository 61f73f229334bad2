package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"mlx/internal/gate"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/run"
)

func TestCritical(t *testing.T) {
	l, err := lineage.Open(lineage.Options{Dir: t.TempDir(), Now: time.Now, By: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	id := object.Sum([]byte("run"))
	about := func(kind string, crit bool, id object.Digest) lineage.Draft {
		return lineage.Draft{Kind: kind, Body: struct{}{}, In: []lineage.Input{{Role: "for", ID: id}}, Crit: crit}
	}
	recs, err := l.AppendAll(context.Background(),
		about("waiver.granted/v9", true, id),
		about("waiver.granted/v9", false, id),
		about(run.Ended.Name(), true, id),
		about("waiver.granted/v9", true, object.Sum([]byte("another"))))
	if err != nil {
		t.Fatal(err)
	}
	found, err := critical(context.Background(), l, id)
	same := func(a, b lineage.Record) bool { return a.ID == b.ID }
	if err != nil || !slices.EqualFunc(found, recs[:1], same) {
		t.Errorf("%v %v", found, err)
	}
}

// The help of `mlx gate` names every measure, and a newcomer finds each in docs/gates.md.
func TestGateHelpNamesEveryMeasure(t *testing.T) {
	page, err := os.ReadFile("../../docs/gates.md")
	if err != nil {
		t.Fatal(err)
	}
	words := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	}
	help, docs := words(gateHelp), words(string(page))
	for _, name := range gate.Measures() {
		for where, named := range map[string][]string{"mlx gate -h": help, "docs/gates.md": docs} {
			if !slices.Contains(named, name) && !slices.Contains(named, strings.TrimPrefix(name, "latency_")) {
				t.Errorf("%s lacks measure %s", where, name)
			}
		}
	}
}
