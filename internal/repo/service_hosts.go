package repo

import (
	"path"
	"strings"

	"mlx/internal/fault"
)

// Host is one of several that serve a service as one.
type Host struct {
	Host string `yaml:"host" doc:"Name of the host, as in your ssh configuration." need:"true"`
	Dir  string `yaml:"dir" doc:"The clone on it in which mlx service run runs." need:"true"`
	Mlx  string `yaml:"mlx" doc:"The program there; mlx of its PATH when absent."`

	At fault.Position `yaml:"-"`
}

// checkHosts refuses hosts that could not be one service.
func (s Service) checkHosts(bad func(at fault.Position, format string, args ...any) *fault.Error) error {
	seen := map[string]bool{}
	for _, h := range s.Hosts {
		rest, home := strings.CutPrefix(h.Dir, "~/")
		switch {
		case s.Target != "" && s.Target != "host":
			return bad(h.At, "has hosts, and its target is %s", s.Target).Hint("target: host")
		case h.Host == "" || strings.HasPrefix(h.Host, "-") || strings.ContainsAny(h.Host, " \t\n"):
			return bad(h.At, "has a host called %q", h.Host).Hint("hosts: [{host: NAME, dir: /srv/models}]   # as in your ssh configuration")
		case seen[h.Host]:
			return bad(h.At, "names host %s twice", h.Host)
		case rest == "" || !home && !path.IsAbs(h.Dir):
			return bad(h.At, "has the folder %q on host %s, which is neither absolute nor below ~/", h.Dir, h.Host)
		}
		seen[h.Host] = true
	}
	return nil
}

// hostsTrust is what is reached and started on hosts, as a user allows it; empty: nothing.
func (s Service) hostsTrust() string {
	words := make([]string, 0, len(s.Hosts))
	for _, h := range s.Hosts {
		words = append(words, strings.TrimSpace(h.Host+":"+h.Dir+" "+h.Mlx))
	}
	if len(words) == 0 {
		return ""
	}
	return " on " + strings.Join(words, ", ")
}
