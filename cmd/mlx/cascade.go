package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/deploy"
	"mlx/internal/deploy/cascade"
	"mlx/internal/deploy/folder"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
)

func newCascade(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "cascade PLAN",
		Short:  "Answer by the stages of a release; mlx service run starts it",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		Annotations: map[string]string{
			needsNothing: "", // all that it needs stands in the plan
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return cascadeRun(cmd.Context(), a, args[0])
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

// Times of a process that answers by stages.
const (
	countsEvery  = time.Second      // what is counted is written down
	cascadeDrain = 5 * time.Second  // what requests have that are being answered when it is told to end; the router has sent none for a while
	headerTime   = 10 * time.Second // in which a client sends the header of a request
)

// cascadeServer is a process that answers by stages, with the servers of these.
type cascadeServer struct {
	plan    cascade.Plan
	dir     string // of what it keeps of its stages
	servers *local.Stages
	number  map[int]int // of the server of a stage, among servers
	cascade *cascade.Cascade
}

func cascadeRun(ctx context.Context, a *app, name string) error {
	if ownMemory() { // as for a router: what it holds is bounded by limits of its own
		debug.SetMemoryLimit(math.MaxInt64)
	}
	plan, err := cascade.ReadPlan(name)
	if err != nil {
		return err
	}
	port, dir := a.environment("PORT="), a.environment(local.StageDirVariable+"=")
	if port == "" || dir == "" {
		return fault.New(fault.Usage, "cannot answer by stages: this is started by mlx service run, which gives it a port and a folder").
			Hint("mlx service run %s", shellWord(plan.Service))
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return fault.New(fault.Unavailable, "cannot answer by stages: %w", err)
	}
	s := &cascadeServer{plan: plan, dir: dir, number: map[int]int{}}
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	if err := s.start(keeping, a); err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() {
		s.note(a)
		stop()
		s.servers.Wait()
	}()
	server := &http.Server{Handler: s.cascade, ReadHeaderTimeout: headerTime, BaseContext: func(net.Listener) context.Context { return keeping }}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	every := time.NewTicker(countsEvery)
	defer every.Stop()
	soon := time.NewTicker(newsEvery)
	defer soon.Stop()
	for ready := ""; ; {
		select {
		case <-every.C:
			s.note(a)
		case <-soon.C:
			if now := s.readyNow(); now != ready { // whoever looks now would read what was
				ready = now
				s.note(a)
			}
		case err := <-ended:
			return fault.New(fault.Unavailable, "cannot answer by stages: %w", err)
		case <-ctx.Done():
			draining, over := context.WithTimeout(context.WithoutCancel(ctx), cascadeDrain)
			defer over()
			_ = server.Shutdown(draining) // what is not answered by then is cut off
			return nil
		}
	}
}

// sparing writes one line a second at most: what fails once fails many times.
func sparing(now func() time.Time, note func(format string, args ...any)) func(format string, args ...any) {
	var last atomic.Int64
	return func(format string, args ...any) {
		before, at := last.Load(), now().UnixNano()
		if time.Duration(at-before).Abs() >= time.Second && last.CompareAndSwap(before, at) {
			note(format, args...)
		}
	}
}

// start starts the servers of the stages.
func (s *cascadeServer) start(ctx context.Context, a *app) (err error) {
	var all []local.StageServer
	for i, stage := range s.plan.Stages {
		if stage.Serve == nil {
			continue
		}
		s.number[i] = len(all)
		all = append(all, local.StageServer{Name: stage.Name, Place: local.Place{Dir: stage.Dir, Env: stage.Env},
			Release: deploy.Release{Key: s.plan.Release, Model: stage.Model, Version: stage.Version, Serve: *stage.Serve}})
	}
	s.cascade, err = cascade.New(cascade.Options{
		Plan: s.plan, Now: a.now, Log: sparing(a.now, a.streams.Note),
		Address: func(i int) string { return s.servers.Address(s.number[i]) },
		Trouble: func(i int) string { return s.servers.Seen(s.number[i]).Trouble },
	}, local.ReadCounts(s.dir))
	if err != nil {
		return err
	}
	environ := slices.DeleteFunc(slices.Clone(a.environ), func(one string) bool {
		return slices.ContainsFunc([]string{"PORT=", "MLX_MODEL", local.StageDirVariable + "=", programEnv + "="}, func(name string) bool {
			return len(one) >= len(name) && one[:len(name)] == name
		})
	})
	s.servers, err = local.KeepStages(ctx, local.StageOptions{Dir: s.dir, Environ: environ, Now: a.now,
		Log: func(format string, args ...any) { a.streams.Note(format, args...) }}, all)
	if err != nil {
		return errors.Join(fault.New(fault.KindOf(err), "cannot answer by stages: %w", err), s.cascade.Close())
	}
	return nil
}

// note writes down what was counted, for whoever looks and for the process after this one.
func (s *cascadeServer) note(a *app) {
	all := s.cascade.Counts()
	for i := range all {
		n, served := s.number[i]
		if !served {
			all[i].Ready = 1
			continue
		}
		seen := s.servers.Seen(n)
		all[i].Ready, all[i].Restarts, all[i].Trouble = seen.Ready, seen.Restarts, seen.Trouble
	}
	if err := folder.WriteJSON(local.CountsOf(s.dir), all); err != nil {
		a.streams.Why("what stages have answered cannot be written down in %s: %v", filepath.Base(s.dir), err)
	}
}

// newsEvery is how often somebody looks whether the server of a stage is ready.
const newsEvery = 50 * time.Millisecond

// readyNow says of each stage whether its server is ready.
func (s *cascadeServer) readyNow() string {
	var b strings.Builder
	for i := range s.plan.Stages {
		if n, served := s.number[i]; served {
			fmt.Fprint(&b, s.servers.Seen(n).Ready, " ")
		}
	}
	return b.String()
}

// selfProgram is the program that runs now.
func selfProgram() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", fault.New(fault.Internal, "cannot find this program: %w", err)
	}
	return self, nil
}
