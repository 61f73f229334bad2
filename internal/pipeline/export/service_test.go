package export

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestListenStream(t *testing.T) {
	for listen, want := range map[string]string{
		"127.0.0.1:8080": "127.0.0.1:8080", "localhost:8080": "127.0.0.1:8080", ":8080": "8080", "0.0.0.0:80": "0.0.0.0:80", "[::1]:8080": "[::1]:8080",
		"[::ffff:127.0.0.1]:80": "127.0.0.1:80", "127.0.0.1:080": "127.0.0.1:80",
		"": "", "127.0.0.1:0": "", "127.0.0.1": "", "models.example:8080": "", "127.0.0.1:http": "", "[fe80::1%eth0]:80": "", "127.0.0.1:70000": "", "127.0.0.1:-1": "",
	} {
		if got, ok := ListenStream(listen); got != want || ok != (want != "") {
			t.Errorf("%q is %q, %t; want %q", listen, got, ok, want)
		}
	}
}

func TestUnits(t *testing.T) {
	s := Service{Name: "flights", User: "ana", Listen: "127.0.0.1:8080", Stop: 74*time.Second + 1}
	files, err := Units(s, Site{Root: "/srv/100 % \"fl\\ights\" $HOME"})
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, want := range []string{
		"\nUser=ana\n", "\nTimeoutStopSec=75\n", "\nWorkingDirectory=/srv/100 %% \"fl\\ights\" $HOME\n",
		"\nExecStart=/usr/bin/env mlx -C \"/srv/100 %% \\\"fl\\\\ights\\\" $$HOME\" service run -- \"flights\"\n",
		"\nRequires=mlx-service-flights.socket\n", "\nAlso=mlx-service-flights.socket\n",
	} {
		if !strings.Contains(files[0].Text, want) {
			t.Errorf("%s lacks %q:\n%s", files[0].Name, want, files[0].Text)
		}
	}
	if !strings.Contains(files[1].Text, "\nListenStream=127.0.0.1:8080\n") || files[1].Name != "mlx-service-flights.socket" {
		t.Errorf("%s: %s", files[1].Name, files[1].Text)
	}
	s.Listen = ""
	if files, err = Units(s, Site{Root: "/srv"}); err != nil || len(files) != 1 || strings.Contains(files[0].Text, ".socket") {
		t.Errorf("a service without an address: %v, %v", files, err)
	}
	for _, root := range []string{"/srv/two\nlines", `/srv/back\`} {
		if _, err := Units(s, Site{Root: root}); err == nil {
			t.Errorf("%q was taken", root)
		}
	}
}

// TestUnitsOfSystemd asks systemd itself, where there is one.
func TestUnitsOfSystemd(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("there is no systemd-analyze here")
	}
	for _, listen := range []string{"127.0.0.1:8080", "[::1]:8080", ":8080", ""} {
		files, err := Units(Service{Name: "flights", User: "root", Listen: listen, Stop: time.Minute}, Site{Root: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		dir, names := t.TempDir(), []string{"verify"}
		for _, f := range files {
			names = append(names, filepath.Join(dir, f.Name))
			if err := os.WriteFile(names[len(names)-1], []byte(f.Text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out, err := exec.Command(analyze, names...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%q: %v: %s", listen, err, out)
		}
	}
}
