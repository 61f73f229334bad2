package repo

import (
	"bytes"
	"fmt"
	"path/filepath"

	"github.com/spf13/viper"

	"mlx/internal/fault"
)

// settingsFile is the name of a settings file, in the shared state folder and in the user's configuration folder.
const settingsFile = "settings.yaml"

// settingSpec describes one setting: what it is when nobody says otherwise, and what it may be.
type settingSpec struct {
	key, fallback, doc string
	check              func(string) error
	words              []string // all that it may be; nil when that is no list
}

// settingSpecs is the whole list of settings, in the order in which they are shown.
func settingSpecs() []settingSpec {
	free := func(string) error { return nil }
	list := func(key, doc string, words ...string) settingSpec {
		return settingSpec{key, words[0], doc, oneOf(words...), words}
	}
	return []settingSpec{
		{"remote", "", "remote used where none is named", free, nil},
		{"env", "", "environment used where none is named", free, nil},
		{"store", "", "folder of the snapshot store, if not in the repository", free, nil},
		list("color", "auto, always or never", "auto", "always", "never"),
		list("hints", "show the usual next step after success", "true", "false"),
		list("progress", "show progress of long work", "true", "false"),
		{"jobs", "0", "parallel workers; 0 is one per processor", wholeNumber, nil},
		{"limit_rate", "", "most bytes per second to and from a remote, such as 10MiB/s", byteRate, nil},
		list("link_mode", "copy, or link: reflink, else read-only hard link", "copy", "link"),
		{"cache_size", "", "most bytes of the link cache, such as 50GiB", emptyOr(func(s string) error { _, err := parseSize(s); return err }), nil},
	}
}

// Setting is one setting, its value and the layer that it comes from: flag, environment, repository, user or default.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Doc    string `json:"doc"`
}

// Settings are the layers: flag over MLX_KEY over repository over user over default.
type Settings struct {
	layers   []layer
	repoFile string
	userFile string
}

type layer struct {
	name   string
	values *viper.Viper
}

// LoadSettings reads the settings. r may be nil outside a repository; environ is what the process was given; userDir is
// the folder of the user's configuration files ($XDG_CONFIG_HOME) or empty; flags are settings that the command line names. Flags and variables
// are judged at once, files as they are read.
func LoadSettings(r *Repo, environ []string, userDir string, flags map[string]string) (*Settings, error) {
	s := &Settings{}
	if r != nil {
		s.repoFile = filepath.Join(r.Shared, settingsFile)
	}
	if userDir != "" {
		s.userFile = filepath.Join(userDir, "mlx", settingsFile)
	}
	for _, l := range []struct {
		name string
		read func() (*viper.Viper, error)
	}{
		{"flag", func() (*viper.Viper, error) { return given(flags, "--") }},
		{"environment", func() (*viper.Viper, error) { return given(variables(environ), "MLX_") }},
		{"repository", func() (*viper.Viper, error) { return readSettings(s.repoFile) }},
		{"user", func() (*viper.Viper, error) { return readSettings(s.userFile) }},
		{"default", func() (*viper.Viper, error) { return defaults(), nil }},
	} {
		values, err := l.read()
		if err != nil {
			return nil, err
		}
		s.layers = append(s.layers, layer{l.name, values})
	}
	return s, nil
}

// Get returns the value of a setting and the layer it comes from. An unknown key has neither.
func (s *Settings) Get(key string) (value, source string) {
	for _, l := range s.layers {
		if l.values != nil && l.values.IsSet(key) {
			return l.values.GetString(key), l.name
		}
	}
	return "", ""
}

// LimitRate returns the setting limit_rate in bytes per second; 0 is no limit.
func (s *Settings) LimitRate() int64 {
	text, _ := s.Get("limit_rate")
	n, _ := parseByteRate(text) // judged when it was read
	return n
}

// List returns all settings.
func (s *Settings) List() []Setting {
	var all []Setting
	for _, spec := range settingSpecs() {
		value, source := s.Get(spec.key)
		all = append(all, Setting{spec.key, value, source, spec.doc})
	}
	return all
}

// Lookup is Get for a key that a person typed: an unknown one is an error with the nearest as a hint.
func (s *Settings) Lookup(key string) (Setting, error) {
	for _, known := range s.List() {
		if known.Key == key {
			return known, nil
		}
	}
	return Setting{}, unknownSetting(key)
}

// Set changes one setting in the repository's file, or in the user's. An empty value takes it out of the file.
func (s *Settings) Set(key, value string, user bool) error {
	if err := judge(key, value); err != nil && value != "" {
		return err
	}
	file := s.repoFile
	if user {
		file = s.userFile
	}
	if file == "" {
		return fault.New(fault.NotFound, "cannot set %s: there is no folder to keep it in", key).Hint("mlx config set --user %s %s   # for all repositories", key, shellWord(value))
	}
	unlock, err := lockFile(file + ".lock")
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot set %s: %w", key, err)
	}
	defer unlock()
	values, err := readSettings(file)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, spec := range settingSpecs() {
		v := values.GetString(spec.key)
		if spec.key == key {
			v = value
		}
		if v != "" {
			fmt.Fprintf(&out, "%s: %s\n", spec.key, quoteYAML(v))
		}
	}
	if err := WriteFile(file, out.Bytes(), 0o666); err != nil {
		return fault.New(fault.KindOf(err), "cannot set %s: %w", key, err)
	}
	return nil
}
