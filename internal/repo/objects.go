package repo

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"

	"mlx/internal/fault"
)

// treeEntry is one name of a git tree.
type treeEntry struct {
	name string
	kind entryKind
	id   string // hex
}

type entryKind uint8

const (
	otherEntry entryKind = iota // symbolic link, submodule
	fileEntry
	treeEntryKind
)

// objects reads git trees and blobs by their hex ids.
type objects interface {
	tree(id string) ([]treeEntry, error)
	blob(id string) ([]byte, error) // nil for a blob above maxPointerBlob
}

// maxPointerBlob bounds what is read of a file that could be a pointer; a pointer is at most 4 KiB, two in conflict are less than this.
const maxPointerBlob = 16 << 10

// inProcess reads objects with go-git.
type inProcess struct{ g *git.Repository }

func (p inProcess) tree(id string) ([]treeEntry, error) {
	t, err := p.g.TreeObject(plumbing.NewHash(id))
	if err != nil {
		return nil, fault.New(fault.Integrity, "cannot read git tree %s: %w", id, err)
	}
	entries := make([]treeEntry, len(t.Entries))
	for i, e := range t.Entries {
		entries[i] = treeEntry{name: e.Name, kind: kindOfMode(uint32(e.Mode)), id: e.Hash.String()}
	}
	return entries, nil
}

func (p inProcess) blob(id string) ([]byte, error) {
	b, err := p.g.BlobObject(plumbing.NewHash(id))
	if err != nil {
		return nil, fault.New(fault.Integrity, "cannot read git blob %s: %w", id, err)
	}
	if b.Size > maxPointerBlob {
		return nil, nil
	}
	return readBlob(b)
}

// catFile reads objects through one git cat-file process, which knows every format that git knows.
type catFile struct {
	ctx context.Context
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err bytes.Buffer
}

func (r *Repo) startCatFile(ctx context.Context) (*catFile, error) {
	cmd := gitCommand(ctx, r.gitFolder(), "cat-file", "--batch")
	cmd.Env = append(cmd.Env, "GIT_NO_REPLACE_OBJECTS=1")
	c := &catFile{ctx: ctx, cmd: cmd}
	cmd.Stderr = &c.err
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.in, c.out = in, bufio.NewReaderSize(out, 64<<10)
	if err := cmd.Start(); err != nil {
		return nil, gitError(ctx, err, "")
	}
	return c, nil
}

func (c *catFile) close() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// get returns one object. An object longer than limit is read past and returned as nil.
func (c *catFile) get(name, wantType string, limit int64) (id string, data []byte, err error) {
	if strings.ContainsAny(name, "\n\x00") {
		return "", nil, fault.New(fault.NotFound, "cannot read git object %q", name)
	}
	if _, err := io.WriteString(c.in, name+"\n"); err != nil {
		return "", nil, c.broken(err)
	}
	header, err := c.out.ReadString('\n')
	if err != nil {
		return "", nil, c.broken(err)
	}
	words := strings.Fields(header)
	if len(words) != 3 {
		return "", nil, fault.New(fault.Integrity, "cannot read git object %s: %s", name, strings.TrimSpace(header))
	}
	size, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil {
		return "", nil, c.broken(err)
	}
	if words[1] != wantType || size > limit {
		_, err = io.CopyN(io.Discard, c.out, size+1)
	} else {
		data = make([]byte, size+1)
		_, err = io.ReadFull(c.out, data)
		data = data[:size]
	}
	if err != nil {
		return "", nil, c.broken(err)
	}
	if words[1] != wantType {
		return "", nil, fault.New(fault.Integrity, "cannot read git object %s: it is a %s, not a %s", name, words[1], wantType)
	}
	return words[0], data, nil
}

func (c *catFile) broken(err error) error {
	_ = c.in.Close()
	if waitErr := c.cmd.Wait(); waitErr != nil {
		err = waitErr
	}
	return gitError(c.ctx, err, c.err.String())
}

// maxTree bounds one git tree: a million names.
const maxTree = 256 << 20

func (c *catFile) tree(id string) ([]treeEntry, error) {
	full, data, err := c.get(id, "tree", maxTree)
	if err != nil {
		return nil, err
	}
	return parseTree(data, len(full)/2)
}

func (c *catFile) blob(id string) ([]byte, error) {
	_, data, err := c.get(id, "blob", maxPointerBlob)
	return data, err
}

// parseTree reads git's binary form of a tree: mode, space, name, NUL, id of hashLen bytes.
func parseTree(data []byte, hashLen int) ([]treeEntry, error) {
	var entries []treeEntry
	for len(data) > 0 {
		mode, rest, ok := bytes.Cut(data, []byte{' '})
		name, rest, ok2 := bytes.Cut(rest, []byte{0})
		bits, err := strconv.ParseUint(string(mode), 8, 32)
		if !ok || !ok2 || err != nil || len(rest) < hashLen {
			return nil, fault.New(fault.Integrity, "cannot read a git tree: %w", fmt.Errorf("entry %d is damaged", len(entries)))
		}
		entries = append(entries, treeEntry{name: string(name), kind: kindOfMode(uint32(bits)), id: hex.EncodeToString(rest[:hashLen])})
		data = rest[hashLen:]
	}
	return entries, nil
}

func kindOfMode(mode uint32) entryKind {
	switch mode &^ 0o777 {
	case 0o100000:
		return fileEntry
	case 0o040000:
		return treeEntryKind
	default:
		return otherEntry
	}
}
