package ray

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// Of a connection: what is sent at a time, how much of it may wait at the head, signs of life, and how long it may take
// until a node answers.
const (
	chunkSize  = 4 << 20
	window     = 8
	backlog    = 32
	alive      = 20 * time.Second
	startTime  = 3 * time.Minute
	maxPreface = 1 << 20
	maxFrame   = 1 << 20
)

func nonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// Link connects to `mlx agent serve` on the node that executes a job, or did. Ray offers no such connection: a small job
// on that node is one. What it reads are packages that are put at the head, what it says is its log, which Ray streams.
func (d *Driver) Link(ctx context.Context, ref train.Ref) (io.ReadWriteCloser, error) {
	at, err := d.place(ctx, ref)
	if err != nil {
		return nil, err
	}
	digest, agent, err := d.sendAgent(ctx)
	if err != nil {
		return nil, err
	}
	l := &link{d: d, id: ref.Name() + "-link-" + nonce(), node: at, nonce: nonce(), done: make(chan struct{}), room: make(chan struct{}, window), data: make(chan []byte, backlog)}
	job := submission{
		ID:         l.id,
		Entrypoint: "exec sh ./mlx-start " + digest + " link " + l.nonce + " " + quote(d.dir(ref)),
		RuntimeEnv: runtimeEnv{WorkingDir: agent},
		Resources:  map[string]float64{"node:" + at.IP: 0.001}, // it fits also where every GPU and processor is taken
	}
	if err := d.create(ctx, job); err != nil {
		return nil, err
	}
	if err := l.open(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// dir is the folder of a job on its node.
func (d *Driver) dir(ref train.Ref) string {
	root := d.backend.Dir
	if root == "" {
		root = "~/.cache/mlx/node"
	}
	return root + "/jobs/" + ref.ID.Hex()
}

// rankZero is what the launcher of several nodes says of the one that has the results.
var rankZero = regexp.MustCompile(`(?m)^mlx-rank-0 ([0-9a-f]{56}) `)

// place finds the node that has the folder of a job.
func (d *Driver) place(ctx context.Context, ref train.Ref) (node, error) {
	j, found, err := d.api.job(ctx, ref.Name())
	if err != nil {
		return node{}, err
	}
	all, err := d.api.everyNode(ctx)
	if err != nil {
		return node{}, err
	}
	alive := slices.DeleteFunc(slices.Clone(all), func(n node) bool { return n.State != "ALIVE" })
	switch {
	case !found && len(alive) == 1:
		return alive[0], nil // a head that was restarted knows no job, but what the job left lies on its only node
	case found && j.Node == nil && j.ended():
		return node{}, fault.New(fault.NotFound, "cannot reach job %s on %s: %w", ref.Name(), d.backend.Name, train.ErrNowhere)
	case !found || j.Node == nil:
		return node{}, fault.New(fault.NotFound, "cannot reach job %s on %s: Ray knows no node of it", ref.Name(), d.backend.Name)
	}
	id := d.rankZero(ctx, ref, *j.Node)
	if n, ok := stillThere(all, id); ok {
		return n, nil
	}
	return node{}, fault.New(fault.NotFound, "cannot reach job %s on %s: node %.8s: %w", ref.Name(), d.backend.Name, id, train.ErrNodeGone).
		Hint("edit mlx.yaml   # remote: of the backend names where results go, whatever becomes of nodes")
}

// rankZero is the node of rank 0, which has the results of a job with several nodes. at is the node of the job of Ray.
func (d *Driver) rankZero(ctx context.Context, ref train.Ref, at string) string {
	log, err := d.Logs(ctx, ref, 0)
	if err != nil {
		return at
	}
	defer log.Close()
	head, err := io.ReadAll(io.LimitReader(log, 64<<10))
	if m := rankZero.FindSubmatch(head); err == nil && m != nil {
		return string(m[1])
	}
	return at
}

// stillThere finds a node, or what stands in its place: a Ray that was started again on the same machine has the same disk.
func stillThere(all []node, id string) (node, bool) {
	i := slices.IndexFunc(all, func(n node) bool { return n.ID == id })
	if i < 0 {
		return node{}, false
	}
	if all[i].State == "ALIVE" {
		return all[i], true
	}
	k := slices.IndexFunc(all, func(n node) bool { return n.State == "ALIVE" && n.IP == all[i].IP })
	if k < 0 {
		return node{}, false
	}
	return all[k], true
}

// link is a connection through a job. Reads and writes may happen at the same time.
type link struct {
	d     *Driver
	id    string // of the job
	node  node
	nonce string

	frames io.ReadCloser // the log, from where frames begin
	stop   context.CancelFunc
	data   chan []byte   // pieces that came, and were not read yet
	err    error         // why no more come; it is there when data is closed
	rest   []byte        // of the piece that is being read
	room   chan struct{} // one for each package at the head that was not read yet
	done   chan struct{}
	once   sync.Once

	send sync.Mutex
	next uint32 // number of the package
}

// open waits until the job on the node speaks.
func (l *link) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		j, found, err := l.d.api.job(ctx, l.id)
		switch {
		case err != nil:
			return err
		case !found || j.ended():
			return l.failed(j)
		}
		if j.Status == "RUNNING" && j.Node != nil && l.listen(ctx) == nil {
			go l.receive()
			go l.keep()
			return nil
		}
		select {
		case <-ctx.Done():
			return l.failed(j)
		case <-time.After(look):
		}
	}
}

func (l *link) failed(j details) error {
	why := "the node says nothing"
	if j.Message != nil {
		why = brief(*j.Message)
	}
	return fault.New(fault.Unavailable, "cannot reach node %s of %s: %s", l.node.IP, l.d.backend.Name, why).
		Hint("mlx backend check %s", l.d.backend.Name)
}

// listen finds the first frame in the log.
func (l *link) listen(ctx context.Context) error {
	stream, stop := context.WithCancel(context.WithoutCancel(ctx))
	resp, err := l.d.api.do(stream, call{method: http.MethodGet, path: logPath("stream", l.node.ID, logName(l.id)), stream: true})
	if err != nil {
		stop()
		return err
	}
	stopped := context.AfterFunc(ctx, stop)
	mark := []byte("\nmlx-link " + l.nonce + "\n")
	var head []byte
	buf := make([]byte, 32<<10)
	for {
		n, err := resp.Body.Read(buf)
		head = append(head, buf[:n]...)
		if i := bytes.Index(head, mark); i >= 0 {
			stopped()
			l.stop = stop
			l.frames = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(bytes.NewReader(head[i+len(mark):]), resp.Body), resp.Body}
			return nil
		}
		if err != nil || len(head) > maxPreface {
			stop()
			resp.Body.Close()
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
	}
}

// keep tells the node that somebody listens, and notices when it is gone.
func (l *link) keep() {
	tick := time.NewTicker(alive)
	defer tick.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), alive)
		j, found, err := l.d.api.job(ctx, l.id)
		if err == nil && (!found || j.ended()) {
			l.stop()
		} else if err == nil {
			_ = l.put(ctx, 'k', nil)
		}
		cancel()
	}
}

// receive takes what comes: receipts at once, also while nobody reads, since Write waits for them.
func (l *link) receive() {
	defer close(l.data)
	for {
		kind, data, err := readFrame(l.frames)
		switch {
		case err != nil:
			l.err = err
			return
		case kind == 'x':
			l.err = io.EOF
			return
		case kind == 'a':
			select {
			case <-l.room:
			default:
			}
		case kind == 'd':
			select {
			case l.data <- data:
			case <-l.done:
				l.err = io.ErrClosedPipe
				return
			}
		default:
			l.err = fmt.Errorf("it said %q", kind)
			return
		}
	}
}

// Read returns what the node says.
func (l *link) Read(p []byte) (int, error) {
	for len(l.rest) == 0 {
		data, ok := <-l.data
		if !ok {
			return 0, l.ended(l.err)
		}
		l.rest = data
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func (l *link) ended(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	select {
	case <-l.done:
		return io.ErrClosedPipe
	default:
	}
	return fault.New(fault.Unavailable, "cannot go on with node %s of %s: the connection ended: %w", l.node.IP, l.d.backend.Name, err)
}

// readFrame reads what the node says in one piece: a letter, the length, the bytes.
func readFrame(r io.Reader) (kind byte, data []byte, err error) {
	var head [5]byte
	for {
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, nil, err
		}
		if string(head[:]) != ownLine[:len(head)] {
			break
		}
		if err := skipLine(r); err != nil {
			return 0, nil, err
		}
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxFrame {
		return 0, nil, fmt.Errorf("a piece of %d bytes", n)
	}
	data = make([]byte, n)
	_, err = io.ReadFull(r, data)
	return head[0], data, err
}

// ownLine begins what Ray writes to the log of a job itself, when it has started the job. It holds that back for a while, so that it may come between
// frames, none of which begins so.
const ownLine = "Running entrypoint for job "

// skipLine reads the rest of a line.
func skipLine(r io.Reader) error {
	var one [1]byte
	for range maxPreface {
		if _, err := io.ReadFull(r, one[:]); err != nil || one[0] == '\n' {
			return err
		}
	}
	return io.ErrUnexpectedEOF
}

// Write sends bytes. It waits while much of it is still unread at the head.
func (l *link) Write(p []byte) (int, error) { //nolint:contextcheck // io.Writer has none
	sent := 0
	for len(p) > 0 {
		k := min(len(p), chunkSize)
		if err := l.put(context.Background(), 'd', p[:k]); err != nil {
			return sent, err
		}
		sent, p = sent+k, p[k:]
	}
	return sent, nil
}

func (l *link) put(ctx context.Context, kind byte, data []byte) error {
	select {
	case l.room <- struct{}{}:
	case <-l.done:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	l.send.Lock()
	defer l.send.Unlock()
	name := "_ray_pkg_mlxlink" + l.nonce + "_" + strconv.FormatUint(uint64(l.next), 10) + ".zip"
	if err := l.d.api.upload(ctx, name, append([]byte{kind}, data...)); err != nil {
		return err
	}
	l.next++
	return nil
}

// Close ends the connection, and what it was made of.
func (l *link) Close() error {
	l.once.Do(func() {
		close(l.done)
		ctx, cancel := context.WithTimeout(context.Background(), stopWait)
		defer cancel()
		if l.stop != nil { // before the node is told: it says a last word, by which Ray notices that nobody listens
			l.stop()
			l.frames.Close()
		}
		l.send.Lock()
		name := "_ray_pkg_mlxlink" + l.nonce + "_" + strconv.FormatUint(uint64(l.next), 10) + ".zip"
		_ = l.d.api.upload(ctx, name, []byte{'e'})
		l.send.Unlock()
		l.d.api.forget(l.id)
	})
	return nil
}
