package repo

import "context"

// HasRef says whether another git repository has a ref. target is a remote of this clone or an address that CheckURL has
// passed.
func (r *Repo) HasRef(ctx context.Context, target, ref string) (bool, error) {
	out, err := r.git(ctx, "-c", "protocol.ext.allow=never", "ls-remote", "--", target, ref)
	return len(out) > 0, err
}

// CanPush asks another git repository whether it would take a push of the commit checked out to a ref. Nothing is sent
// and no hook runs.
func (r *Repo) CanPush(ctx context.Context, target, ref string) error {
	_, err := r.git(ctx, "-c", "protocol.ext.allow=never", "push", "--dry-run", "--no-verify", "--no-recurse-submodules", "--", target, "HEAD:"+ref)
	return err
}
