package audit

import (
	"errors"
	"os"
)

// reserve is room on the disk of the spool that a strict log holds back.
type reserve struct {
	dir  string
	file *os.File // nil: it is not held. It has no name, so that it goes with the process
}

// reserveBytes hold what a router takes in until it hears that the disk is full: thousands of requests, compressed.
const reserveBytes = 8 << 20

// hold takes the room, unless it is held. Without a reserve nothing is to be held.
func (r *reserve) hold() error {
	if r == nil || r.file != nil {
		return nil
	}
	f, err := os.CreateTemp(r.dir, "room-*")
	if err != nil {
		return err
	}
	err = os.Remove(f.Name())
	zeros := make([]byte, 1<<20)
	for n := 0; n < reserveBytes && err == nil; n += len(zeros) {
		_, err = f.Write(zeros)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	r.file = f
	return nil
}

// spend gives the room back. It says whether any was held.
func (r *reserve) spend() bool {
	if r == nil || r.file == nil {
		return false
	}
	_ = r.file.Close() // nothing of it is kept
	r.file = nil
	return true
}
