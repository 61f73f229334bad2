package audit

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// adopt seals what dead writers left in the spool. A writer is dead when its file is not locked.
func (s *sealer) adopt() error {
	_, writers, err := listSpool(s.opts.Dir)
	if err != nil {
		return err
	}
	for _, name := range writers {
		if name == s.name {
			continue
		}
		if err := s.adoptOne(name); err != nil {
			return fault.New(fault.KindOf(err), "cannot seal the predictions that writer %s left: %w", name, err)
		}
	}
	return nil
}

// adoptOne seals the segments of a writer, unless it lives or another one does it.
func (s *sealer) adoptOne(name string) error {
	path := filepath.Join(s.opts.Dir, name+writerEnd)
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if lock(f) != nil {
		return nil
	}
	segments, _, err := listSpool(s.opts.Dir) // once nobody else writes or removes them
	if err != nil {
		return err
	}
	said := readTaken(f)
	left := slices.DeleteFunc(segments, func(g spooled) bool { return g.writer != name })
	for i, g := range left {
		j := job{spooled: g, again: true}
		if i == len(left)-1 {
			if err := s.account(&j, said); err != nil {
				return err
			}
		}
		if err := s.one(j); err != nil {
			return err
		}
	}
	if err := s.confess(name, said); err != nil {
		return err
	}
	return os.Remove(path)
}

// account fills in what the last segment of a killed writer has to tell: how many requests it had taken in and not written.
func (s *sealer) account(j *job, said taken) error {
	if j.full {
		return nil // it was finished when all that it tells was known
	}
	f, seg, err := openFile(s.path(j.spooled))
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	written := seg.header.Taken
	for i := range seg.frames {
		written += uint64(seg.frames[i].requests)
	}
	j.dropped = max(0, said.dropped-seg.header.Dropped)
	if said.accepted > written {
		j.lost = int64(said.accepted - written)
	}
	return nil
}

// confess seals a segment without rows where a killed writer had taken in or dropped requests that no segment tells of.
func (s *sealer) confess(name string, said taken) error {
	known, err := entriesOf(s.ctx, s.opts.Ledger, s.opts.Service, name)
	if err != nil {
		return err
	}
	var told taken
	next := int64(1)
	lost := int64(0)
	for i := range known {
		told.accepted = max(told.accepted, known[i].Last)
		told.dropped += known[i].Dropped
		lost += known[i].Lost
		next = max(next, known[i].Number+1)
	}
	j := job{spooled: spooled{writer: name, number: next}, again: true}
	j.lost = max(0, int64(said.accepted)-int64(told.accepted)-lost)
	if j.dropped = max(0, said.dropped-told.dropped); j.lost == 0 && j.dropped == 0 {
		return nil
	}
	text, err := object.Encode(header{Format: formatName, Service: s.opts.Service, Writer: name, Number: next, Policy: s.opts.Policy.Digest(),
		Taken: said.accepted, Dropped: told.dropped})
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path(j.spooled), skippable([]byte(emptyFrame), magicHeader, text), 0o600); err != nil {
		return err
	}
	return s.one(j)
}
