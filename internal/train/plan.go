package train

import (
	"cmp"
	"context"
	"io"
	"slices"
	"strconv"
	"time"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Bounds of what is sent as the work tree: code is small, and what is large is data, which travels by its digest and once.
const (
	NoteFile = 20_000_000    // a file of the tree from this size on is named
	MostTree = 1_000_000_000 // more than this is refused
)

// TreeFile is a file of the work tree that is sent.
type TreeFile struct {
	Path  string // below the root, with slashes
	Bytes int64
}

// Weigh returns the files of a tree that are worth a word, the largest first, and the size of all. A tree that is too large is an
// error, which the largest files of it explain.
func Weigh(files []TreeFile) (large []TreeFile, sum int64, err error) {
	for _, f := range files {
		sum += f.Bytes
		if f.Bytes >= NoteFile {
			large = append(large, f)
		}
	}
	slices.SortFunc(large, func(a, b TreeFile) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Path, b.Path))
	})
	if sum > MostTree {
		err = fault.New(fault.Usage, "cannot send the work tree: it has %s, more than %s", megabytes(sum), megabytes(MostTree))
	}
	return large, sum, err
}

func megabytes(n int64) string { return strconv.FormatInt(n/1_000_000, 10) + " MB" }

// Or returns the resources with those of other where nothing is said.
func (r Resources) Or(other Resources) Resources {
	return Resources{
		Nodes: cmp.Or(r.Nodes, other.Nodes), Ranks: cmp.Or(r.Ranks, other.Ranks), GPUs: cmp.Or(r.GPUs, other.GPUs),
		GPUType: cmp.Or(r.GPUType, other.GPUType), CPUs: cmp.Or(r.CPUs, other.CPUs), Memory: cmp.Or(r.Memory, other.Memory),
		Time: cmp.Or(r.Time, other.Time),
	}
}

// Most of what can be asked for: typing errors, not machines, are larger.
const (
	maxNodes = 100_000
	maxRanks = 1024   // of one node
	maxParts = 10_000 // processors or GPUs of one node
)

// Check says what cannot be meant.
func (r Resources) Check() error {
	for _, n := range []struct {
		what        string
		value, most int
	}{
		{"nodes", r.Nodes, maxNodes}, {"ranks", r.Ranks, maxRanks}, {"GPUs", r.GPUs, maxParts}, {"processors", r.CPUs, maxParts},
	} {
		if n.value < 0 || n.value > n.most {
			return fault.New(fault.Usage, "cannot ask for %d %s", n.value, n.what)
		}
	}
	if r.Memory < 0 || r.Time < 0 {
		return fault.New(fault.Usage, "cannot ask for less than nothing")
	}
	return nil
}

// Describer is a driver that can say what it would hand to the backend: the script of sbatch, the object of a Job, as text.
type Describer interface {
	Describe(j Job) (string, error)
}

// Pricer is a driver whose backend says what it costs. Price is of one hour of all that a job asks for, in PriceCurrency; 0 is not known.
// Nothing is got.
type Pricer interface {
	Price(ctx context.Context, j Job) (float64, error)
}

// PriceCurrency is that of Pricer.
const PriceCurrency = "USD"

// Sheller is a driver that can open a shell where a job executes: the program to run, with its arguments.
type Sheller interface {
	Shell(j Ref, dir string) ([]string, error)
}

// Cleaner is a driver of which something stays when a job has ended. Clean removes it, once everything has been fetched.
type Cleaner interface {
	Clean(ctx context.Context, job Ref) error
}

// NodeLinker is a Linker whose nodes have files of their own each: what a job needs is brought to every one of them.
type NodeLinker interface {
	LinkNode(ctx context.Context, job Ref, node int) (io.ReadWriteCloser, error)
}

// Input is a version that a job needs, and where it takes it from.
type Input struct {
	What  string // "work tree", "data/flights"
	Root  object.Digest
	Files int64
	Bytes int64 // of all of it; less travels where parts of it are there
	There bool  // the node has it already
}

// Plan is a submit before anything is done.
type Plan struct {
	Job    Job
	Order  Order
	Access Access
	Inputs []Input // in the order in which they are sent
	Remote string  // name of the remote that brings them; empty is the link, or the job itself
}

// Bytes is how much has to be sent at most.
func (p Plan) Bytes() (n int64) {
	for _, in := range p.Inputs {
		if !in.There {
			n += in.Bytes
		}
	}
	return n
}

// Roots are the versions that a job needs.
func (p Plan) Roots() []object.Digest {
	var all []object.Digest
	for _, in := range p.Inputs {
		if !in.Root.IsZero() && !slices.Contains(all, in.Root) {
			all = append(all, in.Root)
		}
	}
	return all
}

// Check refuses what the backend can never do, before anything is recorded.
func (p Plan) Check(backend string) error {
	if p.Access == AccessNone && p.Order.Remote == "" {
		return fault.New(fault.Usage, "cannot run on %s: what a run there makes comes back through a remote, and the backend names none", backend).
			Hint("remote: NAME   # below backends: in mlx.yaml, a remote that the machines can reach")
	}
	return p.Job.Resources.Check()
}

// Pause is how long to wait before a backend is asked again: soon at first, then every most.
func Pause(asked int, most time.Duration) time.Duration {
	const first = 100 * time.Millisecond
	d := first
	for range min(asked, 20) {
		d += d / 2
	}
	return min(d, most)
}
