package export

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"mlx/internal/fault"
)

// Service is a service that runs on a host for as long as the host does.
type Service struct {
	Name   string
	User   string        // who runs it
	Listen string        // HOST:PORT of its router; empty: another port at each start
	Stop   time.Duration // what it needs at most to end
}

// ServiceForms are what a service can be written as.
func ServiceForms() []string { return []string{"systemd"} }

// Units writes a service of systemd and, where its address is known before, the socket of it: systemd holds that from the start of the
// machine on, and who connects while the service is restarted waits there.
func Units(s Service, site Site) ([]File, error) {
	for _, word := range []string{s.Name, s.User, site.Root} {
		if !printable(word) || strings.HasSuffix(word, `\`) {
			return nil, fault.New(fault.Usage, "cannot export service:%s as systemd: %q has control characters or ends with a backslash, which units cannot hold",
				s.Name, word)
		}
	}
	unit := "mlx-service-" + s.Name
	address, held := ListenStream(s.Listen)
	head := heading("#", "systemd service:"+s.Name)
	about := "[Unit]\nDescription=" + unitText("mlx service "+s.Name+" of "+site.Root) + "\n"
	service := head + about + "Wants=network-online.target\nAfter=network-online.target\n"
	if held {
		service += "Requires=" + unit + ".socket\nAfter=" + unit + ".socket\n"
	}
	service += `StartLimitIntervalSec=0

[Service]
Type=exec
User=` + unitText(s.User) + `
WorkingDirectory=` + strings.ReplaceAll(site.Root, "%", "%%") + `
ExecStart=/usr/bin/env mlx -C ` + unitWord(site.Root) + " service run -- " + unitWord(s.Name) + `
# Another router takes over, by mlx.yaml and the program as they are now; no request is lost.
ExecReload=/bin/kill -HUP $MAINPID
Restart=always
RestartSec=1s
# What it has started goes on when it is killed, and the next one takes it over; when it is stopped it stops all of that itself.
KillMode=process
TimeoutStopSec=` + strconv.Itoa(int((s.Stop+time.Second-1)/time.Second)) + `
# One model server that runs out of memory is started again, and the others go on.
OOMPolicy=continue

[Install]
WantedBy=multi-user.target
`
	files := []File{{unit + ".service", service}}
	if !held {
		return files, nil
	}
	files[0].Text += "Also=" + unit + ".socket\n"
	socket := head + about + "\n[Socket]\nListenStream=" + address + "\n\n[Install]\nWantedBy=sockets.target\n"
	return append(files, File{unit + ".socket", socket}), nil
}

// ListenStream is an address as systemd has it; false: it is none that systemd can hold, because its port is another one each time, or its
// host has a name that has to be looked up.
func ListenStream(listen string) (string, bool) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "", false
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return "", false
	}
	switch host {
	case "":
		return strconv.FormatUint(number, 10), true
	case "localhost":
		host = "127.0.0.1"
	}
	ip, err := netip.ParseAddr(host)
	if err != nil || ip.Zone() != "" {
		return "", false
	}
	if ip.Is6() && !ip.Is4In6() {
		return fmt.Sprintf("[%s]:%d", ip, number), true
	}
	return fmt.Sprintf("%s:%d", ip.Unmap(), number), true
}
