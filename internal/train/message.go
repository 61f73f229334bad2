package train

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"path"
	"strings"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// The operations of a link.
const (
	opHello     = "hello"
	opHave      = "have"
	opHolds     = "holds"
	opPutBundle = "put-bundle"
	opGetBundle = "get-bundle"
	opWrite     = "write"
	opRead      = "read"
	opList      = "list"
	opRemove    = "remove"
	opExec      = "exec"
	opFollow    = "follow"
	opTidy      = "tidy"
)

// request asks for one operation. Names and words are bytes: they need not be text.
type request struct {
	Op    string          `json:"op"`
	Roots []object.Digest `json:"roots,omitempty"`
	Held  []object.Digest `json:"held,omitempty"`
	Name  []byte          `json:"name,omitempty"`
	From  int64           `json:"from,omitempty"`
	Mode  uint32          `json:"mode,omitempty"`
	Argv  [][]byte        `json:"argv,omitempty"`
	Dir   []byte          `json:"dir,omitempty"`
	Env   [][]byte        `json:"env,omitempty"`
	Tails []tailRequest   `json:"tails,omitempty"`
	Every time.Duration   `json:"every_ns,omitempty"`
	Limit int64           `json:"limit,omitempty"` // bytes
}

type tailRequest struct {
	Name  []byte `json:"name"`
	From  int64  `json:"from,omitempty"`
	Whole bool   `json:"whole,omitempty"`
	Last  bool   `json:"last,omitempty"`
}

// reply ends an operation.
type reply struct {
	Error  string   `json:"error,omitempty"`
	Kind   string   `json:"kind,omitempty"` // of the error: a label of fault
	Hints  []string `json:"hints,omitempty"`
	Node   *Node    `json:"node,omitempty"`
	Have   []bool   `json:"have,omitempty"`
	Bytes  int64    `json:"bytes,omitempty"`
	Status int      `json:"status,omitempty"`
}

// bounds of a request.
const (
	maxTails = 256
	maxWords = 1 << 16 // and variables of a command
	maxName  = 4 << 10
)

// parseRequest reads and bounds a request. Names are checked to lie below the root of the node.
func parseRequest(b []byte) (request, error) {
	var q request
	if err := json.Unmarshal(b, &q); err != nil {
		return q, fault.New(fault.Integrity, "cannot read a request: %w", err)
	}
	if len(q.Tails) > maxTails || len(q.Argv)+len(q.Env) > maxWords || q.From < 0 || q.Every < 0 {
		return q, fault.New(fault.Usage, "a request beyond all bounds")
	}
	for _, t := range q.Tails {
		if err := checkName(t.Name); err != nil {
			return q, err
		}
		if t.From < 0 {
			return q, fault.New(fault.Usage, "cannot follow from byte %d", t.From)
		}
	}
	for _, w := range append(append([][]byte{q.Dir}, q.Argv...), q.Env...) {
		if bytes.IndexByte(w, 0) >= 0 {
			return q, fault.New(fault.Usage, "a word with a zero byte: %.100q", w)
		}
	}
	for _, w := range q.Env {
		if bytes.IndexByte(w, '=') < 1 {
			return q, fault.New(fault.Usage, "a variable without a name: %.100q", w)
		}
	}
	switch q.Op {
	case opWrite, opRead, opList, opRemove:
		return q, checkName(q.Name)
	case opExec:
		if len(q.Argv) == 0 || len(q.Argv[0]) == 0 {
			return q, fault.New(fault.Usage, "no command to execute")
		}
	}
	return q, nil
}

// checkName refuses names that do not lie below the root. The root itself is ".".
func checkName(b []byte) error {
	name := string(b)
	if len(name) > maxName || name == "" || path.IsAbs(name) || path.Clean(name) != name || name == ".." || strings.HasPrefix(name, "../") || strings.IndexByte(name, 0) >= 0 {
		return fault.New(fault.Usage, "%.100q is no name below the folder of the node", name)
	}
	return nil
}

// failure makes the reply that tells of an error.
func failure(err error) reply {
	r := reply{Error: err.Error(), Kind: fault.KindOf(err).String(), Hints: fault.Hints(err)}
	if len(r.Error) > maxMessage/8 {
		r.Error = strings.ToValidUTF8(r.Error[:maxMessage/8], "")
	}
	return r
}

// err returns the error that the reply tells of, said to be the node's.
func (r reply) err(node string) error {
	if r.Error == "" {
		return nil
	}
	kind := fault.Internal
	for k := fault.Internal; k <= fault.Interrupted; k++ {
		if k.String() == r.Kind {
			kind = k
		}
	}
	e := &fault.Error{Kind: kind, Message: "on " + node + ": " + r.Error}
	for _, h := range r.Hints {
		e.Hints = append(e.Hints, "on "+node+": "+h)
	}
	return e
}

func (r reply) encode() []byte {
	b, err := json.Marshal(r)
	if err != nil || len(b) > maxMessage {
		b, _ = json.Marshal(failure(fault.New(fault.Internal, "an answer of %d bytes: %v", len(b), err)))
	}
	return b
}

// Node is what there is to know of a node.
type Node struct {
	Version string `json:"version"` // of mlx there
	OS      string `json:"os"`      // as Go names it
	Arch    string `json:"arch"`
	Host    string `json:"host"`
	Root    string `json:"root"`       // absolute
	Free    int64  `json:"free_bytes"` // for this user, on the file system of the root; -1 where it cannot be told
	NoExec  bool   `json:"no_exec"`    // nothing can be executed below the root
	Quota   *int64 `json:"quota_left_bytes,omitempty"`
	PID     int    `json:"pid"`     // of the process that answers
	Program string `json:"program"` // absolute path of mlx there
}

// File is an entry of a folder of the node.
type File struct {
	Name string
	Size int64
	Mode fs.FileMode
	Mod  time.Time
}

// listed is a File on its way.
type listed struct {
	Name []byte    `json:"n"`
	Size int64     `json:"s"`
	Mode uint32    `json:"m"`
	Mod  time.Time `json:"t"`
}

// Command is what Exec executes on the node.
type Command struct {
	Argv  []string
	Dir   string   // absolute, or below the root; empty is the root
	Env   []string // NAME=VALUE, besides the environment of the node
	Stdin []byte
}

// Answer is what a command said.
type Answer struct {
	Stdout, Stderr []byte
	Status         int // exit status; 128 + number of the signal that killed it
}

// Tail names a file that Follow mirrors.
type Tail struct {
	Name  string
	From  int64 // where to begin
	Whole bool  // it is replaced rather than appended to: each time all of it is pushed, at 0
}
