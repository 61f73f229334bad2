package audit

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"mlx/internal/fault"
)

// Words gives words the form in which rows have them, by the key of the writers on this machine. NotFound: nothing was ever logged here.
func Words(dir string) (func(word string) string, error) {
	key, err := os.ReadFile(filepath.Join(dir, keyName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "cannot find words in the log of predictions: none was kept on this machine")
	}
	if err != nil || len(key) != keyBytes {
		return nil, fault.New(fault.Integrity, "cannot find words in the log of predictions: the key in %s cannot be read", dir)
	}
	r := newRedactor(Policy{}, key)
	return func(word string) string {
		quoted := r.appendHash(nil, []byte(word))
		return string(quoted[1 : len(quoted)-1])
	}, nil
}

// Asked is what a row says of who asked.
type Asked struct {
	ID         string
	At         time.Time
	Generation uint64
	Word       string // as Words gives it; empty: there was none
	Bucket     int    // of the word
}

// Asked reads who asked; false: it cannot be read.
func (r Row) Asked() (Asked, bool) {
	var said struct {
		Generation uint64 `json:"generation"`
		Word       string `json:"word"`
		Bucket     int    `json:"bucket"`
	}
	err := json.Unmarshal(r.Line, &said)
	return Asked{ID: r.ID, At: r.At, Generation: said.Generation, Word: said.Word, Bucket: said.Bucket}, err == nil
}
