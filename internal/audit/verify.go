package audit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// Problem is something in a log that is not as it was written.
type Problem struct {
	Segment string `json:"segment"`
	What    string `json:"what"`
}

// Verify checks that the records of a log are a whole chain, and with bytes that each segment holds what its record says. Segments whose
// bytes are not here are told in absent.
func (l *Log) Verify(ctx context.Context, withBytes bool) (problems []Problem, absent []Entry, err error) {
	all, err := Entries(ctx, l.Ledger, l.Service)
	if err != nil {
		return nil, nil, err
	}
	problems, err = checkChain(ctx, l.Ledger, all)
	if err != nil || !withBytes {
		return problems, nil, err
	}
	for _, e := range firsts(all) {
		if l.Gone != nil && l.Gone(e) {
			continue
		}
		what, err := l.check(ctx, e)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			absent = append(absent, e)
		case err != nil:
			return problems, absent, err
		case what != "":
			problems = append(problems, Problem{e.Name(), what})
		}
	}
	return problems, absent, nil
}

// VerifyChain checks the records of all services: those of each writer must follow each other.
func VerifyChain(ctx context.Context, l *lineage.Ledger) ([]Problem, error) {
	all, err := Entries(ctx, l, "")
	if err != nil {
		return nil, err
	}
	return checkChain(ctx, l, all)
}

// checkChain holds the segments of each writer against each other: numbers, requests and digests must follow.
func checkChain(ctx context.Context, l *lineage.Ledger, all []Entry) ([]Problem, error) {
	var problems []Problem
	tell := func(e Entry, format string, args ...any) {
		problems = append(problems, Problem{e.Name(), fmt.Sprintf(format, args...)})
	}
	last := make(map[string]Entry) // by writer
	kept := firsts(all)
	slices.SortStableFunc(kept, func(a, b Entry) int {
		if c := strings.Compare(a.Writer, b.Writer); c != 0 {
			return c
		}
		return int(min(1, max(-1, a.Number-b.Number)))
	})
	for _, e := range kept {
		before, known := last[e.Writer]
		switch {
		case !known && e.Number == 1:
			if !e.Previous.IsZero() {
				tell(e, "it is the first of its writer, and names one before it")
			}
		case !known:
			tell(e, "segments 1 to %d of writer %s are missing", e.Number-1, e.Writer)
		case e.Number != before.Number+1:
			tell(e, "segments %d to %d of writer %s are missing", before.Number+1, e.Number-1, e.Writer)
		case e.Previous != before.Segment:
			tell(e, "the one before it is %s, and it names %s", before.Segment.Short(), e.Previous.Short())
		case e.First > 0 && before.Last > 0 && e.First <= before.Last:
			tell(e, "it begins with request %d, and the one before it ends with %d", e.First, before.Last)
		}
		last[e.Writer] = e
		for _, in := range e.In {
			if in.Role != rolePrevious {
				continue
			}
			if has, err := l.Has(ctx, in.ID); err != nil {
				return nil, err
			} else if !has {
				tell(e, "record %s, which it follows, is missing", in.ID.Short())
			}
		}
	}
	first := make(map[spooled]object.Digest, len(kept))
	for _, e := range all {
		key := spooled{writer: e.Writer, number: e.Number}
		if was, known := first[key]; !known {
			first[key] = e.Segment
		} else if was != e.Segment {
			tell(e, "it is recorded twice, as %s and as %s", was.Short(), e.Segment.Short())
		}
	}
	return problems, nil
}

// check reads a segment and says what is wrong with it.
func (l *Log) check(ctx context.Context, e Entry) (what string, err error) {
	f, size, err := l.Open(ctx, e)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, size)); err != nil {
		return "", err
	}
	if sum := object.Digest(h.Sum(nil)); sum != e.Segment {
		return fmt.Sprintf("its bytes are %s, and its record says %s", sum.Short(), e.Segment.Short()), nil
	}
	seg, err := openSegment(f, size)
	if err != nil || seg.index == nil {
		return "it is no segment", nil
	}
	c, err := newCodec()
	if err != nil {
		return "", err
	}
	defer c.close()
	return seg.check(c, e), nil
}

// check says where the rows of a segment differ from what its index and its record say of them.
func (s *segment) check(c *codec, e Entry) string {
	if s.header.Writer != e.Writer || s.header.Number != e.Number || s.header.Service != e.Service || s.index.Previous != e.Previous ||
		s.header.Policy != e.Policy {
		return "its header differs from its record"
	}
	rows, requests := int64(0), int64(0)
	for i, f := range s.frames {
		text, err := c.rows(s.r, f)
		if err != nil {
			return fmt.Sprintf("frame %d is damaged", i+1)
		}
		before := f.first - 1
		for line := range bytes.Lines(text) {
			h, ok := headOf(line)
			if !ok || h.Seq != before && h.Seq != before+1 {
				return fmt.Sprintf("frame %d: the rows do not follow each other", i+1)
			}
			if h.Seq != before {
				requests++
			}
			before = h.Seq
			rows++
		}
	}
	if rows != s.index.Rows || rows != e.Rows || requests != s.index.Requests || requests != e.Requests || s.index.First != e.First || s.index.Last != e.Last {
		return fmt.Sprintf("it holds %d rows of %d requests, and its record says %d of %d", rows, requests, e.Rows, e.Requests)
	}
	return ""
}
