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
	text := trusted(strings.TrimSpace(b.Type + " " + b.Host))
	bare := len(text)
	text.add("hosts", strings.Join(b.Hosts, ","))
	text.add("dir", b.Dir)
	text.add("url", b.URL)
	text.add("context", b.Context)
	text.add("namespace", b.Namespace)
	text.add("image", b.Image)
	text.add("agent", b.Agent)
	text.add("remote", b.Remote)
	text.add("option", b.Options...)
	text.add("setup", b.Setup...)
	for name, value := range b.Env.All() {
		text.add("env", name+"="+value.Value)
	}
	text.add("secret", b.Secrets...)
	text.pod(b.Pod)
	if len(text) == bare && b.Host == "" && (b.Type == "local" || b.Type == "slurm") {
		return ""
	}
	return string(text)
}

// trusted is a text that a user allows, with what it consists of as words.
type trusted string

// add adds what is there of the values of a key.
func (t *trusted) add(key string, values ...string) {
	for _, v := range values {
		if v != "" {
			*t += trusted(" " + key + "=" + v)
		}
	}
}

// pod adds what is merged into pods.
func (t *trusted) pod(p Free) {
	if pod := p.Plain(); pod != nil {
		if body, err := json.Marshal(pod); err == nil {
			t.add("pod", string(body))
		}
	}
}
