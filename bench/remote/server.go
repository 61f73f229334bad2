package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"mlx/bench/internal/measure"
)

// server is an S3 server on this machine.
type server struct {
	env            []string // credentials
	key            string   // both of its keys
	endpoint, name string
	script         measure.Command
}

// place is the URL of a prefix in its bucket.
func (s *server) place(prefix string) string {
	return "s3://" + s.name + "/" + prefix + "?endpoint=" + s.endpoint
}

// start starts the server, once. Its ports are not those of the tests, which may be running.
func (b *bench) start() error {
	if b.server != nil {
		return nil
	}
	var out bytes.Buffer
	s := &server{script: measure.Command{Dir: b.root, Args: []string{filepath.Join(b.root, ".ci", "servers"), "up", "seaweed"}, Out: &out,
		Env: []string{"WORKDIR=" + filepath.Join(b.work, "server"), "SEAWEED_PORT=" + strconv.Itoa(b.port)}}}
	b.server = s // what is half up has to be stopped as well
	if _, err := measure.Run(s.script); err != nil {
		b.stop()
		return err
	}
	for _, word := range strings.Fields(out.String()) {
		name, value, _ := strings.Cut(word, "=")
		switch {
		case name == "AWS_ACCESS_KEY_ID":
			s.key = value
			fallthrough
		case strings.HasPrefix(name, "AWS_"):
			s.env = append(s.env, word)
		case name == "MLX_TEST_S3":
			s.name, s.endpoint, _ = strings.Cut(strings.TrimPrefix(strings.Trim(value, "'"), "s3://"), "?endpoint=")
		}
	}
	if s.key == "" || s.endpoint == "" {
		return fmt.Errorf("the server does not say where it is: %s", out.String())
	}
	return nil
}

// stop ends the server and removes its data.
func (b *bench) stop() {
	if b.server == nil {
		return
	}
	b.server.script.Args[1] = "down"
	if _, err := measure.Run(b.server.script); err != nil {
		fmt.Fprintf(os.Stderr, "# the server goes on: %v\n", err)
	}
	b.server = nil
}

// output is what a program prints.
func (b *bench) output(args ...string) (string, error) {
	var out bytes.Buffer
	_, err := measure.Run(measure.Command{Args: args, Out: &out, Dir: b.root})
	return strings.TrimSpace(out.String()), err
}
