package main

import (
	"context"
	"fmt"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/remote"
)

// absentVersion is a version that the run needs and that is not in the store.
type absentVersion struct {
	root object.Digest
	what string // in words: "version 3f9c21aa07d4 of data/flights"
	path string // of data; empty for what belongs to the code
	may  bool   // the run can be repeated without it
}

// wantsRoot notes a version that is not here.
func (j *rerunJob) wantsRoot(ctx context.Context, v absentVersion) error {
	store, err := j.app.store()
	if err != nil {
		return err
	}
	here, err := store.Has(ctx, v.root)
	if err != nil {
		return j.damaged(err)
	}
	if !here {
		j.absent = append(j.absent, v)
	}
	return nil
}

// fetch brings what is not here from the default remote. A dry run only says so.
func (j *rerunJob) fetch(ctx context.Context) error {
	if len(j.absent) == 0 {
		return nil
	}
	cfg, err := j.app.config()
	if err != nil {
		return err
	}
	if cfg.Remotes.Len() == 0 {
		j.nowhere(j.absent, "%s is not on this machine")
		return nil
	}
	if j.dryRun {
		for _, v := range j.absent {
			j.need(fmt.Sprintf("fetch: %s is not on this machine, the default remote is asked for it", v.what), "")
		}
		j.pending = true
		return nil
	}
	r, err := j.app.knowingRemote(ctx)
	if err != nil {
		return j.damaged(err)
	}
	var held []object.Digest
	var lost []absentVersion
	for _, v := range j.absent {
		if r.Holds(v.root) {
			held = append(held, v.root)
		} else {
			lost = append(lost, v)
		}
	}
	j.nowhere(lost, "%s is neither on this machine nor in "+r.Describe())
	if len(held) == 0 || len(j.lacks) > 0 {
		return nil
	}
	done, err := r.Fetch(ctx, remote.FetchOptions{Roots: held})
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot rerun %s: cannot fetch what it needs from %s: %w", j.original.RunID.Short(), r.Describe(),
			remoteTrouble(err, r.Name()))
	}
	j.releases = append(j.releases, done.Release)
	return nil
}

// nowhere notes what cannot be brought.
func (j *rerunJob) nowhere(all []absentVersion, format string) {
	for _, v := range all {
		if v.may {
			j.need(fmt.Sprintf(format, v.what), "")
			continue
		}
		err := j.cannot(fault.NotFound, format, v.what).About(fault.Ref{Kind: refSnapshot, ID: v.root.Hex(), Name: v.path})
		if v.path != "" {
			err.Hint("%s", j.app.bringHint(j.app.typed(v.path)))
		} else {
			err.Hint("mlx push   # on the machine that ran it")
		}
		j.lack(err)
	}
}

// settle finds out which versions are single files, where records do not tell.
func (j *rerunJob) settle(ctx context.Context) error {
	store, err := j.app.store()
	if err != nil || len(j.lacks) > 0 || j.pending {
		return err
	}
	for i, w := range j.data {
		if w.kind != "" {
			continue
		}
		if j.data[i].kind, err = j.kindOfVersion(ctx, store, w); err != nil {
			return j.damaged(err)
		}
	}
	return nil
}

// release lets gc have again what was fetched.
func (j *rerunJob) release() { j.app.free(j.releases) }
