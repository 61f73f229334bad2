package repo

import (
	"encoding/json"
	"strings"
)

// Plain is the value as encoding/json would have read it, whole numbers as int64; nil when there is none.
func (f Free) Plain() any {
	if f.tree == nil {
		return nil
	}
	return f.tree.plain()
}

// TrustValue is the text that a user allows of a backend: all that decides what runs where, and what is sent there. What it may
// use and what it costs is left out. It is empty for this machine as it is, which asks nobody.
func (b Backend) TrustValue() string {
	text := strings.TrimSpace(b.Type + " " + b.Host)
	bare := len(text)
	add := func(key string, values ...string) {
		for _, v := range values {
			if v != "" {
				text += " " + key + "=" + v
			}
		}
	}
	add("hosts", strings.Join(b.Hosts, ","))
	add("dir", b.Dir)
	add("url", b.URL)
	add("context", b.Context)
	add("namespace", b.Namespace)
	add("image", b.Image)
	add("agent", b.Agent)
	add("remote", b.Remote)
	add("option", b.Options...)
	add("setup", b.Setup...)
	for name, value := range b.Env.All() {
		add("env", name+"="+value.Value)
	}
	add("secret", b.Secrets...)
	if pod := b.Pod.Plain(); pod != nil {
		if body, err := json.Marshal(pod); err == nil {
			add("pod", string(body))
		}
	}
	if len(text) == bare && b.Host == "" && (b.Type == "local" || b.Type == "slurm") {
		return ""
	}
	return text
}
