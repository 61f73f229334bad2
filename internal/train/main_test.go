package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"mlx/internal/snapshot"
)

// TestMain lets the program of the tests stand in for mlx on a node: questions about jobs are answered by the real code, and the
// agent is one that executes the file `do` in the folder of its job.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "agent" {
		if err := asAgent(os.Args[2], os.Args[3]); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(2)
		}
		os.Exit(0)
	}
	if root, isNode := os.LookupEnv(nodeVar); isNode {
		serveAsNode(root)
		return
	}
	os.Exit(m.Run())
}

func asAgent(verb, dir string) error {
	switch verb {
	case "jobs":
		self, err := os.Executable()
		if err != nil {
			return err
		}
		host, err := os.Hostname()
		if err != nil {
			return err
		}
		n := NodeJobs{Root: dir, Program: self, Host: host, Environ: os.Environ(), Now: time.Now}
		return n.Answer(context.Background(), os.Stdin, os.Stdout)
	case "run":
		return execute(dir)
	}
	return errors.New("unknown verb " + verb)
}

// execute is an agent without a run: it hands TERM to the command, and writes how that ended. Of node 1 and on there is no result.
func execute(dir string) error {
	stops := make(chan os.Signal, 1)
	signal.Notify(stops, syscall.SIGTERM)
	cmd := exec.Command("sh", filepath.Join(dir, "do"))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		<-stops
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
	}()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if r := os.Getenv(NodeRankVariable); r != "" && r != "0" {
		return nil
	}
	text, err := json.Marshal(Result{Kind: "result/v1", State: "succeeded", Status: cmd.ProcessState.ExitCode()})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, ResultName), text, 0o600)
}

// nodeVar tells the test binary to be a node, with this folder.
const nodeVar = "MLX_TRAIN_NODE"

// serveAsNode answers as a node with this folder does.
func serveAsNode(root string) {
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
