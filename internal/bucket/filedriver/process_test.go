package filedriver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gocloud.dev/blob"
	"gocloud.dev/gcerrors"

	"mlx/internal/bucket/filedriver"
)

const (
	folderVariable = "FILEDRIVER_TEST_FOLDER"
	racers         = 8
	keys           = 300
)

// TestMain makes this binary one of the processes of TestProcesses when the folder is given.
func TestMain(m *testing.M) {
	folder := os.Getenv(folderVariable)
	if folder == "" {
		os.Exit(m.Run())
	}
	if err := race(folder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// race waits for its standard input to end, then creates all keys in an order of its own and prints those it got.
func race(folder string) error {
	d, err := filedriver.Open(folder)
	if err != nil {
		return err
	}
	b := blob.NewBucket(d)
	defer b.Close()
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return err
	}
	for _, i := range rand.Perm(keys) {
		key := fmt.Sprintf("log/%d/%016d", i%7, i)
		err := b.Upload(context.Background(), key, strings.NewReader(fmt.Sprintf("%d of %d", i, os.Getpid())),
			&blob.WriterOptions{ContentType: "application/octet-stream", IfNotExist: true})
		switch {
		case err == nil:
			fmt.Println(key, os.Getpid())
		case gcerrors.Code(err) != gcerrors.FailedPrecondition:
			return err
		}
	}
	return nil
}

// TestProcesses lets processes create the same keys at once: each key has exactly one winner, and holds its bytes.
func TestProcesses(t *testing.T) {
	folder := t.TempDir()
	var commands []*exec.Cmd
	var outputs []*bytes.Buffer
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	for range racers {
		c := exec.Command(os.Args[0])
		out := new(bytes.Buffer)
		c.Env = append(os.Environ(), folderVariable+"="+folder)
		c.Stdin, c.Stdout, c.Stderr = read, out, os.Stderr
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		commands, outputs = append(commands, c), append(outputs, out)
	}
	read.Close()
	write.Close() // all go
	winner := make(map[string]string)
	for i, c := range commands {
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		for line := range strings.Lines(outputs[i].String()) {
			key, pid, _ := strings.Cut(strings.TrimSpace(line), " ")
			if other, taken := winner[key]; taken {
				t.Errorf("%s was created by %s and %s", key, other, pid)
			}
			winner[key] = pid
		}
	}
	if len(winner) != keys {
		t.Errorf("%d of %d keys were created", len(winner), keys)
	}
	holds(t, folder, winner)
}

func holds(t *testing.T, folder string, winner map[string]string) {
	d, err := filedriver.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	b := blob.NewBucket(d)
	defer b.Close()
	listed := 0
	for it := b.List(nil); ; listed++ {
		o, err := it.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := b.ReadAll(t.Context(), o.Key)
		if err != nil || !strings.HasSuffix(string(got), " of "+winner[o.Key]) {
			t.Errorf("%s holds %q, its winner is %s: %v", o.Key, got, winner[o.Key], err)
		}
	}
	if listed != keys {
		t.Errorf("%d of %d keys are listed", listed, keys)
	}
	_ = filepath.WalkDir(folder, func(p string, _ os.DirEntry, _ error) error {
		if strings.HasPrefix(filepath.Base(p), ".") {
			t.Errorf("left behind: %s", p)
		}
		return nil
	})
}
