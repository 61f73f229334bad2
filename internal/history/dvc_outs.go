package history

import (
	"context"
	"crypto/md5" //nolint:gosec // what dvc names its files by
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/fault"
)

const notCached = "its bytes are in no cache here: dvc fetch --all-commits, then import again"

// clear removes the outputs of the run that was read last.
func (s *dvcStore) clear() error {
	if s.stage == "" {
		return nil
	}
	err := os.RemoveAll(s.stage)
	s.stage = ""
	return err
}

// out puts an output of a commit where it can be saved from: a file that git keeps, or what the cache has under its sum.
func (s *dvcStore) out(ctx context.Context, commit, name, sum string, r *Run) error {
	if !filepath.IsLocal(filepath.FromSlash(name)) || name == "." {
		s.h.Left.Add("output", name, "it is outside of the repository")
		return nil
	}
	if s.stage == "" {
		var err error
		if s.stage, err = os.MkdirTemp(s.tmp, "mlx-dvc-*"); err != nil {
			return fault.New(fault.Unavailable, "%w", err)
		}
	}
	to := filepath.Join(s.stage, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return fault.New(fault.Unavailable, "%w", err)
	}
	b, err := s.git.blob(ctx, commit, name) // of an output with cache: false
	if err != nil {
		return err
	}
	switch {
	case b != nil:
		err = os.WriteFile(to, b, 0o600)
	case strings.HasSuffix(sum, ".dir"):
		err = s.folder(sum, to)
	default:
		err = s.cached(sum, to)
	}
	if err != nil {
		if absent(err) {
			s.h.Left.Add("output", name, notCached)
		} else {
			s.h.Left.Add("output", name, told(err))
		}
		return nil
	}
	r.Files = append(r.Files, File{Path: name, Abs: to})
	return nil
}

// find is the file of the cache that a sum names.
func (s *dvcStore) find(sum string) (string, error) {
	digits := strings.TrimSuffix(sum, ".dir")
	if len(digits) != 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", os.ErrNotExist
	}
	for _, cache := range s.cache {
		file := filepath.Join(cache, sum[:2], sum[2:])
		if info, err := os.Lstat(file); err == nil && info.Mode().IsRegular() {
			return file, nil
		}
	}
	return "", os.ErrNotExist
}

// cached copies a file of the cache and holds that it is what its name says.
func (s *dvcStore) cached(sum, to string) (err error) {
	file, err := s.find(sum)
	if err != nil {
		return err
	}
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	hash := md5.New() //nolint:gosec // what dvc names its files by
	_, err = io.Copy(io.MultiWriter(out, hash), in)
	if err := errors.Join(err, out.Close()); err != nil {
		return err
	}
	newer := strings.HasPrefix(file, s.cache[0]) // older versions named text by its sum with other line ends
	if newer && hex.EncodeToString(hash.Sum(nil)) != sum {
		return fault.New(fault.Integrity, "the bytes in the cache are not those of %s", sum)
	}
	return nil
}

// folder puts together the files that a list in the cache names.
func (s *dvcStore) folder(sum, to string) error {
	list, err := s.find(sum)
	if err != nil {
		return err
	}
	b, err := readSmall(list, maxExport)
	if err != nil {
		return err
	}
	var files []struct {
		MD5  string `json:"md5"`
		Path string `json:"relpath"`
	}
	if err := json.Unmarshal(b, &files); err != nil {
		return fault.New(fault.Integrity, "the list %s cannot be read: %w", sum, err)
	}
	if err := os.Mkdir(to, 0o755); err != nil {
		return err
	}
	for _, f := range files {
		rel := filepath.FromSlash(f.Path)
		if !filepath.IsLocal(rel) || rel == "." {
			return fault.New(fault.Integrity, "the list %s names %.60q", sum, f.Path)
		}
		file := filepath.Join(to, rel)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := s.cached(f.MD5, file); err != nil {
			return err
		}
	}
	return nil
}
