package ray

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/train"
)

// Packed is what came to a node with a job.
type Packed struct {
	Order   []byte
	Secrets []byte   // in the form of train.SecretsName; nil if they were taken before
	Env     []string // of the agent
	Environ []string // the environment without what Ray put there for its own programs
	dir     string   // of the package
	parts   []string // of the bundle
}

// maxSmall bounds what is read into memory of a package.
const maxSmall = 8 << 20

// ours are variables that are about the job of Ray, and would make a program that uses Ray itself get the packages of mlx.
var ours = [...]string{"PYTHONPATH", "RAY_JOB_CONFIG_JSON_ENV_VAR", "RAY_JOB_STOP_WAIT_TIME_S"}

// Unpack finds the packages of a job, which Ray has laid out on this node and named in PYTHONPATH.
func Unpack(environ []string) (Packed, error) {
	var p Packed
	var rest []string
	parts := make(map[int]string)
	for _, dir := range filepath.SplitList(value(environ, "PYTHONPATH")) {
		if !strings.HasPrefix(filepath.Base(dir), "_ray_pkg_") {
			rest = append(rest, dir)
			continue
		}
		if job := filepath.Join(dir, JobFolder); exists(filepath.Join(job, train.OrderName)) {
			p.dir = job
		}
		files, err := os.ReadDir(filepath.Join(dir, BundleFolder))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return p, unpackError(err)
		}
		for _, f := range files {
			n, err := strconv.Atoi(f.Name())
			if err != nil || n < 0 {
				return p, unpackError(fault.New(fault.Integrity, "a part of the bundle is called %.40q", f.Name()))
			}
			parts[n] = filepath.Join(dir, BundleFolder, f.Name())
		}
	}
	if p.dir == "" {
		return p, unpackError(fault.New(fault.NotFound, "no package in PYTHONPATH has %s/%s", JobFolder, train.OrderName))
	}
	for n := range len(parts) {
		name, ok := parts[n]
		if !ok {
			return p, unpackError(fault.New(fault.Integrity, "part %d of the bundle is missing", n))
		}
		p.parts = append(p.parts, name)
	}
	p.Environ = slices.DeleteFunc(slices.Clone(environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(ours[:], name)
	})
	if len(rest) > 0 {
		p.Environ = append(p.Environ, "PYTHONPATH="+strings.Join(rest, string(filepath.ListSeparator)))
	}
	return p, p.read()
}

func (p *Packed) read() (err error) {
	if p.Order, err = small(filepath.Join(p.dir, train.OrderName)); err != nil {
		return unpackError(err)
	}
	env, err := small(filepath.Join(p.dir, EnvName))
	if err != nil {
		return unpackError(err)
	}
	for v := range strings.SplitSeq(strings.TrimSuffix(string(env), "\x00"), "\x00") {
		if v != "" {
			p.Env = append(p.Env, v)
		}
	}
	if p.Secrets, err = small(filepath.Join(p.dir, train.SecretsName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unpackError(err)
	}
	return nil
}

// Bundle reads the versions that came with the job. nil: none did.
func (p *Packed) Bundle() io.ReadCloser {
	if len(p.parts) == 0 {
		return nil
	}
	return &joined{names: p.parts}
}

// Forget removes the secrets from the package, which Ray keeps for longer than the job.
func (p *Packed) Forget() error {
	err := os.Remove(filepath.Join(p.dir, train.SecretsName))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return unpackError(err)
	}
	return nil
}

// joined reads files one after the other.
type joined struct {
	names []string
	f     *os.File
}

func (j *joined) Read(b []byte) (int, error) {
	for {
		if j.f == nil {
			if len(j.names) == 0 {
				return 0, io.EOF
			}
			f, err := os.Open(j.names[0])
			if err != nil {
				return 0, err
			}
			j.f, j.names = f, j.names[1:]
		}
		n, err := j.f.Read(b)
		if n > 0 || err != nil && !errors.Is(err, io.EOF) {
			return n, err
		}
		if err != nil {
			if err := j.Close(); err != nil {
				return 0, err
			}
		}
	}
}

func (j *joined) Close() error {
	if j.f == nil {
		return nil
	}
	err := j.f.Close()
	j.f = nil
	return err
}

func small(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err == nil && len(text) > maxSmall {
		err = fault.New(fault.Integrity, "%s has more than %d bytes", filepath.Base(name), maxSmall)
	}
	return text, err
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// value is that of a variable; the last one counts.
func value(environ []string, name string) string {
	for _, v := range slices.Backward(environ) {
		if rest, ok := strings.CutPrefix(v, name+"="); ok {
			return rest
		}
	}
	return ""
}

func unpackError(err error) error {
	return fault.New(fault.KindOf(err), "cannot unpack what Ray brought: %w", err)
}
