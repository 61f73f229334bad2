package main

import (
	"slices"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/run"
)

// trouble names the monitor that could not be judged and, where leave or credentials are missing, what the environment lacks: that of cron
// has hardly anything in it.
func (t *driftTurn) trouble(err error) error {
	if t.name == "" {
		return err
	}
	e := fault.New(fault.KindOf(err), "%s: %w", t.name, err)
	if lacks := t.lacks(err); len(lacks) > 0 {
		e = fault.New(fault.KindOf(err), "%s: %w; not set in this environment: %s", t.name, err, strings.Join(lacks, ", "))
		for _, hint := range fault.Hints(err) {
			_ = e.Hint("%s", hint)
		}
		_ = e.Hint("crontab -e   # cron sets hardly any variables: write %s=VALUE above the line", lacks[0])
	}
	if fault.At(err) == nil {
		return e.In(t.monitor.At)
	}
	return e
}

// lacks are the variables that are not set and without which leave and credentials are not found.
func (t *driftTurn) lacks(err error) []string {
	kind := fault.KindOf(err)
	if kind != fault.Denied && kind != fault.Unavailable {
		return nil
	}
	var lacks []string
	needs := func(names ...string) {
		if !slices.ContainsFunc(names, func(name string) bool { return run.Variable(t.app.environ, name) != "" }) {
			lacks = append(lacks, names[0])
		}
	}
	if text := err.Error(); kind == fault.Denied {
		switch {
		case strings.Contains(text, "s3://"):
			needs("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI")
		case strings.Contains(text, "gs://"):
			needs("GOOGLE_APPLICATION_CREDENTIALS")
		case strings.Contains(text, "azblob://"):
			needs("AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN", "AZURE_CLIENT_ID")
		}
		needs("HOME", "XDG_CONFIG_HOME", "AppData", "USERPROFILE")
	}
	if config, cfgErr := t.app.config(); cfgErr == nil {
		for _, r := range config.Remotes.All() {
			if strings.HasPrefix(r.URL, "git:") && strings.Contains(err.Error(), "git") {
				needs("SSH_AUTH_SOCK")
				break
			}
		}
	}
	return lacks
}
