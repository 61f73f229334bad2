package main

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"time"

	fake "github.com/google/go-containerregistry/pkg/registry"
)

// registryMain runs a command beside a registry of container images in this process: registry COMMAND…. The command finds its address in
// REGISTRY. What lies there is gone when the command ends.
func registryMain() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		die(err)
	}
	server := &http.Server{Handler: fake.New(fake.WithReferrersSupport(true), fake.Logger(log.New(io.Discard, "", 0))), ReadHeaderTimeout: time.Minute}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			die(err)
		}
	}()
	cmd := exec.Command(os.Args[1], os.Args[2:]...)
	cmd.Env = append(os.Environ(), "REGISTRY="+listener.Addr().String())
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	failed := cmd.Run()
	if err := server.Close(); err != nil {
		die(err)
	}
	if failed != nil {
		die(failed)
	}
}
