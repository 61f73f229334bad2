package remote

import (
	"context"
	"slices"

	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// PushPlan is what a push would send.
type PushPlan struct {
	Roots   []Root // versions that the remote does not have
	Records int
	Packs   int
	Bytes   int64 // of data
}

// PlanPush compares without sending anything. A remote that is empty stays so.
func (r *Remote) PlanPush(ctx context.Context, o PushOptions) (PushPlan, error) {
	if err := r.Advance(ctx); err != nil {
		return PushPlan{}, err
	}
	p := pusher{r: r, ask: o}
	defer p.close()
	plan := PushPlan{Roots: p.lacking()}
	var err error
	if plan.Records, err = r.Unsent(ctx); err != nil || r.o.RecordsOnly || len(plan.Roots) == 0 {
		return plan, err
	}
	if err := p.ship(ctx, plan.Roots); err != nil {
		return plan, err
	}
	plan.Packs, plan.Bytes = len(p.shipment.Packs), p.shipment.Bytes
	return plan, nil
}

// lacking returns the wanted versions that the log does not name.
func (p *pusher) lacking() []Root {
	there := make(map[Root]bool, len(p.r.known.state.Roots))
	for _, h := range p.r.known.state.Roots {
		there[h.Root] = !p.ask.Fresh
	}
	return slices.DeleteFunc(slices.Clone(p.ask.Roots), func(root Root) bool {
		return there[root] || p.erased.touched(root.Root)
	})
}

// ship prepares the packs that the remote lacks of some versions.
func (p *pusher) ship(ctx context.Context, wanted []Root) error {
	catalog, err := p.catalog(ctx, nil) // all indexes are loaded
	if err != nil {
		return err
	}
	if err := catalog.LoadAll(ctx); err != nil {
		return err
	}
	roots := make([]object.Digest, 0, len(wanted))
	for _, root := range wanted {
		roots = append(roots, root.Root)
	}
	p.shipment, err = p.r.o.Store.Ship(ctx, snapshot.ShipOptions{Roots: roots, There: catalog})
	return err
}
