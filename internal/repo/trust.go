package repo

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"mlx/internal/fault"
)

// maxTrust and maxAllowed bound the file of what a user has allowed.
const (
	maxTrust   = 8 << 20
	maxAllowed = 10_000
)

// Trust is what this user has allowed this clone to contact, run or believe. It lies in the user's own configuration
// folder and not in git's, for three reasons: a .mlx folder, or a .git folder in an archive, comes from somebody else; of
// several users of one clone each decides for himself; and it outlives whatever is done to the repository. It is kept for
// one clone, by its random id: a command's text says nothing of the script that it starts, so that to have allowed it in
// one clone says nothing about another.
type Trust struct {
	file, root string // no file: nothing can be allowed, nothing is
	why        error  // why there is no file
	allowed    map[allowed]bool
}

// allowed is one value that a user has allowed: a remote, key, backend, stage, check or service by name, and its exact text.
type allowed struct {
	Kind  string `json:"kind"`
	Name  string `json:"name"`
	Value string `json:"value"`
}

// trustFile is the form of the file.
type trustFile struct {
	V       int       `json:"v"`
	Root    string    `json:"root"` // for people: where the clone was
	Allowed []allowed `json:"allowed"`
}

// OpenTrust reads what the user has allowed for the ledger that mlx.yaml names. userDir is the folder of his
// configuration files, or empty when he has none.
func (r *Repo) OpenTrust(userDir string) (*Trust, error) {
	t := &Trust{root: r.Root, allowed: map[allowed]bool{}}
	if userDir == "" {
		t.why = fault.New(fault.Denied, "you have no home folder to keep it in").Hint("export XDG_CONFIG_HOME=FOLDER   # where your own settings are kept")
		return t, nil
	}
	clone, err := r.CloneID()
	if fault.KindOf(err) == fault.Denied {
		t.why = err // a read-only clone without a name: nothing was ever allowed for it
		return t, nil
	}
	if err != nil {
		return nil, err
	}
	ledger, err := ledgerID(filepath.Join(r.Root, ConfigName))
	if err != nil {
		return nil, err
	}
	t.file = filepath.Join(userDir, "mlx", "trusted", ledger+"-"+clone+".json")
	t.allowed, err = readTrust(t.file)
	return t, err
}

func readTrust(file string) (map[allowed]bool, error) {
	text, err := readSmall(file, maxTrust)
	if errors.Is(err, fs.ErrNotExist) {
		return map[allowed]bool{}, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read what you have allowed: %w", err)
	}
	all, err := decodeTrust(text)
	if err != nil {
		return nil, fault.New(fault.Integrity, "cannot read what you have allowed: %s: %w", file, err).
			Hint("rm %s   # then mlx trust asks again", shellWord(file))
	}
	return all, nil
}

func decodeTrust(text []byte) (map[allowed]bool, error) {
	var f trustFile
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&f); err != nil {
		return nil, err
	}
	if f.V != 1 {
		return nil, fault.New(fault.Usage, "version %d is not known", f.V)
	}
	if len(f.Allowed) > maxAllowed {
		return nil, fault.New(fault.Usage, "it has more than %d values", maxAllowed)
	}
	all := make(map[allowed]bool, len(f.Allowed))
	for _, a := range f.Allowed {
		all[a] = true
	}
	return all, nil
}

// Approved says whether the user has allowed exactly this value under this name.
func (t *Trust) Approved(kind, name, value string) bool {
	return value != "" && t.allowed[allowed{kind, name, value}]
}

// Approve remembers that the user has allowed the values. It is durable when it returns.
func (t *Trust) Approve(items ...TrustItem) error {
	return t.update(func(all map[allowed]bool) {
		for _, i := range items {
			all[allowed{i.Kind, i.Name, i.Value}] = true
		}
	})
}

// Forget takes back what was allowed under a name.
func (t *Trust) Forget(kind, name string) error {
	if t.file == "" {
		return nil
	}
	return t.update(func(all map[allowed]bool) {
		maps.DeleteFunc(all, func(a allowed, _ bool) bool { return a.Kind == kind && a.Name == name })
	})
}

func (t *Trust) update(change func(map[allowed]bool)) error {
	if t.file == "" {
		return fault.New(fault.Denied, "cannot remember what you allow: %w", t.why)
	}
	failed := func(err error) error {
		return fault.New(fault.KindOf(err), "cannot remember what you allow: %w", err)
	}
	dir := filepath.Dir(t.file)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return failed(err)
	}
	unlock, err := lockFile(filepath.Join(dir, "lock"))
	if err != nil {
		return failed(err)
	}
	defer unlock()
	all, err := readTrust(t.file)
	if err != nil {
		return err
	}
	before := maps.Clone(all)
	change(all)
	t.allowed = all
	if maps.Equal(before, all) {
		return nil
	}
	if len(all) > maxAllowed {
		return fault.New(fault.Usage, "cannot remember what you allow: more than %d values", maxAllowed).
			Hint("rm %s   # then mlx trust asks again", shellWord(t.file))
	}
	f := trustFile{V: 1, Root: t.root, Allowed: slices.SortedFunc(maps.Keys(all), allowed.compare)}
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return failed(err)
	}
	if err := WriteFile(t.file, append(text, '\n'), 0o600); err != nil {
		return failed(err)
	}
	return nil
}

func (a allowed) compare(b allowed) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
}

// Judge fills in the state of items: approved, changed (another value of this name was allowed) or new.
func (t *Trust) Judge(items []TrustItem) {
	was := map[[2]string][]string{}
	for a := range t.allowed {
		key := [2]string{a.Kind, a.Name}
		was[key] = append(was[key], a.Value)
	}
	for n, i := range items {
		old := was[[2]string{i.Kind, i.Name}]
		switch {
		case t.Approved(i.Kind, i.Name, i.Value):
			items[n].State = "approved"
		case len(old) > 0:
			items[n].State = "changed"
			if len(old) == 1 {
				items[n].Was = old[0]
			}
		default:
			items[n].State = "new"
		}
	}
}
