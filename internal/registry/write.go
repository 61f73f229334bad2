package registry

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// maxName is how many bytes the name of a model or an alias may have.
const maxName = 250

// CheckName refuses what no model may be called.
func CheckName(name string) error {
	bad := func(why string) error {
		return fault.New(fault.Usage, "cannot call a model %.60q: %s", name, why)
	}
	switch {
	case strings.TrimSpace(name) == "":
		return bad("a name is needed")
	case len(name) > maxName:
		return bad("a name has at most 250 bytes")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return bad("a name is text")
	case strings.ContainsAny(name, "/:@"):
		return bad("a name holds no / : and @, which separate the parts of a reference")
	case name == "." || name == "..":
		return bad("that is a folder")
	}
	return nil
}

// CheckAlias refuses words that mean something else after @.
func CheckAlias(alias string) error {
	bad := func(why string) error {
		return fault.New(fault.Usage, "cannot call an alias %.60q: %s", alias, why)
	}
	_, number := versionNumber(alias)
	switch {
	case alias == "" || len(alias) > maxName || !utf8.ValidString(alias):
		return bad("an alias is a word of 1 to 250 bytes")
	case strings.ContainsFunc(alias, func(c rune) bool { return unicode.IsControl(c) || unicode.IsSpace(c) || strings.ContainsRune("/:@", c) }):
		return bad("an alias holds no space and no / : @")
	case number || alias == "latest":
		return bad("that names a version by itself")
	}
	return nil
}

// Renumber gives a version the next number: where two clones gave the same one to different bytes.
func (r Registry) Renumber(ctx context.Context, v *Version) (*Version, error) {
	b := v.Registration
	b.Version = 0
	return r.append(ctx, b, v.Record)
}

// Register makes the next version of a model. b.Version is set here, unless it is given and free.
func (r Registry) Register(ctx context.Context, b Registration) (*Version, error) {
	return r.append(ctx, b)
}

func (r Registry) append(ctx context.Context, b Registration, prev ...object.Digest) (*Version, error) {
	if err := CheckName(b.Model); err != nil {
		return nil, err
	}
	release, err := r.alone(ctx, b.Model)
	if err != nil {
		return nil, err
	}
	defer release()
	records, err := r.records(ctx, b.Model, time.Time{})
	if err != nil {
		return nil, err
	}
	used, taken := 0, false
	for _, t := range records { // also those that were deleted: a number never means two things
		if old, ok := t.body.(Registration); ok {
			used, taken = max(used, old.Version), taken || old.Version == b.Version
		}
	}
	if b.Version == 0 || taken {
		b.Version = used + 1
	}
	in := []lineage.Input{Named(b.Model)}
	if !b.Root.IsZero() {
		in = append(in, lineage.Input{Role: "bytes", ID: b.Root})
	}
	if b.Run != nil {
		in = append(in, lineage.Input{Role: "run", ID: *b.Run})
	}
	for _, p := range b.From {
		in = append(in, lineage.Input{Role: "parent", ID: p.Record})
	}
	rec, err := Registered.Append(ctx, r.Ledger, lineage.Entry[Registration]{Body: b, In: in, Prev: prev})
	if err != nil {
		return nil, err
	}
	mine, _, err := tell(rec)
	if err != nil {
		return nil, err
	}
	fresh := fold(b.Model, append(records, mine))
	for _, v := range fresh.Versions {
		if v.Record == rec.ID {
			return v, nil
		}
	}
	return nil, fault.New(fault.Internal, "cannot find the version that was just registered: %s", rec.ID.Short())
}

// Describe says something of a model or a version.
func (r Registry) Describe(ctx context.Context, d Description) error {
	in := []lineage.Input{Named(d.Model)}
	if d.Renamed != "" {
		in = append(in, Named(d.Renamed))
	}
	_, err := Described.Append(ctx, r.Ledger, lineage.Entry[Description]{Body: d, In: in})
	return err
}

// SetAlias points an alias at a version, or takes it away with version 0. It follows whatever the alias was, so that it also ends a
// conflict. false: nothing changed.
func (r Registry) SetAlias(ctx context.Context, a Alias) (bool, error) {
	if err := CheckAlias(a.Alias); err != nil {
		return false, err
	}
	release, err := r.alone(ctx, a.Model)
	if err != nil {
		return false, err
	}
	defer release()
	m, err := r.Model(ctx, a.Model)
	if err != nil {
		return false, err
	}
	entry := lineage.Entry[Alias]{Body: a, In: []lineage.Input{Named(m.Name)}}
	at := slices.IndexFunc(m.Aliases, func(p Pointer) bool { return p.Name == a.Alias })
	if at >= 0 {
		p := m.Aliases[at]
		if len(p.Versions) == 1 && p.Versions[0] == a.Version || len(p.Versions) == 0 && a.Version == 0 {
			return false, nil
		}
		entry.Prev = p.Records[:min(len(p.Records), 8)]
	} else if a.Version == 0 {
		return false, nil
	}
	if a.Version != 0 {
		v, err := m.Version(a.Version)
		if err != nil {
			return false, err
		}
		entry.In = append(entry.In, lineage.Input{Role: "version", ID: v.Record})
	}
	_, err = Aliased.Append(ctx, r.Ledger, entry)
	return err == nil, err
}

// Step is a move to be made.
type Step struct {
	Version  *Version
	To       Stage
	Why      string
	Keep     bool // what is in the stage stays there as well
	Retired  bool
	Evidence []Evidence
}

// Move gives a version another stage. What held a stage that one version holds leaves it and is archived, unless Keep. It ends a conflict
// about that stage. It judges nothing: ask the policy first.
func (r Registry) Move(ctx context.Context, s Step) (lineage.Record, error) {
	release, err := r.alone(ctx, s.Version.Model)
	if err != nil {
		return lineage.Record{}, err
	}
	defer release()
	m, err := r.Model(ctx, s.Version.Model)
	if err != nil {
		return lineage.Record{}, err
	}
	v, err := m.Version(s.Version.Version)
	if err != nil {
		return lineage.Record{}, err
	}
	body := Move{Model: m.Name, Version: v.Version, Digest: v.Digest, From: v.Stage, To: s.To, Why: s.Why, Retired: s.Retired, Evidence: s.Evidence}
	prev := slices.Clone(v.standing)
	if s.To.held() {
		for _, p := range m.Held {
			if p.Name != string(s.To) {
				continue
			}
			for _, id := range p.Records {
				switch {
				case slices.Contains(prev, id):
				case s.Keep:
					body.Beside = append(body.Beside, id)
				default:
					prev = append(prev, id)
				}
			}
		}
	}
	entry := lineage.Entry[Move]{Body: body, Prev: prev[:min(len(prev), 8)], In: []lineage.Input{Named(m.Name), {Role: "version", ID: v.Record}}}
	for _, e := range s.Evidence {
		entry.In = append(entry.In, lineage.Input{Role: "evidence", ID: e.Record})
	}
	return Moved.Append(ctx, r.Ledger, entry)
}
