package registry

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// onlyLogged selects the records of logged models.
const onlyLogged = `kind == "model.logged/v1"`

// LoggedModel is what the newest record says of a logged model, and the records that the next one replaces. NotFound: there is none.
func (r Registry) LoggedModel(ctx context.Context, id string) (LoggedModel, []object.Digest, error) {
	where := onlyLogged + " and logged_model == " + strconv.Quote(id)
	records, err := r.Ledger.Current(ctx, "model", where)
	if err != nil {
		return LoggedModel{}, nil, err
	}
	if len(records) == 0 {
		return LoggedModel{}, nil, fault.New(fault.NotFound, "cannot find logged model %.100q", id)
	}
	m, err := Logged.Decode(records[0])
	if err != nil {
		return LoggedModel{}, nil, err
	}
	var heads []object.Digest
	for _, rec := range records[:min(len(records), 8)] {
		heads = append(heads, rec.ID)
	}
	return m, heads, nil
}

// LoggedModels are the logged models whose records a filter selects, each as its newest record tells it, in the order of their ids.
// An empty filter selects all.
func (r Registry) LoggedModels(ctx context.Context, where string) ([]LoggedModel, error) {
	if where != "" {
		where = " and (" + where + ")"
	}
	var all []LoggedModel
	seen := map[string]bool{}
	for rec, err := range r.Ledger.Select(ctx, lineage.Query{Nouns: []string{"model"}, Where: onlyLogged + where}) {
		if err != nil {
			return nil, err
		}
		m, err := Logged.Decode(rec)
		if err != nil {
			return nil, err
		}
		if !seen[m.ID] { // two clones changed it at the same time: the newer one counts
			all = append(all, m)
		}
		seen[m.ID] = true
	}
	slices.SortFunc(all, func(a, b LoggedModel) int { return strings.Compare(a.ID, b.ID) })
	return all, nil
}

// SetLogged records what became of a logged model. It replaces what was said of it before.
func (r Registry) SetLogged(ctx context.Context, m LoggedModel) error {
	entry := lineage.Entry[LoggedModel]{Body: m}
	_, heads, err := r.LoggedModel(ctx, m.ID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	entry.Prev = heads
	if !m.Root.IsZero() {
		entry.In = append(entry.In, lineage.Input{Role: "bytes", ID: m.Root})
	}
	if m.Run != nil {
		entry.In = append(entry.In, lineage.Input{Role: "run", ID: *m.Run})
	}
	_, err = Logged.Append(ctx, r.Ledger, entry)
	return err
}

// VersionOf reads the version that a record registered, as that record tells it: no later one is asked.
func (r Registry) VersionOf(ctx context.Context, record object.Digest) (*Version, error) {
	rec, err := r.Ledger.Get(ctx, record)
	if err != nil {
		return nil, err
	}
	if !Registered.Is(rec) {
		return nil, fault.New(fault.NotFound, "cannot find a version of a model: record %s registers none", record.Short())
	}
	b, err := Registered.Decode(rec)
	if err != nil {
		return nil, err
	}
	return &Version{Registration: b, Record: rec.ID, At: rec.At, UpdatedAt: rec.At, By: rec.By, Description: b.Message, Stage: Experimenting}, nil
}
