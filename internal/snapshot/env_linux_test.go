package snapshot

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// child runs a job of this test binary and returns what it said.
func child(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVar+"="+strings.Join(args, "\n"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", args[0], err, out)
	}
	return string(out)
}

func openAt(dir string) (*Store, error) {
	return Open(Options{
		Dir: filepath.Join(dir, "store"), Index: filepath.Join(dir, "guest", "index"),
		Clone: Clone{ID: strings.Repeat("ab", 16), Dir: dir}, Now: time.Now, Jobs: 2,
	})
}

// noise returns bytes that do not compress.
func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{9})
	b := make([]byte, n)
	r.Read(b)
	return b
}

// limitChild saves with a limit on the size of a file, which stands for a full disk.
func limitChild(args []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 100 << 10, Max: 100 << 10}); err != nil {
		return err
	}
	s, err := openAt(args[0])
	if err != nil {
		return err
	}
	_, err = s.Save(context.Background(), SaveOptions{Path: filepath.Join(args[0], "data")})
	if err == nil {
		return errors.New("saved")
	}
	fmt.Println(err)
	return nil
}

// A write that fails half-way leaves nothing behind, and loses nothing that was there.
func TestWriteFails(t *testing.T) {
	b := memoryBench(t)
	b.write("f", []byte("first"))
	first := b.save(object.Digest{})
	b.write("f", noise(3<<20))
	if said := child(t, "limit", b.dir); !strings.Contains(said, "file too large") || !strings.Contains(said, "store/tmp") {
		t.Errorf("%s", said)
	}
	left(t, b)
	again := b.save(first.Root)
	for _, v := range []Saved{first, again} {
		if ok, err := b.s.Has(context.Background(), v.Root); !ok || err != nil {
			t.Error(ok, err)
		}
	}
	if rep, err := b.s.Verify(context.Background(), []object.Digest{first.Root, again.Root}, false, nil); err != nil || len(rep.Damage) > 0 {
		t.Error(rep, err)
	}
}

// left fails if there is a temporary file in the store.
func left(t *testing.T, b *bench) {
	t.Helper()
	if list, _ := os.ReadDir(b.s.tmp()); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}

// On a full disk a save and a checkout say so, name what they wrote, and go on when there is room.
func TestFullDisk(t *testing.T) {
	b := newBench(t)
	disk := t.TempDir()
	mount := func() {
		_ = unix.Unmount(disk, unix.MNT_DETACH)
		if err := unix.Mount("none", disk, "tmpfs", 0, "size=512k"); err != nil {
			t.Skipf("NOT RUN: a small file system cannot be mounted here: %v", err)
		}
	}
	mount()
	t.Cleanup(func() { _ = unix.Unmount(disk, unix.MNT_DETACH) })
	grow := func() {
		if err := unix.Mount("none", disk, "tmpfs", unix.MS_REMOUNT, "size=32m"); err != nil {
			t.Fatal(err)
		}
	}
	b.write("a", []byte("first"))
	b.write("big", noise(3<<20))
	want := listing(t, b.data)
	inside := &bench{t: t, dir: disk, data: b.data, now: b.now}
	inside.reopen()
	_, err := inside.s.Save(context.Background(), SaveOptions{Path: b.data})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), disk) {
		t.Errorf("save: %v", err)
	}
	left(t, inside)
	grow()
	v := inside.save(object.Digest{})
	if rep, err := inside.s.Verify(context.Background(), []object.Digest{v.Root}, false, nil); err != nil || len(rep.Damage) > 0 {
		t.Error(rep, err)
	}
	mount()
	v = b.save(object.Digest{})
	to := filepath.Join(disk, "to")
	if _, err := b.checkout(v.Root, to, CheckoutOptions{}); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "big") {
		t.Errorf("checkout: %v", err)
	}
	grow()
	b.mustCheckout(v.Root, to)
	same(t, "restored", listing(t, to), want)
}

// guestChild does, as a user who may not write into the store, what needs no writing; and then what does.
func guestChild(args []string) error {
	if os.Geteuid() == 0 {
		if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			return err
		}
	}
	dir, ctx := args[0], context.Background()
	root, err := object.ParseDigest(args[1])
	if err != nil {
		return err
	}
	s, err := openAt(dir)
	if err != nil {
		return err
	}
	to := filepath.Join(dir, "guest", "to")
	if _, err := s.Checkout(ctx, CheckoutOptions{Path: to, To: root, Kind: Directory}); err != nil {
		return fmt.Errorf("checkout: %w", err)
	}
	for c, err := range s.Status(ctx, StatusOptions{Path: to, Base: root, Kind: Directory}) {
		return fmt.Errorf("status: %+v %w", c, err)
	}
	n := 0
	for _, err := range s.Diff(ctx, object.Digest{}, root) {
		if n++; err != nil {
			return fmt.Errorf("diff: %w", err)
		}
	}
	if rep, err := s.Verify(ctx, []object.Digest{root}, false, nil); err != nil || len(rep.Damage) > 0 || n == 0 {
		return fmt.Errorf("verify: %d, %+v, %w", n, rep, err)
	}
	if err := os.WriteFile(filepath.Join(to, "new"), []byte("new"), 0o666); err != nil {
		return err
	}
	_, err = s.Save(ctx, SaveOptions{Path: to, Previous: root})
	fmt.Println("save:", fault.KindOf(err), err)
	_, err = s.PlanGC(ctx, func(func(Root, error) bool) {})
	fmt.Println("plan:", err)
	own, err := Open(Options{Dir: filepath.Join(dir, "guest", "store"), Index: filepath.Join(dir, "guest", "index2"), Clone: Clone{ID: strings.Repeat("ef", 16), Dir: dir}, Now: time.Now})
	if err != nil {
		return err
	}
	_, err = own.Save(ctx, SaveOptions{Path: filepath.Join(dir, "secrets")})
	fmt.Println("secret:", fault.KindOf(err), err)
	return nil
}

// A store that may only be read serves every reader; a save is denied and names the folder. A file that may not be read
// is named.
func TestReadOnlyStore(t *testing.T) {
	b := memoryBench(t)
	b.write("a", []byte("first"))
	b.write("d/b", noise(100<<10))
	v := b.save(object.Digest{})
	guest := filepath.Join(b.dir, "guest")
	secrets := filepath.Join(b.dir, "secrets")
	err := errors.Join(os.Mkdir(guest, 0o777), os.Chmod(guest, 0o777), os.Chmod(b.dir, 0o755), os.Mkdir(secrets, 0o755),
		os.WriteFile(filepath.Join(secrets, "open"), []byte("open"), 0o644), os.WriteFile(filepath.Join(secrets, "locked"), []byte("locked"), 0))
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		for _, d := range []string{"", "packs", "tmp", "condemned", "roots", "roots/" + b.s.o.Clone.ID} {
			d := filepath.Join(b.dir, "store", d)
			os.Chmod(d, 0o555)
			t.Cleanup(func() { os.Chmod(d, 0o755) })
		}
	}
	said := child(t, "guest", b.dir, v.Root.Hex())
	for _, want := range []string{"save: denied", filepath.Join(b.dir, "store"), "plan: <nil>", "secret: denied", "locked"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not in:\n%s", want, said)
		}
	}
}

// guestSaveChild saves as a user who is not root.
func guestSaveChild(args []string) error {
	if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
		return err
	}
	own := filepath.Join(args[0], "store", "tmp", hostName()+"-4194302-2.pack.tmp") // killed when it was finished but for its name
	if err := os.WriteFile(own, []byte("mlx pack 1\n\x00\x00\x00\x00\x00"), 0o400); err != nil {
		return err
	}
	if err := saverChild(args); err != nil {
		return err
	}
	if _, err := os.Stat(own); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s was not adopted: %w", own, err)
	}
	return nil
}

// What another user's killed save left does not stop anyone: it is skipped, and the work is done again.
func TestLeftoverOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("NOT RUN: two users are needed, and only root can be both")
	}
	b := memoryBench(t)
	b.write("f", noise(100<<10))
	if err := b.s.prepare(); err != nil {
		t.Fatal(err)
	}
	stale := filepath.Join(b.s.tmp(), hostName()+"-4194303-1.pack.tmp") // no process has this number
	err := errors.Join(exec.Command("chmod", "-R", "a+rwX", b.dir).Run(), os.Chmod(b.s.tmp(), 0o777|os.ModeSticky), os.WriteFile(stale, []byte("mlx pack 1\n\x00\x00\x00\x00\x00torn"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	if said := child(t, "guest-save", b.dir, b.data); !strings.Contains(said, "sha256:") {
		t.Errorf("%s", said)
	}
	if _, err := os.Stat(stale); err != nil {
		t.Error(err)
	}
}
