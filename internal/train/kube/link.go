package kube

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/kube"
	"mlx/internal/train"
)

// maxSaid bounds what a script of ours may say.
const maxSaid = 64 << 10

// Access is while the pod runs: its files go with it.
func (d *Driver) Access() train.Access { return train.AccessNode }

// Link connects to `mlx agent serve` in the pod of the first node, and brings mlx there.
func (d *Driver) Link(ctx context.Context, job train.Ref) (io.ReadWriteCloser, error) {
	return d.LinkNode(ctx, job, 0)
}

// LinkNode does it in the pod of any node: each has files of its own.
func (d *Driver) LinkNode(ctx context.Context, job train.Ref, node int) (io.ReadWriteCloser, error) {
	pods, err := d.pods(ctx, job)
	if err != nil {
		return nil, err
	}
	pod := first(pods, node)
	if pod == nil || !pod.running() {
		return nil, fault.New(fault.Unavailable, "cannot reach job %s: its pod does not run", job.ID.Short()).
			Hint("mlx job list   # what is it doing?")
	}
	at := kube.Command{Pod: pod.Metadata.Name, Container: mainName}
	if err := d.bring(ctx, at, d.dir(job), masterOf(pods)); err != nil {
		return nil, err
	}
	at.Argv = []string{d.dir(job) + "/mlx", "agent", "serve", d.root}
	return d.api.Exec(ctx, at)
}

// masterOf is the address of node 0 for the others: it does not need the name service of the cluster, which may not know a pod
// that has just begun. Empty where a job has one node, and for an address that does not go with a port as host:port.
func masterOf(pods []podObject) string {
	master := first(pods, 0)
	if master == nil || master.Metadata.Annotations[indexAnnotation] == "" || strings.Contains(master.Status.IP, ":") {
		return ""
	}
	return master.Status.IP
}

// bring puts mlx into a pod, unless it is there. Folders that pods share have it from earlier jobs.
func (d *Driver) bring(ctx context.Context, at kube.Command, dir, master string) error {
	said, err := d.shell(ctx, at, probeScript(d.root, dir), nil)
	if err != nil {
		return err
	}
	words := strings.Fields(said)
	if len(words) < 4 {
		return fault.New(fault.Unavailable, "cannot bring mlx into pod %s: its shell says %.80q", at.Pod, said)
	}
	if words[0] == "have" {
		return nil
	}
	if d.agents == nil {
		return fault.New(fault.Usage, "cannot bring mlx into pod %s: there is no file of it", at.Pod).
			Hint("mlx show backend:%s   # agent: in mlx.yaml names an image with mlx", d.backend.Name)
	}
	file, err := d.agents(strings.ToLower(words[1]), architecture(words[2]))
	if err != nil {
		return err
	}
	digest, err := sum(file)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read mlx to bring it into pod %s: %w", at.Pod, err)
	}
	where := d.root + "/bin/" + digest
	ctx, end := patient(ctx)
	defer end()
	if !slices.Contains(words[4:], where+"/mlx") {
		if err := d.send(ctx, at, file, where, words[3] == "gzip"); err != nil {
			return err
		}
	}
	_, err = d.shell(ctx, at, nameScript(where, dir, master), nil)
	return err
}

// patient is ctx without its deadline. A program of 75 MB may take longer than a connection may: were it cut off each time, it
// would never arrive. Whoever does not want it any more cancels.
func patient(ctx context.Context) (context.Context, context.CancelFunc) {
	free, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			cancel()
		}
	})
	return free, func() { stop(); cancel() }
}

// send streams a file into a pod, compressed where the pod can undo that.
func (d *Driver) send(ctx context.Context, at kube.Command, file, where string, squeeze bool) error {
	f, err := os.Open(file)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read mlx to bring it into pod %s: %w", at.Pod, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot read mlx to bring it into pod %s: %w", at.Pod, err)
	}
	size := strconv.FormatInt(info.Size(), 10)
	if !squeeze {
		_, err = d.shell(ctx, at, bringScript(where, "cat", size), f)
		return err
	}
	r, w := io.Pipe()
	defer func() { _ = r.Close() }() // the writer learns that nobody reads
	go func() {
		z, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
		if err == nil {
			_, err = io.Copy(z, f)
		}
		if err == nil {
			err = z.Close()
		}
		w.CloseWithError(err)
	}()
	_, err = d.shell(ctx, at, bringScript(where, "gzip -dc", size), r)
	return err
}

// shell executes a script of ours in the pod.
func (d *Driver) shell(ctx context.Context, at kube.Command, script string, stdin io.Reader) (string, error) {
	at.Argv = []string{"/bin/sh", "-c", script}
	out, errs, status, err := d.api.Run(ctx, at, stdin, maxSaid)
	if err != nil {
		return "", err
	}
	if status != 0 {
		return "", fault.New(fault.Unavailable, "cannot bring mlx into pod %s: the shell there ended with status %d: %s", at.Pod, status,
			strings.TrimSpace(string(errs))).
			Hint("kubectl -n %s exec %s -c %s -- df -h %s   # is there room?", d.api.Namespace(), at.Pod, mainName, d.root)
	}
	return string(out), nil
}

// architecture is what Go calls a machine.
func architecture(machine string) string {
	switch machine {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	}
	return machine
}

func sum(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// IsImage tells an image with mlx from a file of it.
func IsImage(agent string) bool {
	for _, file := range []string{"/", "./", "../", "~"} {
		if strings.HasPrefix(agent, file) {
			return false
		}
	}
	return agent != ""
}
