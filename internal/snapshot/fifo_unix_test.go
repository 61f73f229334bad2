//go:build unix

package snapshot

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"mlx/internal/fault"
)

func TestPipeIsRefusedByName(t *testing.T) {
	b := newBench(t)
	b.write("ok", []byte("x"))
	if err := unix.Mkfifo(filepath.Join(b.data, "pipe"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := b.s.Save(context.Background(), SaveOptions{Path: b.data})
	if fault.KindOf(err) != fault.Usage || !strings.Contains(err.Error(), "pipe") {
		t.Fatalf("error %v", err)
	}
}
