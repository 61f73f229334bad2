package repo

import (
	"bytes"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"mlx/internal/fault"
)

// AddRemote writes a remote into mlx.yaml, and makes it the default if asked or if it is the first. Everything else in the
// file stays as its author wrote it. Asking for what is there changes nothing; another value under the name is a conflict.
func (r *Repo) AddRemote(name string, remote Remote, isDefault bool) (changed bool, err error) {
	if err := checkNew(name, remote); err != nil {
		return false, fault.New(fault.Usage, "cannot add remote %s: %w", name, err)
	}
	return r.editConfig(func(text []byte, c *Config) ([]byte, error) {
		old, known := c.Remotes.Get(name)
		if known && !sameRemote(old, remote) {
			what := old.URL
			if old.URL == remote.URL {
				what = "there with another region, time or recipients"
			}
			return nil, fault.New(fault.Conflict, "cannot add remote %s: it is %s already", name, what).
				Hint("mlx remote remove %s   # forgets that one; what it holds stays there", name)
		}
		value := map[string]any{"url": remote.URL}
		if remote.Region != "" {
			value["region"] = remote.Region
		}
		if remote.Keep.Duration != 0 {
			value["keep"] = remote.Keep.Text()
		}
		for _, recipient := range remote.Encrypt {
			list, _ := value["encrypt"].([]any)
			value["encrypt"] = append(list, recipient)
		}
		if !known {
			if text, err = edited(text, insertRemote(remote.line(name)), func(all map[string]any) { remotesIn(all)[name] = value }); err != nil {
				return nil, fault.New(fault.Conflict, "cannot add remote %s: %w", name, err).Hint("write it yourself, under remotes: %s", remote.line(name))
			}
		}
		if isDefault && c.DefaultRemote != name || c.Remotes.Len() == 0 {
			if text, err = edited(text, setDefault(name), func(all map[string]any) { all["default_remote"] = name }); err != nil {
				return nil, fault.New(fault.Conflict, "cannot make %s the default: %w", name, err).Hint("write it yourself: default_remote: %s", name)
			}
		}
		return text, nil
	})
}

// RemoveRemote takes a remote out of mlx.yaml and returns what it was.
func (r *Repo) RemoveRemote(name string) (removed Remote, err error) {
	_, err = r.editConfig(func(text []byte, c *Config) ([]byte, error) {
		var known bool
		if removed, known = c.Remotes.Get(name); !known {
			names, list := c.Remotes.Names(), ConfigName+" has no remote"
			e := fault.New(fault.NotFound, "cannot remove remote %s: %s", name, list)
			if len(names) > 0 {
				e = fault.New(fault.NotFound, "cannot find remote %s", name)
				list = ConfigName + " has " + strings.Join(names, ", ")
			}
			return nil, e.Hint("%s", suggestion(name, names, list))
		}
		if c.Runs.Push == name {
			return nil, fault.New(fault.Conflict, "cannot remove remote %s: runs.push of %s names it", name, ConfigName).
				Hint("edit %s   # runs: {push: never}, or another remote", ConfigName)
		}
		if c.DefaultRemote == name {
			if text, err = edited(text, dropDefault, func(all map[string]any) { delete(all, "default_remote") }); err != nil {
				return nil, fault.New(fault.Conflict, "cannot remove remote %s: %w", name, err).Hint("edit %s   # default_remote names it", ConfigName)
			}
		}
		text, err := edited(text, removeRemote(name), func(all map[string]any) { delete(remotesIn(all), name) })
		if err != nil {
			return nil, fault.New(fault.Conflict, "cannot remove remote %s: %w", name, err).
				Hint("edit %s   # line %d", ConfigName, removed.At.Line)
		}
		return text, nil
	})
	return removed, err
}

func checkNew(name string, remote Remote) error {
	if err := CheckRemoteName(name); err != nil {
		return err
	}
	if err := CheckURL(remote.URL); err != nil {
		return fault.New(fault.Usage, "its URL %w", err)
	}
	for _, recipient := range remote.Encrypt {
		if err := CheckRecipient(recipient); err != nil {
			return err
		}
	}
	return nil
}

func sameRemote(a, b Remote) bool {
	return a.URL == b.URL && a.Region == b.Region && a.Keep == b.Keep && slices.Equal(a.Encrypt, b.Encrypt)
}

// line is the remote as one line of mlx.yaml.
func (r Remote) line(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: {url: %s", yamlWord(name), quoteYAML(r.URL))
	if r.Region != "" {
		fmt.Fprintf(&b, ", region: %s", yamlWord(r.Region))
	}
	if r.Keep.Duration != 0 {
		fmt.Fprintf(&b, ", keep: %s", r.Keep.Text())
	}
	if len(r.Encrypt) > 0 {
		quoted := make([]string, len(r.Encrypt))
		for i, recipient := range r.Encrypt {
			quoted[i] = quoteYAML(recipient)
		}
		fmt.Fprintf(&b, ", encrypt: [%s]", strings.Join(quoted, ", "))
	}
	return b.String() + "}"
}

// yamlWord writes text as a YAML scalar, without quotes where nobody could take it for something else.
func yamlWord(name string) string {
	if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == "" && name != "" && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, name) {
		return name
	}
	return quoteYAML(name)
}

// editConfig changes mlx.yaml under a lock of the clone, in one step.
func (r *Repo) editConfig(change func([]byte, *Config) ([]byte, error)) (changed bool, err error) {
	file := filepath.Join(r.Root, ConfigName)
	unlock, err := lockFile(filepath.Join(r.Home, "config.lock"))
	if err != nil {
		return false, fault.New(fault.KindOf(err), "cannot write %s: %w", ConfigName, err)
	}
	defer unlock()
	text, err := readSmall(file, maxConfig)
	if err != nil {
		return false, fault.New(fault.KindOf(err), "cannot read %s: %w", ConfigName, err)
	}
	c, err := ParseConfig(text)
	if err != nil {
		return false, err
	}
	after, err := change(text, c)
	if err != nil || bytes.Equal(after, text) {
		return false, err
	}
	if _, err := ParseConfig(after); err != nil {
		return false, fault.New(fault.Conflict, "cannot write %s: the change would make it wrong: %w", ConfigName, err)
	}
	if err := WriteFile(file, after, 0o666); err != nil {
		return false, fault.New(fault.KindOf(err), "cannot write %s: %w", ConfigName, err)
	}
	return true, nil
}

// edited changes the text of a configuration and proves that its values changed as expected and in nothing else. A form
// that the edit does not understand is an error, and the file stays.
func edited(text []byte, edit func(*page) error, expect func(map[string]any)) ([]byte, error) {
	want, err := freely(text)
	if err != nil {
		return nil, err
	}
	expect(want)
	p, err := openPage(text)
	if err != nil {
		return nil, err
	}
	if err := edit(p); err != nil {
		return nil, err
	}
	after := p.bytes()
	got, err := freely(after)
	if err != nil || !reflect.DeepEqual(withoutEmpty(got), withoutEmpty(want)) {
		return nil, fault.New(fault.Conflict, "%s is written in a form that mlx cannot change", ConfigName)
	}
	return after, nil
}

// freely reads a configuration without knowing its keys.
func freely(text []byte) (map[string]any, error) {
	body, err := parseYAML(text)
	if err != nil || body == nil {
		return map[string]any{}, err
	}
	d := decoder{anchors: map[string]ast.Node{}}
	value, err := d.free(body)
	all, ok := value.(map[string]any)
	if err == nil && !ok {
		err = failAt(body, "needs keys and values, not %s", describe(body))
	}
	return all, err
}

// remotesIn returns the section remotes of a configuration read freely, made when it is missing.
func remotesIn(all map[string]any) map[string]any {
	m, ok := all["remotes"].(map[string]any)
	if !ok {
		m = map[string]any{}
		all["remotes"] = m
	}
	return m
}

// withoutEmpty leaves out sections without a value: `remotes:` alone says the same as no remotes.
func withoutEmpty(all map[string]any) map[string]any {
	maps.DeleteFunc(all, func(_ string, v any) bool {
		m, isMap := v.(map[string]any)
		return v == nil || isMap && len(m) == 0
	})
	return all
}
