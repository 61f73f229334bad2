package haproxy

import (
	"fmt"
	"strings"
	"time"
)

// Config is what the lines of a configuration follow from.
type Config struct {
	Settings
	Service    string
	Idempotent bool          // a request may be asked again whose connection broke
	Ready      string        // path that a server answers with 200 when it can work; empty: a connection is enough
	InFlight   int           // requests that one server works on at a time; 0: no number
	Time       time.Duration // longest time of an answer to begin
	Drain      time.Duration
}

func (s Settings) logLine() string { return "log " + s.Log + " len 2048 format rfc3164 local0 info" }

func (s Settings) formatLine() string { return `log-format "` + logFormat + `"` }

func (s Settings) socketLine() string {
	if s.network() == "unix" {
		return "stats socket " + s.Socket + " mode 660 level admin"
	}
	return "stats socket ipv4@" + s.Socket + " level admin"
}

func (s Settings) slotLine() string {
	return fmt.Sprintf("server-template s 1-%d 127.0.0.1:1 disabled", s.roomFor())
}

func (s Settings) spareLine() string {
	return fmt.Sprintf("server-template b 1-%d 127.0.0.1:1 disabled backup", s.spares())
}

// retries is how often a request is tried again. HAProxy keeps idle connections to a server, and those to one that was killed break one after
// the other before it is marked as down: each costs a try, and no time.
const retries = 30

// Lines are those of haproxy.cfg: what the service needs, and what it leaves to whoever looks after HAProxy.
func (c Config) Lines() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Service %s, for haproxy.cfg: HAProxy 2.4 or later. mlx changes addresses, states and weights of the servers of", c.Service)
	line("# backend %s by the runtime socket, and nothing else. Whoever may write to that socket may do the same: keep it to", c.Backend)
	line("# the user that runs mlx service run, by user or group.")
	line("global")
	line("    %s", c.socketLine())
	line("")
	line("frontend %s", c.Backend)
	line("    mode http")
	if c.Listen != "" {
		line("    bind %s", c.Listen)
	} else {
		line("    bind 127.0.0.1:8080   # where requests come")
	}
	line("    timeout client 60s")
	line("    # Answers are counted from these lines. What stands before %sin the format is your own.", mark)
	line("    %s", c.logLine())
	line("    %s", c.formatLine())
	line("    default_backend %s", c.Backend)
	line("")
	c.backend(line)
	return b.String()
}

func (c Config) backend(line func(string, ...any)) {
	line("backend %s", c.Backend)
	line("    mode http")
	line("    balance roundrobin   # whose weights can be changed, and are kept exactly")
	line("    timeout connect 2s")
	line("    timeout server %s", milliseconds(c.Time))
	line("    timeout queue 5s")
	line("    option http-buffer-request")
	line("    %s", setTime)
	line("    # Another server is asked when one cannot be reached: the request has not been asked then.")
	line("    retries %d", retries)
	line("    option redispatch 1")
	if c.Idempotent {
		line("    # And when the connection breaks before the answer: the service is idempotent. Of requests that fit in tune.bufsize.")
		line("    retry-on conn-failure empty-response junk-response")
	} else {
		line("    retry-on conn-failure   # no more: a request whose connection broke may have been carried out")
	}
	check := "check inter 1s fastinter 100ms downinter 200ms fall 2 rise 1 observe layer4 error-limit 2 on-error mark-down"
	if c.InFlight > 0 {
		check += fmt.Sprintf(" maxconn %d", c.InFlight)
	}
	if c.Ready != "" {
		line("    option httpchk GET %s", escaped(c.Ready))
	}
	line("    default-server %s", check)
	line("    # Places for servers: %d of a release at a time, three releases, and room for those that are leaving. And backups: while a new", max(c.Servers, 1))
	line("    # version gets all requests, what was in service answers when no server of it does.")
	line("    %s", c.slotLine())
	line("    %s", c.spareLine())
	line("    option allbackups")
	if name := c.stateFile(); name != "" {
		line("    # mlx writes there how the servers are: an HAProxy that is reloaded begins with them. Until the first time it says that it is missing.")
		line("    load-server-state-from-file local")
		line("    server-state-file-name %s", escaped(name))
	}
}

// escaped is a word as a configuration has it.
func escaped(word string) string {
	return strings.NewReplacer(`\`, `\\`, " ", `\ `, "#", `\#`, `"`, `\"`, "'", `\'`, "\n", "", "\r", "", "$", `\$`).Replace(word)
}

func milliseconds(d time.Duration) string {
	if d <= 0 {
		d = time.Minute
	}
	return fmt.Sprintf("%dms", max(d.Milliseconds(), 1))
}
