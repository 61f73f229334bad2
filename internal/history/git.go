package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"mlx/internal/fault"
)

// gitRepo reads a repository with the user's own git. What its configuration says about programs is not followed.
type gitRepo struct {
	dir     string
	environ []string

	batch *exec.Cmd // answers with the content of objects
	in    io.WriteCloser
	out   *bufio.Reader
}

const (
	maxListing = 256 << 20 // bytes that git may print
	maxBlob    = 16 << 20
)

func (g *gitRepo) command(ctx context.Context, words ...string) *exec.Cmd {
	safe := []string{"--no-pager", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=" + os.DevNull, "-c", "core.symlinks=false",
		"-c", "protocol.ext.allow=never", "-c", "log.showSignature=false"}
	cmd := exec.CommandContext(ctx, "git", append(safe, words...)...) //nolint:gosec // a list of words
	cmd.Dir = g.dir
	cmd.Env = append(append([]string{}, g.environ...), "GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_LAZY_FETCH=1")
	return cmd
}

// output is what git prints.
func (g *gitRepo) output(ctx context.Context, words ...string) ([]byte, error) {
	cmd := g.command(ctx, words...)
	var said bytes.Buffer
	cmd.Stderr = &said
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(pipe, maxListing))
	if waitErr := cmd.Wait(); err == nil && waitErr != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(said.String()), "\n")
		err = fault.New(fault.Unavailable, "git %s: %s", words[0], strings.ToValidUTF8(first, "?"))
	}
	return b, err
}

// blob returns the content of a file of a commit; nil where it has none.
func (g *gitRepo) blob(ctx context.Context, commit, path string) ([]byte, error) {
	if strings.ContainsAny(path, "\n\x00") {
		return nil, nil
	}
	if g.batch == nil {
		if err := g.open(ctx); err != nil {
			return nil, err
		}
	}
	if _, err := fmt.Fprintf(g.in, "%s:%s\n", commit, path); err != nil {
		return nil, err
	}
	line, err := g.out.ReadString('\n')
	if err != nil {
		return nil, err
	}
	words := strings.Fields(line)
	if len(words) < 2 || strings.HasSuffix(line, " missing\n") || strings.HasSuffix(line, " ambiguous\n") {
		return nil, nil
	}
	size, err := strconv.ParseInt(words[len(words)-1], 10, 64)
	if err != nil || size < 0 {
		return nil, fault.New(fault.Unavailable, "git cat-file said %.80q", line)
	}
	kept := min(size, maxBlob)
	b := make([]byte, kept)
	if _, err := io.ReadFull(g.out, b); err != nil {
		return nil, err
	}
	if _, err := io.CopyN(io.Discard, g.out, size-kept+1); err != nil {
		return nil, err
	}
	if kept < size || words[len(words)-2] != "blob" {
		return nil, nil
	}
	return b, nil
}

func (g *gitRepo) open(ctx context.Context) (err error) {
	g.batch = g.command(ctx, "cat-file", "--batch")
	if g.in, err = g.batch.StdinPipe(); err != nil {
		return err
	}
	out, err := g.batch.StdoutPipe()
	if err != nil {
		return err
	}
	g.out = bufio.NewReader(out)
	return g.batch.Start()
}

func (g *gitRepo) close() error {
	if g.batch == nil || g.batch.Process == nil {
		return nil
	}
	err := g.in.Close()
	waitErr := g.batch.Wait()
	var ended *exec.ExitError
	if errors.As(waitErr, &ended) {
		waitErr = nil // it was cut off by us
	}
	return errors.Join(err, waitErr)
}
