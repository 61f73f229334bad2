package train

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"mlx/internal/snapshot"
)

// nodeVar tells the test binary to be a node, with this folder.
const nodeVar = "MLX_TRAIN_NODE"

func TestMain(m *testing.M) {
	root, isNode := os.LookupEnv(nodeVar)
	if !isNode {
		os.Exit(m.Run())
	}
	fmt.Println("Last login: Thu Nov 26 from 127.0.0.1")
	s, err := snapshot.Open(snapshot.Options{Dir: filepath.Join(root, "store"), Index: filepath.Join(root, "index"), Clone: snapshot.Clone{ID: strings.Repeat("cd", 16), Dir: root}, Now: time.Now})
	if err == nil {
		err = Serve(context.Background(), stdio{os.Stdin, os.Stdout}, ServeOptions{Root: root, Store: s, Now: time.Now, Version: "test"})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// stdio is the connection of a process that answers.
type stdio struct {
	io.Reader
	io.Writer
}

func (stdio) Close() error { return nil }
