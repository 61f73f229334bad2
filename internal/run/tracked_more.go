package run

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// What a record of a tracked run holds itself. The rest is in a file beside it.
const (
	maxTold    = 384 << 10 // bytes of a record that nothing is taken out of
	maxToldAll = 64 << 10  // of parameters, of tags and of metrics that stay when something is
	maxMore    = 1 << 30   // of the file

	moreName = "tracking.json"
)

// more is what is too long for a record: the whole of what the record has a part of.
type more struct {
	Params   map[string]any    `json:"params,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Metrics  map[string]any    `json:"metrics,omitempty"`
	Latest   map[string]Point  `json:"latest,omitempty"`
	Datasets []Dataset         `json:"datasets,omitempty"`
	Measured []Measured        `json:"measured,omitempty"`
	Refused  []ChangedParam    `json:"refused,omitempty"`
}

// spill moves what is too long for a record into a file beside it.
func (r Runner) spill(ctx context.Context, dir string, b *Body, c *collected) error {
	t := b.Tracking
	t.More = nil
	encoded, err := json.Marshal(b)
	if err == nil && len(encoded) <= maxTold && len(b.Metrics) <= maxMetrics {
		return nil
	}
	saved, err := r.saveMore(ctx, dir, b)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot keep what was told: %w", err)
	}
	c.releases = append(c.releases, saved.Release)
	t.More, t.Datasets, t.Measured, t.Refused = &saved.Root, nil, nil, nil
	b.Params = shortest(b.Params, func(v any) int { return len(ParamText(v)) })
	t.Tags = shortest(t.Tags, func(v string) int { return len(v) })
	b.Metrics = shortest(b.Metrics, func(any) int { return 60 })
	t.Latest = maps.Clone(t.Latest)
	maps.DeleteFunc(t.Latest, func(name string, _ Point) bool { _, kept := b.Metrics[name]; return !kept })
	return nil
}

// saveMore keeps all that may be taken out of a record as a snapshot of one file, which Unfold reads. dir is for the file meanwhile.
func (r Runner) saveMore(ctx context.Context, dir string, b *Body) (snapshot.Saved, error) {
	t := b.Tracking
	written, err := json.Marshal(more{b.Params, t.Tags, b.Metrics, t.Latest, t.Datasets, t.Measured, t.Refused})
	if err != nil {
		return snapshot.Saved{}, err
	}
	path := filepath.Join(dir, moreName)
	if err := os.WriteFile(path, written, 0o666); err != nil {
		return snapshot.Saved{}, err
	}
	defer os.Remove(path)
	return r.Store.Save(ctx, snapshot.SaveOptions{Path: path, Once: true})
}

// shortest keeps the values that need least room, as many as there is room for.
func shortest[V any](all map[string]V, size func(V) int) map[string]V {
	keys := slices.Collect(maps.Keys(all))
	slices.SortFunc(keys, func(a, b string) int {
		if d := len(a) + size(all[a]) - len(b) - size(all[b]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	kept, room := make(map[string]V), maxToldAll
	for _, k := range keys {
		if room -= len(k) + size(all[k]) + 16; room < 0 {
			break
		}
		kept[k] = all[k]
	}
	return kept
}

// Unfold puts what is too long for a record back into its body. What cannot be read, because it was never fetched, stays out.
func Unfold(ctx context.Context, store *snapshot.Store, b *Body) error {
	if b.Tracking == nil || b.Tracking.More == nil {
		return nil
	}
	all, err := readMore(ctx, store, *b.Tracking.More)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read what was told of a run: %w", err)
	}
	t := *b.Tracking
	b.Params, b.Metrics = all.Params, all.Metrics
	t.Tags, t.Latest, t.Datasets, t.Measured, t.Refused, t.More = all.Tags, all.Latest, all.Datasets, all.Measured, all.Refused, nil
	b.Tracking = &t
	return nil
}

func readMore(ctx context.Context, store *snapshot.Store, root object.Digest) (all more, err error) {
	tree, err := store.FS(ctx, root)
	if err != nil {
		return all, err
	}
	f, err := tree.Open(moreName)
	if err != nil {
		return all, err
	}
	defer f.Close()
	return all, json.NewDecoder(io.LimitReader(f, maxMore)).Decode(&all)
}
