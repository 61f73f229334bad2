package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
	"mlx/internal/source"
)

// The records of an import: the last one tells all but the pins that had no room in it.
var (
	importMade = lineage.Define[importBody]("import.made/v1")
	importPins = lineage.Define[pinsBody]("import.pins/v1")
)

// importBody says where a version of a path came from, and how to tell whether that has changed since. Source has no
// credentials. More pins are in the import.pins records that the record follows.
type importBody struct {
	Path     string        `json:"path"`
	Root     object.Digest `json:"root"`
	Source   string        `json:"source"`
	Kind     string        `json:"kind"`
	Files    int64         `json:"files"`
	Bytes    int64         `json:"bytes"`
	Pins     []source.Pin  `json:"pins"`
	Parts    int           `json:"parts,omitempty"` // import.pins records, the last one first in prev
	Withheld bool          `json:"withheld,omitempty"`
	Query    string        `json:"query,omitempty"`
	Rows     *int64        `json:"rows,omitempty"`
	Server   string        `json:"server,omitempty"` // the state of the database that was read
	At       string        `json:"at"`               // when reading began, RFC 3339
}

// pinsBody holds pins of a large import. Each follows the one before it.
type pinsBody struct {
	Path string       `json:"path"`
	Pins []source.Pin `json:"pins"`
}

const (
	pinsARecord = 1500 // with names of usual length a record stays far below its limit of 1 MiB
	pinsBytes   = 400 << 10
	maxParts    = 10_000
)

// appendImport records an import after the records that it replaces.
func (i *importer) appendImport(ctx context.Context, body importBody, last object.Digest) (lineage.Record, error) {
	groups := groupPins(body.Pins)
	var prev []object.Digest
	for _, g := range groups[1:] {
		rec, err := importPins.Append(ctx, i.ledger, lineage.Entry[pinsBody]{Body: pinsBody{Path: body.Path, Pins: g}, Prev: prev})
		if err != nil {
			return rec, err
		}
		prev = []object.Digest{rec.ID}
	}
	body.Pins, body.Parts = groups[0], len(groups)-1
	if !last.IsZero() {
		prev = append(prev, last)
	}
	return importMade.Append(ctx, i.ledger, lineage.Entry[importBody]{Body: body, Prev: prev})
}

// groupPins cuts a list so that each piece fits a record. There is at least one piece.
func groupPins(pins []source.Pin) [][]source.Pin {
	var groups [][]source.Pin
	from, size := 0, 0
	for at, p := range pins {
		n := 160 + 2*len(p.Name) + len(p.ETag) + len(p.Modified)
		if at > from && (at-from == pinsARecord || size+n > pinsBytes) {
			groups = append(groups, pins[from:at])
			from, size = at, 0
		}
		size += n
	}
	return append(groups, pins[from:])
}

// lastImport finds the newest import of a path that made root; with a zero root the newest of all. The record of none is
// zero.
func (i *importer) lastImport(ctx context.Context, rel string, root object.Digest) (importBody, lineage.Record, error) {
	where := "path == " + strconv.Quote(rel)
	if !root.IsZero() {
		where += " and root == " + strconv.Quote(root.String())
	}
	for rec, err := range i.ledger.Select(ctx, lineage.Query{Nouns: []string{"import"}, Where: where, All: true}) {
		if err != nil {
			return importBody{}, lineage.Record{}, err
		}
		if !importMade.Is(rec) {
			continue
		}
		body, err := importMade.Decode(rec)
		return body, rec, err
	}
	return importBody{}, lineage.Record{}, nil
}

// pins returns all pins of an import.
func (i *importer) pins(ctx context.Context, body importBody, rec lineage.Record) ([]source.Pin, error) {
	all := slices.Clone(body.Pins)
	var parts [][]source.Pin
	for n := 0; n < min(body.Parts, maxParts) && len(rec.Prev) > 0; n++ {
		var err error
		if rec, err = i.ledger.Get(ctx, rec.Prev[0]); err != nil {
			return nil, err
		}
		part, err := importPins.Decode(rec)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part.Pins)
	}
	for _, p := range slices.Backward(parts) {
		all = append(all, p...)
	}
	return all, nil
}

// updates lists the imported data that words name, as the pointers here have it.
func (i *importer) updates(ctx context.Context, words []string) ([]importJob, error) {
	paths, err := i.app.selectData(ctx, words, func(word, rel string) error { return i.app.untracked(i.repo, "import", word, rel) })
	if err != nil {
		return nil, err
	}
	var jobs []importJob
	for _, rel := range paths {
		body, rec, err := i.lastImport(ctx, rel, object.Digest{})
		if err != nil {
			return nil, err
		}
		if rec.ID.IsZero() {
			if len(words) > 0 && len(paths) == 1 {
				return nil, fault.New(fault.NotFound, "cannot update %s: it was not imported", i.app.shown(rel)).Hint("mlx log -k import   # lists what was")
			}
			continue
		}
		src, err := source.Parse(body.Source, i.repo.Root)
		if err != nil {
			return nil, err
		}
		src.Withheld = body.Withheld
		jobs = append(jobs, importJob{source: src, query: body.Query, path: rel, again: &body})
	}
	return jobs, nil
}

// A record of somebody else's must not make this machine run a command, read a file or call an address. So a source is
// followed by --update only after it was typed in this clone; which ones were is kept beside its settings.

func (i *importer) approvals() string { return filepath.Join(i.repo.Home, "imports") }

func approvalOf(src source.Source, query string) string {
	sum := sha256.Sum256([]byte(src.Shown + "\x00" + query))
	return hex.EncodeToString(sum[:])
}

func (i *importer) approve(src source.Source, query string) error {
	if ok, err := i.approved(src, query); ok || err != nil {
		return err
	}
	if err := os.MkdirAll(i.repo.Home, 0o755); err != nil {
		return fault.New(fault.KindOf(err), "cannot remember the source: %w", err)
	}
	f, err := os.OpenFile(i.approvals(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = f.WriteString(approvalOf(src, query) + "\n")
		err = errors.Join(err, f.Close())
	}
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot remember the source: %w", err)
	}
	return nil
}

func (i *importer) approved(src source.Source, query string) (bool, error) {
	text, err := os.ReadFile(i.approvals())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, fault.New(fault.KindOf(err), "cannot read which sources were used here: %w", err)
	}
	return slices.Contains(strings.Split(string(text), "\n"), approvalOf(src, query)), nil
}

// unapproved is the error for a source that only a record names.
func (i *importer) unapproved(job importJob) error {
	words := append(job.source.Words(), i.app.shown(job.path))
	if job.query != "" {
		words = append(words, "--query", job.query)
	}
	return fault.New(fault.Denied, "cannot update %s: its source %s was never used in this clone", i.app.shown(job.path), job.source.Shown).
		Hint("%s   # if you trust it", commandLine(words))
}
