// Package scan hides how one tells, without loading it, whether loading a file of a model would run code: what each format
// can carry, what the opcodes of a pickle would do, and which names of which framework are harmless.
package scan

import (
	"cmp"
	"context"
	"io"
	"io/fs"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// RulesVersion names the set of rules. A verdict holds for these bytes and these rules only.
const RulesVersion = "2026-11"

// Verdict is the answer for a file or a folder.
type Verdict string

// The verdicts. Inconclusive says that something could not be looked into; it is never clean.
const (
	Pass         Verdict = "pass"
	Fail         Verdict = "fail"
	Inconclusive Verdict = "inconclusive"
)

// Severity says what a finding does to the verdict.
type Severity string

// The severities: a block fails the file, something unclear makes it inconclusive, a warning changes nothing.
const (
	Block   Severity = "block"
	Unclear Severity = "unclear"
	Warn    Severity = "warn"
)

// Finding is one thing that a person should know of a file.
type Finding struct {
	Severity Severity `json:"severity"`
	File     string   `json:"file"`             // path from the root of what was scanned
	Inside   string   `json:"inside,omitempty"` // path inside the file, "!" between archives
	Offset   int64    `json:"offset"`           // byte inside File or Inside
	Opcode   string   `json:"opcode,omitempty"` // of a pickle
	Name     string   `json:"name,omitempty"`   // the global, layer or key it is about
	What     string   `json:"what"`
	Source   string   `json:"source,omitempty"` // where this is documented
}

// FileReport is the answer for one file. Formats are those found in it, also in archives inside it, in order.
type FileReport struct {
	Path    string   `json:"path"`
	Size    int64    `json:"size"`
	Verdict Verdict  `json:"verdict"`
	Formats []string `json:"formats"`
}

// Report is the answer for everything scanned. The same bytes and rules always give the same report.
type Report struct {
	Rules    string       `json:"rules"`
	Verdict  Verdict      `json:"verdict"`
	Files    []FileReport `json:"files"`
	Findings []Finding    `json:"findings"`
	Formats  []string     `json:"formats"`
	Dropped  int          `json:"dropped,omitempty"` // findings past the limit, counted only
}

// Options bounds a scan. The zero value takes the defaults.
type Options struct {
	Depth    int    // archives inside archives; default 6
	Expanded int64  // bytes that may be expanded from archives, in all; default 8 GiB
	Findings int    // findings kept; default 1000
	Temp     string // folder for expanded files too large for memory; default the system's
}

func (o Options) filled() Options {
	if o.Depth <= 0 {
		o.Depth = 6
	}
	if o.Expanded <= 0 {
		o.Expanded = 8 << 30
	}
	if o.Findings <= 0 {
		o.Findings = 1000
	}
	return o
}

// Scan judges every regular file under the root of fsys, or the one file that it holds.
func Scan(ctx context.Context, fsys fs.FS, opts Options) (Report, error) {
	s, err := newInspection(ctx, opts)
	if err != nil {
		return Report{}, err
	}
	err = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			s.special(name)
			return nil
		}
		return s.open(fsys, name)
	})
	if err != nil {
		return Report{}, fault.New(fault.KindOf(err), "cannot scan: %w", err)
	}
	return s.finish(), nil
}

// ScanReader judges one file of size bytes, named in the report as name.
func ScanReader(ctx context.Context, name string, r io.ReaderAt, size int64, opts Options) (Report, error) {
	s, err := newInspection(ctx, opts)
	if err != nil {
		return Report{}, err
	}
	if err := s.top(name, blob{r: r, size: size}); err != nil {
		return Report{}, fault.New(fault.KindOf(err), "cannot scan %s: %w", name, err)
	}
	return s.finish(), nil
}

// finish sorts what was found and sums up the verdict.
func (s *inspection) finish() Report {
	r := Report{Rules: RulesVersion, Verdict: Pass, Files: s.files, Findings: s.kept(), Dropped: s.dropped, Formats: []string{}}
	if r.Files == nil {
		r.Files = []FileReport{}
		r.Verdict = Inconclusive // nothing was judged, so nothing may pass
	}
	for _, f := range r.Files {
		r.Formats = append(r.Formats, f.Formats...)
		r.Verdict = worse(r.Verdict, f.Verdict)
	}
	slices.Sort(r.Formats)
	r.Formats = slices.Compact(r.Formats)
	return r
}

// kept returns the findings in the order of files, what blocks first.
func (s *inspection) kept() []Finding {
	all := append([]Finding{}, s.findings...)
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(rank(b.Severity)-rank(a.Severity), strings.Compare(a.File, b.File), strings.Compare(a.Inside, b.Inside))
	})
	return all
}

func rank(s Severity) int {
	switch s {
	case Block:
		return 2
	case Unclear:
		return 1
	case Warn:
	}
	return 0
}

// worse sums two verdicts: fail beats inconclusive beats pass.
func worse(a, b Verdict) Verdict {
	if a == Fail || b == Fail {
		return Fail
	}
	if a == Inconclusive || b == Inconclusive {
		return Inconclusive
	}
	return Pass
}

func verdictOf(s Severity) Verdict {
	switch s {
	case Block:
		return Fail
	case Unclear:
		return Inconclusive
	case Warn:
	}
	return Pass
}
