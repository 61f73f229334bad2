package run

import "context"

// Orphan is a run of this host whose command lives on although the mlx that watched over it is gone: what it still writes,
// nobody will record.
type Orphan struct {
	Live
	Body Body // as it was recorded when it began
}

// Orphans lists them. It costs next to nothing where no run is in progress.
func (r Runner) Orphans(ctx context.Context) ([]Orphan, error) {
	live, err := LiveRuns(r.Runs)
	if err != nil {
		return nil, err
	}
	var all []Orphan
	for _, l := range live {
		if l.childSeen(r.Host) != alive {
			continue
		}
		_, body, err := r.openRun(ctx, l.ID)
		if err != nil {
			return nil, err
		}
		if body != nil && body.Process.seen(r.Host) == gone {
			all = append(all, Orphan{l, *body})
		}
	}
	return all, nil
}
