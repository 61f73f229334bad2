package lineage

import (
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"mlx/internal/fault"
	"mlx/internal/lineage/internal/disk"
	"mlx/internal/lineage/internal/line"
	"mlx/internal/lineage/internal/pack"
	"mlx/internal/lineage/internal/segment"
	"mlx/internal/object"
)

// Ledger is an opened ledger. It is safe for several goroutines, and any number of processes may use the same folder.
type Ledger struct {
	opts Options

	write sync.Mutex // guards the segment and the clock
	seg   *segment.Writer
	again bool   // the next segment begins with lines written before
	clock uint64 // greatest lc seen, 0 until it is known
	lines line.Parser

	read  sync.Mutex // guards what has been opened
	packs map[object.Digest]*packFile
	stale []*packFile
	tail  *tail
	last  *view // the newest one: often nothing has changed since
	order atomic.Pointer[order]

	seal    sync.Mutex // one seal at a time in this process
	enc     *pack.Encoder
	sealing atomic.Bool
	working sync.WaitGroup
}

// Open opens the ledger in opts.Dir. A folder that is missing is an empty ledger; the first append makes it.
func Open(opts Options) (*Ledger, error) {
	if opts.Dir == "" {
		return nil, fault.New(fault.Internal, "cannot open the ledger: no folder given")
	}
	if opts.Rand == nil {
		opts.Rand = rand.Reader
	}
	if info, err := os.Stat(opts.Dir); err == nil && !info.IsDir() {
		return nil, fault.New(fault.Conflict, "cannot open the ledger: %s is no folder", opts.Dir)
	}
	return &Ledger{opts: opts, packs: map[object.Digest]*packFile{}}, nil
}

// Close waits for sealing in the background, which is at most a few milliseconds of work, and frees everything.
// A process that ends without it loses nothing: the next one seals.
func (l *Ledger) Close() error {
	l.working.Wait()
	l.write.Lock()
	defer l.write.Unlock()
	l.read.Lock()
	defer l.read.Unlock()
	var errs []error
	if l.seg != nil {
		errs = append(errs, l.seg.Close())
		l.seg = nil
	}
	for id, p := range l.packs {
		errs = append(errs, p.close())
		delete(l.packs, id)
	}
	for _, p := range l.stale {
		errs = append(errs, p.close())
	}
	l.tail, l.stale, l.last = nil, nil, nil
	return errors.Join(errs...)
}

// The folders of a ledger.
const (
	segFolder  = "seg"   // open segments
	packFolder = "packs" // sealed records
	idxFolder  = "idx"   // derived, can be deleted
	logFolder  = "log"   // the order of the packs
	tmpFolder  = "tmp"   // leftovers of crashes, swept
	packSuffix = ".jsonl.zst"
	idxSuffix  = ".mxi"
)

func (l *Ledger) path(folder string, names ...string) string {
	return filepath.Join(append([]string{l.opts.Dir, folder}, names...)...)
}

func (l *Ledger) packPath(id object.Digest) string { return l.path(packFolder, id.Hex()+packSuffix) }
func (l *Ledger) idxPath(id object.Digest) string  { return l.path(idxFolder, id.Hex()+idxSuffix) }

// makeFolders makes what is missing, and durable. The folder for temporary files comes last: where it is, the others have
// been made durable before, and a process that finds all of them need not wait for the disk.
func (l *Ledger) makeFolders() error {
	_, err := os.Stat(l.path(tmpFolder))
	missing := err != nil
	for _, f := range []string{segFolder, packFolder, idxFolder, logFolder} {
		switch err := os.Mkdir(l.path(f), 0o755); {
		case err == nil:
			missing = true
		case errors.Is(err, fs.ErrNotExist):
			missing = true
			if err := os.MkdirAll(l.path(f), 0o755); err != nil {
				return err
			}
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	if !missing {
		return nil
	}
	if err := errors.Join(disk.SyncDir(l.opts.Dir), disk.SyncDir(filepath.Dir(l.opts.Dir))); err != nil {
		return err
	}
	return os.MkdirAll(l.path(tmpFolder), 0o755)
}

// writable fails if this ledger may not be written to.
func (l *Ledger) writable(what string) error {
	if l.opts.ReadOnly {
		return fault.New(fault.Denied, "cannot %s: the ledger is open for reading only", what)
	}
	if l.opts.Now == nil {
		return fault.New(fault.Internal, "cannot %s: no clock given", what)
	}
	return nil
}

// because wraps err, which came from the system or from damaged bytes, keeping its kind.
func because(err error, format string, args ...any) error {
	return fault.New(fault.KindOf(err), format+": %w", append(args, err)...)
}
