package repo

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"mlx/internal/fault"
)

// The kinds of what a configuration would contact, believe or run.
const (
	TrustRemote  = "remote"
	TrustBackend = "backend"
	TrustKey     = "key"
	TrustStage   = "stage"
	TrustCheck   = "check"
	TrustService = "service"
	TrustTable   = "table" // a URL that a gate, a monitor or a rollout reads
	TrustModel   = "model" // a URL that a gate sends rows to, or a service what it does
	TrustGates   = "gates" // a file of another repository that gates are included from
	TrustPlace   = "place" // a registry, or a file outside the repository, where a record says that a package lies
)

// maxKeyFile bounds a file of a public key.
const maxKeyFile = 64 << 10

// TrustItem is one value of a configuration that is used only after its user has allowed exactly it.
type TrustItem struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`  // in mlx.yaml; of a key its file, of a check its gate or service
	Value string `json:"value"` // remote: URL and recipients; backend: Backend.TrustValue; key: fingerprint; else the command
	State string `json:"state"` // new, changed or approved
	Was   string `json:"-"`     // the one value that was allowed before, if changed
	Owner string `json:"-"`     // of a key: the comment in its file
}

// KeyReader reads the file of a trusted key, by its path from the root of the project.
type KeyReader func(path string) ([]byte, error)

// TrustItems lists what the configuration would contact, believe and run, each exact value once, in that order.
// Environments may change commands and addresses, so their values are listed as well.
func (c *Config) TrustItems(read KeyReader) ([]TrustItem, error) {
	var all []TrustItem
	seen := map[TrustItem]bool{}
	once := func(i TrustItem) {
		if i.Value != "" && !seen[i] {
			seen[i] = true
			all = append(all, i)
		}
	}
	add := func(kind, name, value string) { once(TrustItem{Kind: kind, Name: name, Value: value}) }
	for name, remote := range c.Remotes.All() {
		add(TrustRemote, name, remote.TrustValue())
	}
	c.changed("remotes.", ".url", func(name, value string) {
		remote, _ := c.Remotes.Get(name)
		remote.URL = value
		add(TrustRemote, name, remote.TrustValue())
	})
	for name, b := range c.Backends.All() {
		add(TrustBackend, name, b.TrustValue())
	}
	c.changed("backends.", ".host", func(name, value string) {
		b, _ := c.Backends.Get(name)
		b.Host = value
		add(TrustBackend, name, b.TrustValue())
	})
	for _, path := range c.TrustedKeys {
		text, err := read(path)
		if err != nil {
			return nil, keyError(path, err)
		}
		key, err := sshKey(text)
		if err != nil {
			return nil, keyError(path, fault.New(fault.Usage, "%w", err))
		}
		once(TrustItem{Kind: TrustKey, Name: path, Value: key.fingerprint, Owner: key.comment})
	}
	c.gates(add, TrustGates, TrustTable, TrustModel)
	c.monitors(add, TrustTable, TrustModel, TrustAction)
	c.commands(add)
	return all, nil
}

// commands adds what would run.
func (c *Config) commands(add func(kind, name, value string)) {
	defs := map[string]stageDef{}
	for _, d := range c.stageDefs() {
		defs[d.name] = d
		add(TrustStage, d.name, d.template())
	}
	c.changed("stages.", ".cmd", func(name, value string) {
		d := defs[name]
		d.cmds = []Text{{Value: value}}
		add(TrustStage, name, d.template())
	})
	for input, sample := range c.Samples.All() {
		add(TrustSample, input, sample.Cmd)
	}
	c.gates(add, TrustCheck)
	c.monitors(add, TrustCheck)
	c.services(add)
}

// gates adds what gates include, contact and run, of some kinds.
func (c *Config) gates(add func(kind, name, value string), kinds ...string) {
	some := func(kind, name, value string) {
		if slices.Contains(kinds, kind) {
			add(kind, name, value)
		}
	}
	for name, g := range c.Gates.All() {
		for _, i := range g.Include {
			some(TrustGates, i.Gate, i.TrustValue())
		}
		for _, table := range g.tables() {
			if strings.Contains(table, "://") {
				some(TrustTable, table, table)
			}
		}
		some(TrustModel, name, g.Model.URL)
		some(TrustCheck, name, g.Model.Command)
		some(TrustCheck, name, g.Model.Serve)
		for _, check := range g.Checks {
			some(TrustCheck, name, check.Command)
			some(TrustCheck, name, check.Under.Attack)
		}
	}
}

// tables are the tables and files that the gate names.
func (g Gate) tables() []string {
	all := []string{g.For, g.Against, g.Table, g.Predictions, g.Labels, g.Train, g.Features.File}
	for _, c := range g.Checks {
		all = append(all, c.Table, c.Reference, c.Schema, c.referenced())
	}
	return all
}

// referenced is the table of `references: TABLE:COLUMN`. Of a URL only a colon in its path counts: the host may have a port.
func (c Check) referenced() string {
	from := 0
	if _, rest, ok := strings.Cut(c.References, "://"); ok {
		host, _, _ := strings.Cut(rest, "/")
		from = len(c.References) - len(rest) + len(host)
	}
	if i := strings.LastIndexByte(c.References[from:], ':'); i >= 0 {
		return c.References[:from+i]
	}
	return c.References
}

// GateTrust lists what the gates need allowed.
func (c *Config) GateTrust() []TrustItem {
	return different(func(add func(kind, name, value string)) { c.gates(add, TrustGates, TrustTable, TrustModel, TrustCheck) })
}

// different are the items that a list adds, each once.
func different(list func(add func(kind, name, value string))) []TrustItem {
	var all []TrustItem
	list(func(kind, name, value string) {
		if i := (TrustItem{Kind: kind, Name: name, Value: value}); value != "" && !slices.Contains(all, i) {
			all = append(all, i)
		}
	})
	return all
}

// changed calls visit with what environments put in place of values.
func (c *Config) changed(before, after string, visit func(name, value string)) {
	for _, changes := range c.Environments.All() {
		for path, value := range changes.All() {
			name, isBefore := strings.CutPrefix(path, before)
			name, isAfter := strings.CutSuffix(name, after)
			if isBefore && isAfter {
				visit(name, fmt.Sprint(value.Value))
			}
		}
	}
}

// TrustedKey returns the public key in a file of the project, as in a .pub file, if the user has allowed it; nil if not. What
// else stands in the file does not count.
func (r *Repo) TrustedKey(t *Trust, path string) ([]byte, error) {
	text, err := r.ReadKey(path)
	if err != nil {
		return nil, keyError(path, err)
	}
	key, err := sshKey(text)
	if err != nil {
		return nil, keyError(path, fault.New(fault.Usage, "%w", err))
	}
	if !t.Approved(TrustKey, path, key.fingerprint) {
		return nil, nil
	}
	return key.line, nil
}

func keyError(path string, err error) error {
	return fault.New(fault.KindOf(err), "cannot read the trusted key %s: %w", path, bare(err)).
		Hint("edit %s   # trusted_keys names files of SSH public keys", ConfigName)
}

// bare takes the name of the file out of a system error: the message has it.
func bare(err error) error {
	if e, ok := err.(*os.PathError); ok { //nolint:errorlint // only the outermost: a wrapped one says more
		return e.Err
	}
	return err
}

// ReadKey reads a file of the project that trusted_keys names. No symbolic link leads it out of the project.
func (r *Repo) ReadKey(path string) ([]byte, error) { return r.readInside(path, maxKeyFile) }

// readInside reads at most limit bytes of a file below Root.
func (r *Repo) readInside(path string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	f, err := root.Open(filepath.FromSlash(path))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fault.New(fault.Usage, "it has more than %d bytes", limit)
	}
	return text, err
}

// TrustItemsAt is TrustItems of mlx.yaml, of the key files and of every dvc.yaml, in the commit that a git revision names.
func (r *Repo) TrustItemsAt(ctx context.Context, rev string) ([]TrustItem, error) {
	commit, err := r.Resolve(ctx, rev)
	if err != nil {
		return nil, err
	}
	c, err := r.configAt(ctx, commit, rev)
	if err != nil {
		return nil, err
	}
	items, err := c.TrustItems(func(path string) ([]byte, error) { return r.FileAt(ctx, commit, path) })
	if err != nil {
		return nil, err
	}
	p, err := r.pipelineAt(ctx, commit, c)
	if err != nil {
		return items, nil //nolint:nilerr // stages that cannot be read cannot run either, and must not keep the rest from being allowed
	}
	return WithStages(items, p), nil
}

// configAt reads mlx.yaml of a commit; rev names it in messages.
func (r *Repo) configAt(ctx context.Context, commit, rev string) (*Config, error) {
	text, err := r.FileAt(ctx, commit, ConfigName)
	if err == nil && len(text) > maxConfig {
		err = fault.New(fault.Usage, "cannot read %s of %s: it is larger than %d bytes", ConfigName, rev, maxConfig)
	}
	if err != nil {
		return nil, err
	}
	c, err := ParseConfig(text)
	return c, naming(ConfigName+" of "+rev, err)
}
