package run

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"

	"mlx/internal/fault"
)

// trackedName is the journal in the folder of a run: what clients told, a line each. artifactsName is the folder of the files that
// they logged.
const (
	trackedName   = "tracked.jsonl"
	artifactsName = "artifacts"
)

// Limits of a journal.
const (
	maxJournal     = 4 << 30
	maxJournalLine = 128 << 20
)

// journal is a file of lines that are only appended. Whoever waits for the disk at the same time waits for one fdatasync.
type journal struct {
	f *os.File

	mu      sync.Mutex
	wake    sync.Cond
	size    int64
	lines   int64 // written
	safe    int64 // of these, on the disk
	syncing bool
	broken  error // what is written from here on may be lost
}

// openJournal reads what a journal holds, tells it to each, and goes on with it. Half a line at its end was never acknowledged and
// is dropped.
func openJournal(path string, each func(Entry)) (*journal, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot open the journal of a run: %w", err)
	}
	size, err := replay(f, each)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fault.New(fault.KindOf(err), "cannot read the journal of a run: %w", err), f.Close())
	}
	j := &journal{f: f, size: size}
	j.wake.L = &j.mu
	return j, nil
}

// replay returns how many bytes whole lines have. A line that is no entry counts for nothing.
func replay(r io.Reader, each func(Entry)) (int64, error) {
	in := bufio.NewReaderSize(r, 256<<10)
	var size int64
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull) && len(line) < maxJournalLine:
			continue
		case errors.Is(err, io.EOF):
			return size, nil
		case err != nil:
			return size, err
		}
		size += int64(len(line))
		if e, err := parseEntry(line); err == nil {
			each(e)
		}
		line = line[:0]
	}
}

// write appends a line, and returns what to wait for until it is on the disk.
func (j *journal) write(line []byte) (int64, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.broken != nil:
		return 0, j.broken
	case len(line) > maxJournalLine || j.size+int64(len(line)) > maxJournal:
		return 0, fault.New(fault.Usage, "too much was logged")
	}
	n, err := j.f.Write(line)
	if err != nil {
		if n > 0 { // what comes next must not follow half a line
			if undo := j.f.Truncate(j.size); undo == nil {
				_, undo = j.f.Seek(j.size, io.SeekStart)
				err = errors.Join(err, undo)
			} else {
				j.broken = errors.Join(err, undo)
			}
		}
		return 0, err
	}
	j.size += int64(n)
	j.lines++
	return j.lines, nil
}

// wait returns once the line is on the disk. One of those that wait does the work for all that wrote before.
func (j *journal) wait(line int64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.safe < line {
		if j.broken != nil {
			return j.broken
		}
		if j.syncing {
			j.wake.Wait()
			continue
		}
		j.syncing = true
		upto := j.lines
		j.mu.Unlock()
		err := syncData(j.f)
		j.mu.Lock()
		j.syncing = false
		if err != nil {
			j.broken = err
		} else {
			j.safe = upto
		}
		j.wake.Broadcast()
	}
	return nil
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for j.syncing {
		j.wake.Wait()
	}
	var err error
	if j.broken == nil {
		if j.safe < j.lines { // somebody waits for what he wrote
			err = syncData(j.f)
		}
		if err == nil {
			j.safe = j.lines
		}
		j.broken = errors.New("the journal is closed")
		j.wake.Broadcast()
	}
	return errors.Join(err, j.f.Close())
}

// writeDurably writes a new file that survives a crash together with its name.
func writeDurably(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}
