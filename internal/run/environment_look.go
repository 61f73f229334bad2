package run

import (
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// Around says where a command is about to run, for Look.
type Around struct {
	Command []string
	Dir     string         // working folder, absolute
	Root    string         // of the repository that the working folder is in, absolute
	Environ []string       // what the command gets
	Record  []string       // names of variables to record beside the built-in list
	Params  map[string]any // of the run: some are seeds
	System  fs.FS          // the machine's files from its root; nil for those of this machine
}

// Found is what Look found.
type Found struct {
	Environment *Environment
	Packages    []byte // the list that Environment.Python.List is to be a snapshot of; nil without Python

	around Around
	sites  []string // folders of packages
	stamp  int64
}

// Look finds out what surrounds a command. It starts no process and waits for no other machine: what cannot be read is
// left out.
func (a Around) Look() Found {
	system := a.System
	if system == nil {
		system = os.DirFS(string(filepath.Separator))
	}
	var e Environment
	found := Found{around: a, Environment: &e}
	var group sync.WaitGroup
	group.Go(func() { found.python() })
	group.Go(func() { e.Locks = lockFiles(a.Root, a.Dir) })
	e.Variables = variables(a.Environ, a.Record)
	e.Seeds = seeds(e.Variables, a.Params)
	e.Container = container(system, a.Environ)
	e.GPUs = driverGPUs(system)
	group.Wait()
	return found
}

// Again looks once more at the Python of a command that ended, because the command itself may have made or changed its
// environment, as uv run does. False: it is as it was.
func (f Found) Again() (Found, bool) {
	if f.Environment.Python != nil && f.stamp == stampOf(f.sites) {
		return f, false
	}
	before, e := f.Environment.Python, *f.Environment
	f.Environment = &e
	f.python()
	if after := e.Python; after == nil || before != nil && after.Executable == before.Executable && after.Version == before.Version && after.Lock == before.Lock {
		return f, false
	}
	return f, true
}

// python finds the Python of the command and what is installed for it.
func (f *Found) python() {
	a := f.around
	look := &finder{dir: a.Dir, root: a.Root, environ: a.Environ}
	p, ok := look.find(a.Command)
	if !ok {
		return
	}
	in := look.look(p)
	f.sites, f.stamp = in.sites, stampOf(in.sites)
	f.Environment.Python, f.Packages = p.describe(in.version, in.scan(a.Root))
	f.Environment.Python.Indexes = indexes(indexSources{environ: a.Environ, root: a.Root, home: look.home(), prefix: p.prefix})
}

// stampOf changes when something is installed into one of the folders, or taken out of it.
func stampOf(folders []string) int64 {
	var sum int64
	for _, folder := range folders {
		if info, err := os.Stat(folder); err == nil {
			sum = sum*31 + info.ModTime().UnixNano()
		}
	}
	return sum
}

// fit makes the names of files text, as records hold it.
func (c *Code) fit() {
	left := make([]LeftOut, len(c.LeftOut))
	for i, l := range c.LeftOut {
		left[i] = LeftOut{Path: bounded(l.Path), Why: text(l.Why), Bytes: l.Bytes}
	}
	if len(left) > 0 {
		c.LeftOut = left
	}
	c.Remote = bounded(c.Remote)
}
