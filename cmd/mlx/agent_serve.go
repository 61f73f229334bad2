package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/snapshot"
	"mlx/internal/train"
)

func newAgentServe(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "serve ROOT",
		Short: "Answer another mlx on stdin and stdout, below the folder ROOT",
		Long: `Speaks the protocol of docs/format/link.md on stdin and stdout until stdin ends. ROOT, which is made when it is not there,
holds the store that jobs share and their folders; a path that begins with ~/ is in the home folder.`,
		Hidden:      true,
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			return agentServeRun(cmd.Context(), a, args[0])
		},
	}
}

func agentServeRun(ctx context.Context, a *app, dir string) error {
	root, err := nodeRoot(dir)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot find the program that runs here: %w", err)
	}
	train.UseProgram(root, program, a.now())
	store, err := a.nodeStore(root)
	if err != nil {
		return err
	}
	a.opened = append(a.opened, store)
	if err := a.tidyNode(root); err != nil { // that is no reason not to answer
		a.streams.Why("cannot tidy %s: %v", root, err)
	}
	return train.Serve(ctx, standardStreams{a.streams.In, a.streams.Out}, train.ServeOptions{
		Root: root, Store: store, Now: a.now, Version: mlxVersion(), Host: a.host(), Program: program, Records: jobRecords,
	})
}

// tidyNode removes what is old below the root of the node.
func (a *app) tidyNode(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // it was only looked through
	return train.TidyFolders(root, a.now())
}

// jobRecords reads the ledger of the project that lies in the folder of a job.
func jobRecords(ctx context.Context, dir string, each func(record []byte)) error {
	ledger := filepath.Join(dir, train.SourceName, ".mlx", "ledger")
	if _, err := os.Stat(ledger); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	l, err := lineage.Open(lineage.Options{Dir: ledger, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { _ = l.Close() }() // it was only read
	for rec, err := range l.Select(ctx, lineage.Query{All: true}) {
		if err != nil {
			return err
		}
		each(rec.Raw)
	}
	return nil
}

// nodeRoot returns the absolute path of the folder that mlx has on a node.
func nodeRoot(dir string) (string, error) {
	if dir == "~" || strings.HasPrefix(dir, "~/") {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fault.New(fault.Usage, "cannot find the home folder of this node: %w", err)
		}
		return filepath.Join(home, dir[1:]), nil
	}
	return filepath.Abs(dir)
}

// nodeStore opens the store that all jobs of a node share.
func (a *app) nodeStore(root string) (*snapshot.Store, error) {
	id := sha256.Sum256([]byte("mlx node"))
	return snapshot.Open(snapshot.Options{
		Dir: filepath.Join(root, "store"), Index: filepath.Join(root, "index"), Now: a.now,
		Clone: snapshot.Clone{ID: hex.EncodeToString(id[:16]), Dir: root},
	})
}

// standardStreams is the connection of a process that was started to answer: stdin and stdout.
type standardStreams struct {
	in  io.Reader
	out io.Writer
}

// Read implements io.Reader.
func (s standardStreams) Read(p []byte) (int, error) { return s.in.Read(p) }

// Write implements io.Writer.
func (s standardStreams) Write(p []byte) (int, error) { return s.out.Write(p) }

// Close implements io.Closer.
func (s standardStreams) Close() error {
	if c, ok := s.in.(io.Closer); ok {
		c.Close()
	}
	return nil
}
