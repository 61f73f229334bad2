package snapshot

import (
	"context"
	"io/fs"
	"iter"

	"mlx/internal/object"
)

// Status yields how the files on disk differ from o.Base. Only files whose metadata changed are read.
func (s *Store) Status(ctx context.Context, o StatusOptions) iter.Seq2[Change, error] { panic("x") }

// Checkout makes o.Path equal to o.To, touching only what differs.
func (s *Store) Checkout(ctx context.Context, o CheckoutOptions) (CheckedOut, error) { panic("x") }

// Diff yields how version b differs from a; a zero digest is the empty version.
func (s *Store) Diff(ctx context.Context, a, b object.Digest) iter.Seq2[Change, error] { panic("x") }

// Stat counts a version.
func (s *Store) Stat(ctx context.Context, root object.Digest) (Summary, error) { panic("x") }

// FS returns a version as a file system (fs.ReadDirFS, fs.StatFS, fs.ReadLinkFS).
func (s *Store) FS(ctx context.Context, root object.Digest) (fs.FS, error) { panic("x") }

// FileDigest returns the SHA-256 of the whole file (or tree) at a path of a version, as sha256sum would print it.
func (s *Store) FileDigest(ctx context.Context, root object.Digest, path string) (object.Digest, error) {
	panic("x")
}

// PlanGC decides what a gc would keep and remove, given every live root.
func (s *Store) PlanGC(ctx context.Context, live iter.Seq2[Root, error]) (*GCPlan, error) { panic("x") }

// ApplyGC carries a plan out. reread yields the live roots again, read after the condemnations were published.
func (s *Store) ApplyGC(ctx context.Context, p *GCPlan, reread iter.Seq2[Root, error]) error {
	panic("x")
}

// Verify reads every byte of the store (or, with roots given, of those versions) and reports each damaged object.
// roots tells which versions and paths a damage hurts.
func (s *Store) Verify(ctx context.Context, roots []object.Digest, only bool, p Progress) (Report, error) {
	panic("x")
}
