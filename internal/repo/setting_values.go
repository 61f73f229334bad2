package repo

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/viper"

	"mlx/internal/fault"
)

// variables returns the settings among the variables of an environment. Other MLX_ variables belong to runs.
func variables(environ []string) map[string]string {
	found := map[string]string{}
	for _, spec := range settingSpecs() {
		name := "MLX_" + strings.ToUpper(spec.key) + "="
		for _, v := range environ {
			if value, ok := strings.CutPrefix(v, name); ok && value != "" {
				found[spec.key] = value
			}
		}
	}
	return found
}

// given makes a layer of values that a person has just typed; prefix is how they were named there.
func given(values map[string]string, prefix string) (*viper.Viper, error) {
	v := viper.New()
	for key, value := range values {
		if err := judge(key, value); err != nil {
			name := prefix + key
			if prefix == "MLX_" {
				name = prefix + strings.ToUpper(key)
			}
			return nil, fault.New(fault.Usage, "cannot use %s: %w", name, cmp.Or(errors.Unwrap(err), err))
		}
		v.Set(key, value)
	}
	return v, nil
}

// readSettings reads a settings file; a missing one is empty.
func readSettings(file string) (*viper.Viper, error) {
	v := viper.New()
	if file == "" {
		return v, nil
	}
	text, err := readSmall(file, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return nil, fault.New(fault.KindOf(err), "cannot read %s: %w", file, err)
	}
	v.SetConfigType("yaml")
	if err := v.ReadConfig(bytes.NewReader(text)); err != nil {
		return nil, fault.New(fault.Usage, "cannot read %s: %w", file, err).In(fault.Position{File: file})
	}
	for _, key := range v.AllKeys() {
		if err := judge(key, v.GetString(key)); err != nil {
			return nil, fault.New(fault.Usage, "cannot read %s: %w", file, err).In(fault.Position{File: file})
		}
	}
	return v, nil
}

func defaults() *viper.Viper {
	v := viper.New()
	for _, spec := range settingSpecs() {
		v.SetDefault(spec.key, spec.fallback)
	}
	return v
}

// judge says whether key exists and may have the value.
func judge(key, value string) error {
	for _, spec := range settingSpecs() {
		if spec.key == key {
			if err := spec.check(value); err != nil {
				return fault.New(fault.Usage, "cannot set %s: %w", key, err)
			}
			return nil
		}
	}
	return unknownSetting(key)
}

// SettingKeys lists the keys of all settings.
func SettingKeys() []string {
	var keys []string
	for _, spec := range settingSpecs() {
		keys = append(keys, spec.key)
	}
	return keys
}

// SettingWords lists all values that a setting may have, or nil when they cannot be listed.
func SettingWords(key string) []string {
	for _, spec := range settingSpecs() {
		if spec.key == key {
			return spec.words
		}
	}
	return nil
}

func unknownSetting(key string) error {
	keys := SettingKeys()
	return fault.New(fault.Usage, "unknown setting %q", key).Hint("%s", suggestion(key, keys, "Settings are "+strings.Join(keys, ", ")))
}

func oneOf(words ...string) func(string) error {
	return func(value string) error {
		if slices.Contains(words, value) {
			return nil
		}
		return fmt.Errorf("%q is none of %s", value, strings.Join(words, ", "))
	}
}

func wholeNumber(value string) error {
	if n, err := strconv.Atoi(value); err != nil || n < 0 || n > 1024 {
		return fmt.Errorf("%q is no number from 0 to 1024", value)
	}
	return nil
}

func byteRate(value string) error {
	_, err := parseByteRate(value)
	return err
}

// parseByteRate reads bytes per second; nothing is no limit.
func parseByteRate(value string) (int64, error) {
	if value == "" {
		return 0, nil
	}
	size, ok := strings.CutSuffix(value, "/s")
	n, err := parseSize(size)
	if !ok || err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no rate such as 10MiB/s", value)
	}
	return n, nil
}

func emptyOr(check func(string) error) func(string) error {
	return func(value string) error {
		if value == "" {
			return nil
		}
		return check(value)
	}
}

// quoteYAML writes text as a YAML scalar that every reader takes for the same text.
func quoteYAML(text string) string { return strconv.Quote(text) }
