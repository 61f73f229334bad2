//go:build linux

package traffic

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Engine is a proxy that is measured.
type Engine struct {
	Name    string
	Address string
	PID     int // 0: none stands between
	Stop    func()
}

const haproxyConfig = `global
  nbthread 1
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend f
  bind %s
  default_backend b
backend b
  server one %s weight 80
  server two %s weight 20
`

const nginxConfig = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream b { server %[2]s weight=80; server %[3]s weight=20; keepalive 256; }
  server {
    listen %[1]s;
    keepalive_requests 100000000;
    location / { proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`

// Peers starts those of HAProxy and nginx that this machine has, in front of two models of which the first gets four fifths.
func Peers(dir, one, two string) ([]*Engine, error) {
	var list []*Engine
	for _, p := range []struct{ name, variable, config string }{{"haproxy", "MLX_BENCH_HAPROXY", haproxyConfig}, {"nginx", "MLX_BENCH_NGINX", nginxConfig}} {
		program := os.Getenv(p.variable)
		if program == "" {
			var err error
			if program, err = exec.LookPath(p.name); err != nil {
				fmt.Printf("NOT MEASURED: %s is not here; eval \"$(.ci/proxies)\" gets it\n", p.name)
				continue
			}
		}
		e, err := peer(program, p.name, dir, func(address string) string { return fmt.Sprintf(p.config, address, one, two) })
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, nil
}

func peer(program, name, under string, config func(address string) string) (*Engine, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &Engine{Name: name, Address: l.Addr().String()}
	if err := l.Close(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(under, name+"-")
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config")
	if err := os.WriteFile(file, []byte(config(e.Address)), 0o600); err != nil {
		return nil, err
	}
	args := []string{"-f", file}
	if name == "nginx" {
		args = []string{"-e", "stderr", "-p", dir, "-c", file}
	}
	cmd := exec.Command(program, args...)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	e.PID, e.Stop = cmd.Process.Pid, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", e.Address)
		if err == nil {
			return e, conn.Close()
		}
		if time.Now().After(end) {
			e.Stop()
			return nil, fmt.Errorf("%s does not start: %w", name, err)
		}
	}
}
