package main

import (
	"context"
	"iter"
	"strconv"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// The kinds of record that no library owns: they tie a library's value to a name of the user's.
var (
	snapshotSaved  = lineage.Define[savedBody]("snapshot.saved/v1")
	tagSet         = lineage.Define[tagBody]("tag.set/v1")
	modelConverted = lineage.Define[convertedBody]("model.converted/v1")
)

// savedBody says that a path had this content. Path and Pointer start at the root of the repository, with slashes.
type savedBody struct {
	Path        string         `json:"path"`
	Root        object.Digest  `json:"root"`
	Kind        string         `json:"kind"` // "directory" or "file"
	Files       int64          `json:"files"`
	Bytes       int64          `json:"bytes"`
	BytesStored int64          `json:"bytes_stored"`
	Previous    *object.Digest `json:"previous,omitempty"`
	Message     string         `json:"message,omitempty"`
	Pointer     string         `json:"pointer"`
}

// tagBody gives a thing a name, or says something of it. A name belongs to one thing and moves with the next record.
// A value, and the word hidden, belong to the thing: many things may carry them.
type tagBody struct {
	Name    string    `json:"name"`
	Value   string    `json:"value,omitempty"`
	Target  tagTarget `json:"target"`
	Note    string    `json:"note,omitempty"`
	Deleted bool      `json:"deleted,omitempty"`
}

type tagTarget struct {
	Kind string        `json:"kind"` // run snapshot gate record
	ID   object.Digest `json:"id"`
}

// hiddenTag leaves what carries it out of log.
const hiddenTag = "hidden"

// annotates reports whether the tag says something of its target instead of naming it.
func (t tagBody) annotates() bool { return t.Value != "" || t.Name == hiddenTag }

// shown is the tag as it is typed.
func (t tagBody) shown() string {
	if t.Value == "" {
		return t.Name
	}
	return t.Name + "=" + t.Value
}

// setTag records a tag after those that it replaces. It reports false when nothing would change.
func setTag(ctx context.Context, l *lineage.Ledger, t tagBody) (bool, error) {
	entry := lineage.Entry[tagBody]{Body: t, In: []lineage.Input{{Role: "target", ID: t.Target.ID}}}
	same := false
	for old, err := range currentTags(ctx, l, "name == "+strconv.Quote(t.Name)) {
		if err != nil {
			return false, err
		}
		if old.body.Target != t.Target && (t.Deleted || old.body.annotates() || t.annotates()) {
			continue
		}
		same = old.body == t || old.body.Deleted && t.Deleted
		entry.Prev = append(entry.Prev, old.rec.ID)
	}
	if same && len(entry.Prev) == 1 || t.Deleted && len(entry.Prev) == 0 {
		return false, nil
	}
	if len(entry.Prev) > 8 {
		return false, fault.New(fault.Conflict, "cannot tag: %d records claim the tag %q", len(entry.Prev), t.Name).
			Hint("mlx log -k tag")
	}
	_, err := tagSet.Append(ctx, l, entry)
	return err == nil, err
}

type currentTag struct {
	rec  lineage.Record
	body tagBody
}

// currentTags yields the tag records that no later one replaces, deletions among them.
func currentTags(ctx context.Context, l *lineage.Ledger, where string) iter.Seq2[currentTag, error] {
	return func(yield func(currentTag, error) bool) {
		for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"tag"}, Where: where}) {
			if err != nil {
				yield(currentTag{}, err)
				return
			}
			if !tagSet.Is(rec) {
				continue // of a later version
			}
			body, err := tagSet.Decode(rec)
			if !yield(currentTag{rec, body}, err) || err != nil {
				return
			}
		}
	}
}

// tags returns what is said of each thing, by its id, newest first.
func tags(ctx context.Context, l *lineage.Ledger) (map[object.Digest][]tagBody, error) {
	return tagsWhere(ctx, l, "")
}

// tagsWhere is tags of those for which where is true.
func tagsWhere(ctx context.Context, l *lineage.Ledger, where string) (map[object.Digest][]tagBody, error) {
	return tagsIn(ctx, l, lineage.Query{Where: where})
}

// tagsOf is tags of a few things: what is said of others is not read.
func tagsOf(ctx context.Context, l *lineage.Ledger, ids ...object.Digest) (map[object.Digest][]tagBody, error) {
	return tagsIn(ctx, l, lineage.Query{Inputs: ids})
}

// tagsIn reads tags from the index alone.
func tagsIn(ctx context.Context, l *lineage.Ledger, q lineage.Query) (map[object.Digest][]tagBody, error) {
	q.Nouns = []string{"tag"}
	table, err := l.Values(ctx, q, "name", "value", "target.kind", "target.id", "note", "deleted")
	if err != nil {
		return nil, err
	}
	all := make(map[object.Digest][]tagBody)
	for row, err := range table.Rows {
		if err != nil {
			return nil, err
		}
		if row.Kind != tagSet.Name() || row.Values[5] == true {
			continue // of a later version, or taken away
		}
		text := func(i int) string { s, _ := row.Values[i].(string); return s }
		id, err := object.ParseDigest(text(3))
		if err != nil {
			return nil, fault.New(fault.Integrity, "cannot read the tag in record %s: %w", row.ID.Short(), err)
		}
		all[id] = append(all[id], tagBody{Name: text(0), Value: text(1), Target: tagTarget{Kind: text(2), ID: id}, Note: text(4)})
	}
	return all, nil
}
