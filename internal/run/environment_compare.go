package run

import (
	"context"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
	"mlx/internal/snapshot"
)

// maxPackages bounds a list of packages that is read back, in bytes.
const maxPackages = 16 << 20

// PackagesName is the name of the one file of the snapshot Python.List.
const PackagesName = "packages.txt"

// Change is one value that differs between two environments. A or B is empty where it is on one side only.
//
// The keys are: python.version, python.manager, python.packages (number and digest of the list), variable.NAME,
// seed.NAME, lock.PATH, container.runtime, container.image, gpus (the models, in words), gpu.driver, gpu.cuda.
type Change struct {
	Key string
	A   string
	B   string
}

// PackageChange is one package that differs. A and B are what follows NAME== in the lists, the version first; empty
// where there is no such package.
type PackageChange struct {
	Name string
	A    string
	B    string
}

// PackagesOf returns the list of packages that a run recorded, sorted, one NAME==VERSION an item (formatted as
// docs/scripting.md says). nil without Python. A list that is not on this machine is an error of kind NotFound.
func PackagesOf(ctx context.Context, store *snapshot.Store, p *Python) ([]string, error) {
	if p == nil || p.List.IsZero() {
		return nil, nil
	}
	here, err := store.Has(ctx, p.List)
	if err != nil {
		return nil, err
	}
	if !here {
		return nil, fault.New(fault.NotFound, "cannot read the list of packages %s: it is not on this machine", p.List.Short()).
			Hint("mlx pull   # brings what runs recorded elsewhere")
	}
	files, err := store.FS(ctx, p.List)
	if err != nil {
		return nil, err
	}
	return readPackages(files, p.List)
}

func readPackages(files fs.FS, root object.Digest) ([]string, error) {
	f, err := files.Open(PackagesName)
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the list of packages %s: %w", root.Short(), err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxPackages+1))
	if err == nil && len(text) > maxPackages {
		err = fault.New(fault.Integrity, "it is longer than %d bytes", maxPackages)
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read the list of packages %s: %w", root.Short(), err)
	}
	return strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' }), nil
}

// ComparePackages lists the packages that differ between two lists, in the order of their names.
func ComparePackages(a, b []string) []PackageChange {
	left, right := versions(a), versions(b)
	var out []PackageChange
	for _, name := range keysOfBoth(left, right) {
		if left[name] != right[name] {
			out = append(out, PackageChange{Name: name, A: left[name], B: right[name]})
		}
	}
	return out
}

// versions is a list of packages by name. A name that is there twice has both versions.
func versions(list []string) map[string]string {
	all := make(map[string]string, len(list))
	for _, line := range list {
		line, editable := strings.CutPrefix(line, "-e ")
		name, version, _ := strings.Cut(line, "==")
		if editable {
			version += " (editable)"
		}
		if before, twice := all[name]; twice && before != version {
			version = before + ", " + version
		}
		all[name] = version
	}
	return all
}

// CompareEnvironment lists what differs between the environments of two runs, in the order of keys. Either may be nil,
// of a run that recorded none: nothing is known to differ then.
func CompareEnvironment(a, b *Environment) []Change {
	if a == nil || b == nil {
		return nil
	}
	left, right := a.values(), b.values()
	var out []Change
	for _, key := range keysOfBoth(left, right) {
		if left[key] != right[key] {
			out = append(out, Change{Key: key, A: left[key], B: right[key]})
		}
	}
	return out
}

// values is the environment as flat keys, with what tells two apart as text.
func (e *Environment) values() map[string]string {
	all := make(map[string]string)
	for name, value := range e.Variables {
		all["variable."+name] = value
	}
	for name, value := range e.Seeds {
		delete(all, "variable."+name) // one value is told once
		all["seed."+name] = value
	}
	if p := e.Python; p != nil {
		all["python.version"], all["python.manager"] = p.Version, p.Manager
		all["python.packages"] = strconv.Itoa(p.Packages) + " packages " + p.Lock.Short()
	}
	for _, l := range e.Locks {
		all["lock."+l.Path] = l.Digest.Short()
	}
	if c := e.Container; c != nil {
		all["container.runtime"], all["container.image"] = c.Runtime, c.Image
	}
	if len(e.GPUs) > 0 {
		all["gpus"] = GPUWords(e.GPUs)
		all["gpu.driver"], all["gpu.cuda"] = e.GPUs[0].Driver, e.GPUs[0].CUDA
	}
	return all
}

// GPUWords names accelerators as a person would: "2 x NVIDIA A100", models in the order they were found.
func GPUWords(gpus []GPU) string {
	var names []string
	count := make(map[string]int)
	for _, g := range gpus {
		if count[g.Name]++; count[g.Name] == 1 {
			names = append(names, g.Name)
		}
	}
	for i, name := range names {
		if n := count[name]; n > 1 {
			names[i] = strconv.Itoa(n) + " x " + name
		}
	}
	return strings.Join(names, ", ")
}

func keysOfBoth(a, b map[string]string) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
