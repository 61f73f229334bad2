package pipeline

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"unicode/utf8"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/run"
)

// keyVersion changes when keys of before must not be believed any more.
const keyVersion = 1

// Dep is a file or folder that a stage reads, as it is.
type Dep struct {
	Path       string
	Digest     object.Digest // of a file its SHA-256, of a folder its snapshot
	Executable bool
}

type (
	keyText struct {
		Version int               `json:"version"`
		Cmd     string            `json:"cmd"`
		Folder  string            `json:"folder"`
		Env     map[string]string `json:"env"`
		Params  []keyParam        `json:"params"`
		Deps    []keyDep          `json:"deps"`
		Outs    []string          `json:"outs"`
	}
	keyParam struct {
		File  string `json:"file"`
		Key   string `json:"key"`
		Value any    `json:"value"`
	}
	keyDep struct {
		Path       string        `json:"path"`
		Digest     object.Digest `json:"digest"`
		Executable bool          `json:"executable"`
	}
)

// Key returns the digest of everything that the result of a stage depends on, and of nothing else: neither its name nor
// the order in which anything is written down.
func Key(s Stage, deps []Dep) (object.Digest, error) {
	k := keyText{Version: keyVersion, Cmd: exact(s.Cmd), Folder: exact(s.Folder), Env: map[string]string{}, Params: []keyParam{},
		Deps: []keyDep{}, Outs: []string{}}
	for name, value := range s.Env {
		k.Env[exact(name)] = exact(value)
	}
	for _, p := range s.Params {
		k.Params = append(k.Params, keyParam{exact(p.File), exact(p.Key), plain(p.Value)})
	}
	for _, d := range deps {
		k.Deps = append(k.Deps, keyDep{exact(d.Path), d.Digest, d.Executable})
	}
	for _, o := range s.Outs {
		k.Outs = append(k.Outs, exact(o.Path))
	}
	slices.SortFunc(k.Params, func(a, b keyParam) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Key, b.Key)) })
	slices.SortFunc(k.Deps, func(a, b keyDep) int { return cmp.Compare(a.Path, b.Path) })
	k.Deps = slices.Compact(k.Deps)
	slices.Sort(k.Outs)
	text, err := object.Encode(k)
	if err != nil {
		return object.Digest{}, fault.New(fault.Usage, "cannot read stage %s: %w", s.Name, err).In(s.At)
	}
	return object.Sum(text), nil
}

// exact is text as JSON can hold it: bytes that are no UTF-8 are written as digits, behind one that no such text begins with.
func exact(s string) string {
	if utf8.ValidString(s) && (s == "" || s[0] != 0) {
		return s
	}
	return "\x00" + hex.EncodeToString([]byte(s))
}

// plain is a value of a parameter as canonical JSON can hold it: a number that has no exact form there is its text.
func plain(v any) any {
	switch v := v.(type) {
	case nil:
		return nil
	case map[string]any:
		out := make(map[string]any, len(v))
		for key, inner := range v {
			out[exact(key)] = plain(inner)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, inner := range v {
			out[i] = plain(inner)
		}
		return out
	case string:
		return exact(v)
	}
	flat, err := run.Flatten(map[string]any{"": v})
	if err != nil {
		return fmt.Sprint(v)
	}
	return flat[""]
}

// FlatParam is one scalar that a stage depends on.
type FlatParam struct {
	File  string
	Key   string // dotted path
	Value any    // string, bool or float64; nil for null, an empty list or map
}

// Flat returns the parameters of a stage one by one, in the order of file and key, each once.
func Flat(s Stage) []FlatParam {
	var all []FlatParam
	for _, p := range s.Params {
		root := map[string]any{p.Key: p.Value}
		if whole, ok := p.Value.(map[string]any); ok && p.Key == "" {
			root = whole
		} else if p.Key == "" {
			root = map[string]any{path.Base(p.File): p.Value}
		}
		flat, err := run.Flatten(root)
		if err != nil || len(flat) == 0 {
			flat = map[string]any{p.Key: nil}
		}
		for key, value := range flat {
			all = append(all, FlatParam{p.File, key, value})
		}
	}
	slices.SortFunc(all, func(a, b FlatParam) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Key, b.Key)) })
	return slices.CompactFunc(all, func(a, b FlatParam) bool { return a.File == b.File && a.Key == b.Key })
}

// ParamsOf returns the parameters of a stage as a run records them: by key; where two files share a key, with the file
// before it. What has no value is left out.
func ParamsOf(s Stage) map[string]any {
	flat := Flat(s)
	files := map[string]int{}
	for _, p := range flat {
		files[p.Key]++
	}
	all := make(map[string]any, len(flat))
	for _, p := range flat {
		if p.Value != nil {
			all[recorded(p, files[p.Key] > 1)] = p.Value
		}
	}
	return all
}

func recorded(p FlatParam, shared bool) string {
	if shared {
		return p.File + ":" + p.Key
	}
	return p.Key
}
