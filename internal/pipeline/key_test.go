package pipeline

import (
	"encoding/json"
	"testing"
	"time"

	"mlx/internal/object"
)

// TestKey: everything that a result depends on changes the key, and nothing else does.
func TestKey(t *testing.T) {
	base := func() (Stage, []Dep) {
		s := Stage{Name: "train", Group: "train", Cmd: "python train.py", Folder: "sub", Deps: []string{"a", "b"}, Outs: []Out{{Path: "x"}, {Path: "y"}},
			Params: []Param{{File: "p.yaml", Key: "depth", Value: json.Number("6")}, {File: "p.yaml", Key: "opt", Value: map[string]any{"lr": 0.1, "on": true, "no": nil}}},
			Env:    map[string]string{"A": "1", "B": "2"}}
		return s, []Dep{{Path: "a", Digest: object.Sum([]byte("a"))}, {Path: "b", Digest: object.Sum([]byte("b"))}}
	}
	key := func(change func(*Stage, []Dep)) object.Digest {
		t.Helper()
		s, deps := base()
		change(&s, deps)
		k, err := Key(s, deps)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	same := key(func(*Stage, []Dep) {})
	if got := same.Hex(); got != knownKey {
		t.Errorf("the key of a known stage is %s: every cache would be lost", got)
	}
	for name, change := range map[string]func(*Stage, []Dep){
		"name":            func(s *Stage, _ []Dep) { s.Name, s.Group = "fit", "fit" },
		"position":        func(s *Stage, _ []Dep) { s.At.Line = 7 },
		"order of outs":   func(s *Stage, _ []Dep) { s.Outs[0], s.Outs[1] = s.Outs[1], s.Outs[0] },
		"order of deps":   func(_ *Stage, d []Dep) { d[0], d[1] = d[1], d[0] },
		"order of params": func(s *Stage, _ []Dep) { s.Params[0], s.Params[1] = s.Params[1], s.Params[0] },
		"type of number":  func(s *Stage, _ []Dep) { s.Params[0].Value = 6 },
		"time limit":      func(s *Stage, _ []Dep) { s.Timeout, s.Retries = time.Minute, 3 },
		"metrics":         func(s *Stage, _ []Dep) { s.Outs[0].Metrics = true },
		"backend":         func(s *Stage, _ []Dep) { s.On = "gpu" },
	} {
		if key(change) != same {
			t.Errorf("%s changes the key", name)
		}
	}
	seen := map[object.Digest]string{same: "nothing"}
	for name, change := range map[string]func(*Stage, []Dep){
		"command":      func(s *Stage, _ []Dep) { s.Cmd += " " },
		"folder":       func(s *Stage, _ []Dep) { s.Folder = "." },
		"dep":          func(_ *Stage, d []Dep) { d[0].Digest = object.Sum(nil) },
		"path of dep":  func(_ *Stage, d []Dep) { d[0].Path = "c" },
		"executable":   func(_ *Stage, d []Dep) { d[0].Executable = true },
		"out":          func(s *Stage, _ []Dep) { s.Outs[0].Path = "z" },
		"less outs":    func(s *Stage, _ []Dep) { s.Outs = s.Outs[:1] },
		"env":          func(s *Stage, _ []Dep) { s.Env["A"] = "2" },
		"more env":     func(s *Stage, _ []Dep) { s.Env["C"] = "" },
		"param":        func(s *Stage, _ []Dep) { s.Params[0].Value = 7 },
		"text param":   func(s *Stage, _ []Dep) { s.Params[0].Value = "6" },
		"param file":   func(s *Stage, _ []Dep) { s.Params[0].File = "q.yaml" },
		"nested param": func(s *Stage, _ []Dep) { s.Params[1].Value = map[string]any{"lr": 0.1, "on": true} },
		"not UTF-8":    func(s *Stage, _ []Dep) { s.Cmd = "\xff" },
		"other bytes":  func(s *Stage, _ []Dep) { s.Cmd = "\xfe" },
		"replacement":  func(s *Stage, _ []Dep) { s.Cmd = "\ufffd" },
	} {
		k := key(change)
		if other, dup := seen[k]; dup {
			t.Errorf("%s and %s have one key", name, other)
		}
		seen[k] = name
	}
}

// knownKey is that of version 1. It was written once: another key would make every recorded run count for nothing.
const knownKey = "d07351ccf88fa59e102fbc9b7f8bdfe8848ec5e01a18e37b2d6d0eb3549cf88b"

func TestParamsOf(t *testing.T) {
	s := Stage{Params: []Param{
		{File: "a.yaml", Key: "train", Value: map[string]any{"depth": json.Number("6"), "list": []any{json.Number("1"), "x"}, "none": nil}},
		{File: "a.yaml", Key: "seed", Value: json.Number("1")},
		{File: "b.json", Key: "seed", Value: json.Number("2")},
		{File: "whole.yaml", Value: map[string]any{"k": true}},
	}}
	want := map[string]any{"train.depth": 6.0, "train.list": `[1,"x"]`, "a.yaml:seed": 1.0, "b.json:seed": 2.0, "k": true}
	got := ParamsOf(s)
	if len(got) != len(want) {
		t.Errorf("got %v", got)
	}
	for key, v := range want {
		if got[key] != v {
			t.Errorf("%s is %v, want %v", key, got[key], v)
		}
	}
}
