package remote

import (
	"context"
	"slices"
	"sync"

	"mlx/internal/bucket"
	"mlx/internal/fault"
	"mlx/internal/snapshot"
)

// PushOptions say what is to be at the remote afterwards, besides all records.
type PushOptions struct {
	Roots []Root
	Fresh bool // believe nothing of what was pushed before: ask for every pack
}

// Pushed is what a push did. Nothing is told before the remote has it.
type Pushed struct {
	Roots   int // versions that are new there
	Records int
	Packs   int
	Bytes   int64 // sent
	Head    Head
}

// Push brings records and versions to the remote, and what others pushed meanwhile into the ledger. It ends by proving that
// the remote holds every version of o. A push that was stopped is finished by doing it again.
func (r *Remote) Push(ctx context.Context, o PushOptions) (Pushed, error) {
	if err := r.Advance(ctx); err != nil {
		return Pushed{}, err
	}
	if !r.known.state.begun() {
		if err := r.begin(ctx); err != nil {
			return Pushed{}, err
		}
	}
	p := pusher{r: r, ask: o}
	defer p.close()
	for range maxRaces {
		done, err := p.try(ctx)
		if err != nil {
			return Pushed{}, err
		}
		if done {
			return p.end(ctx)
		}
		if err := r.follow(ctx); err != nil {
			return Pushed{}, err
		}
	}
	return Pushed{}, fault.New(fault.Unavailable, "cannot push to %s: others push too fast", r.o.Name)
}

// end proves the push, and does the log a favour where it is due.
func (p *pusher) end(ctx context.Context) (Pushed, error) {
	_, p.done.Bytes, _ = p.r.Requests()
	err := p.prove(ctx)
	if err == nil && p.done.Records > 0 {
		err = p.r.consolidate(ctx)
	}
	p.done.Head, _ = p.r.Head()
	return p.done, err
}

// pusher is one push, which may need several tries.
type pusher struct {
	r    *Remote
	ask  PushOptions
	anew bool // what lies there is not believed
	done Pushed

	erased Erasures // as last read
	read   int      // erasures here at that time

	there    map[string]bucket.Object // objects in packs/ as they were listed, nil where that is denied
	listed   bool
	wanted   []Root
	shipment *snapshot.Shipment
	packs    []ChunkPack // of the shipment, uploaded
	tables   []Table
}

func (p *pusher) close() {
	if p.shipment != nil {
		if err := p.shipment.Close(); err != nil {
			p.r.o.Note("cannot remove temporary packs: %v", err)
		}
	}
}

// try uploads what is missing and appends the entry that says so. false: somebody else has extended the log meanwhile.
func (p *pusher) try(ctx context.Context) (bool, error) {
	records, err := p.r.sendRecords(ctx)
	if err != nil {
		return false, err
	}
	if err := p.sendChunks(ctx); err != nil {
		return false, err
	}
	if len(records.packs) == 0 && len(p.wanted) == 0 {
		return true, nil
	}
	e := &Entry{Do: DoPush, Records: records.packs, Packs: p.packs, Roots: p.wanted, Tables: p.tables}
	if p.shipment != nil && len(p.wanted) > 0 { // else somebody else has pushed the same
		e.Relies = p.shipment.Relies
	}
	before := p.r.known.state.Size
	done, err := p.r.append(ctx, e, records.ids)
	if err != nil || !done {
		return false, err
	}
	p.done.Records = int(p.r.known.state.Size - before)
	p.done.Roots, p.done.Packs = len(p.wanted), len(p.packs)
	return true, nil
}

// sendChunks uploads the packs that the remote lacks of the wanted versions.
func (p *pusher) sendChunks(ctx context.Context) error {
	if p.r.o.RecordsOnly || p.r.o.Store == nil {
		return nil
	}
	if err := p.erasures(ctx); err != nil {
		return err
	}
	wanted := p.lacking()
	if len(wanted) == 0 {
		p.wanted, p.packs, p.tables = nil, nil, nil
		return nil
	}
	if p.shipment != nil && p.stillGood() {
		return p.table(ctx) // what was uploaded serves the next try as well
	}
	p.close()
	if p.shipment != nil {
		p.listed = false // what was there before may be gone
	}
	p.wanted, p.shipment, p.packs = wanted, nil, nil
	if err := p.ship(ctx, wanted); err != nil {
		return err
	}
	if err := p.upload(ctx); err != nil {
		return err
	}
	return p.table(ctx)
}

// stillGood says whether the shipment may be named by an entry after what has come meanwhile.
func (p *pusher) stillGood() bool {
	s := &p.r.known.state
	for _, name := range p.shipment.Relies {
		if k := s.pack(name); k == nil || k.Fate != "" {
			return false
		}
	}
	return !slices.ContainsFunc(p.packs, func(c ChunkPack) bool {
		k := s.pack(c.Pack)
		return k != nil && k.Fate != ""
	})
}

// list lists the packs that are there, once: those that a killed push has left need not be sent again, and one that is
// missing must not be relied on.
func (p *pusher) list(ctx context.Context) (err error) {
	if !p.listed {
		p.there, err = p.r.objects(ctx, packFolder)
		p.listed = err == nil
	}
	return err
}

// catalog is what an entry may rely on: packs that no gc has condemned, and that are really there.
func (p *pusher) catalog(ctx context.Context, tables []Table) (*snapshot.Catalog, error) {
	if err := p.list(ctx); err != nil {
		return nil, err
	}
	var usable []ChunkPack
	for _, c := range p.r.known.state.usable() {
		gone, err := p.gone(ctx, c)
		if err != nil {
			return nil, err
		}
		if gone {
			p.r.o.Note("pack %s is gone from remote %s", c.Pack.Short(), p.r.o.Name)
			continue
		}
		usable = append(usable, c)
	}
	return p.r.open(ctx, usable, tables)
}

// table brings the tables up to date with the packs of the shipment, after whatever has come meanwhile.
func (p *pusher) table(ctx context.Context) error {
	p.tables = nil
	if len(p.packs) == 0 {
		return nil
	}
	var added []snapshot.IndexedPack
	for i, c := range p.packs {
		index, err := p.shipment.Packs[i].Index()
		if err != nil {
			return err
		}
		added = append(added, snapshot.IndexedPack{Info: c.Info(), Index: index})
	}
	var merged snapshot.MergedTables
	err := p.r.withTables(func(tables []Table) error {
		catalog, err := p.catalog(ctx, tables)
		if err == nil {
			merged, err = catalog.MergeTables(ctx, added)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, t := range merged.Tables {
		if t == merged.New {
			sealed, _, err := p.r.put(ctx, tableFolder, "", merged.Bytes)
			if err != nil {
				return err
			}
			p.tables = append(p.tables, Table{Table: t.Name, Object: sealed, Bytes: t.Bytes, Chunks: t.Chunks, Packs: t.Packs})
			continue
		}
		i := slices.IndexFunc(p.r.known.state.Tables, func(k Table) bool { return k.Table == t.Name })
		p.tables = append(p.tables, p.r.known.state.Tables[i])
	}
	return nil
}

func (p *pusher) missing(c ChunkPack) bool {
	o, ok := p.there[c.key()]
	return !ok || o.Size != p.r.size(c)
}

// gone says whether a pack is not there as the log says. A listing may be older than the object, so what it lacks is looked at.
func (p *pusher) gone(ctx context.Context, c ChunkPack) (bool, error) {
	if p.there != nil && !p.missing(c) || p.there == nil && !p.names(c) {
		return false, nil
	}
	n, err := p.r.o.Bucket.Size(ctx, c.key())
	if notFound(err) {
		return true, nil
	}
	return n != p.r.size(c), err
}

// names says whether the entry of this push names a pack.
func (p *pusher) names(c ChunkPack) bool {
	return slices.ContainsFunc(p.packs, func(k ChunkPack) bool { return k.Pack == c.Pack }) ||
		p.shipment != nil && slices.Contains(p.shipment.Relies, c.Pack)
}

// packsAtOnce bounds the memory of a push: each pack on its way holds some of its parts, and a collector leaves as much again.
const packsAtOnce = 3

// upload sends the packs of the shipment.
func (p *pusher) upload(ctx context.Context) error {
	progress := p.r.o.Progress("sending", p.shipment.Bytes)
	defer progress.Done()
	packs := make([]ChunkPack, len(p.shipment.Packs))
	var mu sync.Mutex
	err := each(ctx, len(packs), min(p.r.o.Jobs, packsAtOnce), func(ctx context.Context, i int) error {
		parcel := p.shipment.Packs[i]
		if k := p.r.known.state.pack(parcel.Info.Name); k != nil && k.taken(p.r.o.Now()) {
			return fault.New(fault.Unavailable, "cannot push to %s: pack %s is being deleted there since %s", p.r.o.Name, k.Pack.Short(), k.Since).
				Hint("mlx push -r %s   # a day later its name is free again", p.r.o.Name)
		}
		c, err := p.send(ctx, parcel)
		if err != nil {
			return err
		}
		progress.Add(c.Bytes)
		mu.Lock()
		defer mu.Unlock()
		packs[i] = c
		return nil
	})
	if err == nil {
		p.packs = packs
	}
	return err
}

// prove makes sure that the remote holds what was asked for: each version is named by the log, and each pack that the log
// counts on is there with its size.
func (p *pusher) prove(ctx context.Context) error {
	if p.r.o.RecordsOnly || len(p.ask.Roots) == 0 {
		return nil
	}
	s := &p.r.known.state
	for _, root := range p.ask.Roots {
		if !s.holds(root.Root) && !p.erased.touched(root.Root) {
			return fault.New(fault.Integrity, "cannot prove the push: the log of %s does not name %s %s", p.r.o.Name, root.Path, root.Root.Short())
		}
	}
	p.listed = false
	if err := p.list(ctx); err != nil {
		return err
	}
	counts := s.usable()
	if p.there == nil { // one question for each pack: only what this push names
		counts = slices.DeleteFunc(counts, func(c ChunkPack) bool { return !p.names(c) })
	}
	for _, c := range counts {
		gone, err := p.gone(ctx, c)
		if err != nil {
			return err
		}
		if gone {
			return fault.New(fault.Integrity, "cannot prove the push: pack %s is gone from remote %s, or has another size", c.Pack.Short(), p.r.o.Name).
				Hint("mlx push --fresh -r %s   # sends again what is missing", p.r.o.Name)
		}
	}
	return nil
}
