package scan

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"slices"
)

// inspection is one scan in progress.
type inspection struct {
	ctx      context.Context //nolint:containedctx // one scan is one call; its helpers are many
	opts     Options
	rules    *ruleset
	opcodes  *[256]opcode
	files    []FileReport
	findings []Finding
	seen     map[findingKey]bool
	dropped  int
	expanded int64
	file     *FileReport // the file of the tree being judged
}

// findingKey keeps one finding where the same thing repeats thousands of times in one file.
type findingKey struct {
	severity                 Severity
	file, inside, name, what string
}

// place says where bytes come from.
type place struct {
	file   string
	inside string
	depth  int
	role   role
}

// role is what an archive makes of its members: tensors are raw bytes that its loader never interprets.
type role uint8

const (
	plainFile role = iota
	tensorData
	scriptCode
)

func newInspection(ctx context.Context, opts Options) (*inspection, error) {
	rules, err := theRules()
	if err != nil {
		return nil, err
	}
	return &inspection{ctx: ctx, opts: opts.filled(), rules: rules, opcodes: opcodeTable(), seen: make(map[findingKey]bool)}, nil
}

func (s *inspection) open(fsys fs.FS, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if at, ok := f.(io.ReaderAt); ok {
		return s.top(name, blob{r: at, size: info.Size()})
	}
	b, done, err := spool(f, max(info.Size(), 0), s.opts.Temp)
	defer done()
	if err != nil {
		return err
	}
	return s.top(name, b)
}

// special reports what is neither a file nor a folder: a link may lead anywhere, so what it names was not judged.
func (s *inspection) special(name string) {
	s.files = append(s.files, FileReport{Path: name, Verdict: Inconclusive, Formats: []string{"link"}})
	s.add(Finding{Severity: Unclear, File: name, What: "is no regular file, so it was not read"})
}

// top judges one file of the tree.
func (s *inspection) top(name string, b blob) error {
	s.files = append(s.files, FileReport{Path: name, Size: b.size, Verdict: Pass, Formats: []string{}})
	s.file = &s.files[len(s.files)-1]
	err := s.judge(place{file: name}, b)
	slices.Sort(s.file.Formats)
	s.file.Formats = slices.Compact(s.file.Formats)
	return err
}

// format notes that the file holds a format.
func (s *inspection) format(name string) {
	if !slices.Contains(s.file.Formats, name) {
		s.file.Formats = append(s.file.Formats, name)
	}
}

// add keeps a finding and lets it count for its file, also where it is dropped from the list.
func (s *inspection) add(f Finding) {
	if s.file != nil && s.file.Path == f.File {
		s.file.Verdict = worse(s.file.Verdict, verdictOf(f.Severity))
	}
	key := findingKey{f.Severity, f.File, f.Inside, f.Name, f.What}
	if s.seen[key] {
		return
	}
	if len(s.findings) >= s.opts.Findings {
		s.dropped++
		return
	}
	s.seen[key] = true
	s.findings = append(s.findings, f)
}

// found adds a finding about the bytes at p.
func (s *inspection) found(p place, f Finding) {
	f.File, f.Inside = p.file, p.inside
	s.add(f)
}

func (s *inspection) block(p place, at int64, what, source string) {
	s.found(p, Finding{Severity: Block, Offset: at, What: what, Source: source})
}

func (s *inspection) unclear(p place, at int64, what string) {
	s.found(p, Finding{Severity: Unclear, Offset: at, What: what})
}

func (s *inspection) warn(p place, what, source string) {
	s.found(p, Finding{Severity: Warn, What: what, Source: source})
}

// member is the place of a file inside the archive at p.
func (p place) member(name string, r role) place {
	inside := name
	if p.inside != "" {
		inside = p.inside + "!" + name
	}
	return place{file: p.file, inside: inside, depth: p.depth + 1, role: r}
}

// expand keeps what an archive's member expands to and judges it. A stream that breaks is judged up to there, for a loader
// would run that much of it.
func (s *inspection) expand(p place, r io.Reader, then func(blob) error) error {
	b, done, err := spool(readContext{s.ctx, r}, s.opts.Expanded-s.expanded, s.opts.Temp)
	defer done()
	var disk *diskError
	switch {
	case err == nil:
	case errors.As(err, &disk):
		return disk.err
	case s.ctx.Err() != nil:
		return s.ctx.Err()
	default:
		s.unclear(p, b.size, "cannot be expanded: "+err.Error())
	}
	s.expanded += b.size
	return then(b)
}

// readContext ends a long expansion when the scan is cancelled.
type readContext struct {
	ctx context.Context //nolint:containedctx // it lives as long as one expansion
	r   io.Reader
}

func (r readContext) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
