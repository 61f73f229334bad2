//go:build unix

package local

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"mlx/internal/deploy"
)

// Stages are servers that one process keeps running for itself, as a supervisor does: what an earlier one has left is taken over.
type Stages struct {
	servers []*server
	ended   sync.WaitGroup
}

// KeepStages starts servers, and starts again what ends, until the context does.
func KeepStages(ctx context.Context, o StageOptions, all []StageServer) (*Stages, error) {
	if err := private(filepath.Join(o.Dir, serversName)); err != nil {
		return nil, err
	}
	s := &Stages{}
	options := Options{Dir: o.Dir, Environ: o.Environ, Now: o.Now, Log: o.Log}
	for i, one := range all {
		kept := &server{o: options, release: one.Release, n: i + 1, place: one.Place, stage: one.Name, changed: func() {}, quiet: func(string) {}}
		kept.recall()
		s.servers = append(s.servers, kept)
		s.ended.Go(func() { kept.keep(ctx) })
	}
	return s, nil
}

// Address is where server i can be asked; empty: it is not ready.
func (s *Stages) Address(i int) string { return s.servers[i].ready() }

// Seen is how server i is.
func (s *Stages) Seen(i int) deploy.SeenStage {
	var a RunningArm
	s.servers[i].tell(&a)
	return deploy.SeenStage{Name: s.servers[i].stage, Ready: len(a.Servers), Restarts: a.Restarts, Trouble: a.Trouble}
}

// Wait waits until all of them have ended.
func (s *Stages) Wait() { s.ended.Wait() }

// stagesLeft are the processes of stages that a server has, or has left.
func stagesLeft(stageDir string) []identity {
	names, err := filepath.Glob(filepath.Join(stageDir, serversName, "*.json"))
	if err != nil {
		return nil // the folder has a name that is a pattern
	}
	var all []identity
	for _, name := range names {
		var left noted
		if text, err := os.ReadFile(name); err == nil && json.Unmarshal(text, &left) == nil && left.Process.alive() {
			all = append(all, left.Process)
		}
	}
	return all
}

// stopStages stops what a server that has ended has left of its stages.
func stopStages(stageDir string, grace time.Duration) {
	var all sync.WaitGroup
	for _, id := range stagesLeft(stageDir) {
		all.Go(func() { adopted{id}.stop(grace) })
	}
	all.Wait()
}

// stopStagesLeft stops stages of servers that are neither to run nor there any more.
func (s *supervisor) stopStagesLeft(wanted map[string]bool) {
	dirs, err := filepath.Glob(s.o.file(stagesName, "*"))
	if err != nil {
		return // the pattern is right
	}
	for _, dir := range dirs {
		note := s.o.file(serversName, filepath.Base(dir)+".json")
		if _, err := os.Stat(note); wanted[note] || err == nil || len(stagesLeft(dir)) == 0 {
			continue
		}
		s.o.log("stages of %s are not to run any more", strings.TrimSuffix(filepath.Base(note), ".json"))
		s.closing.Go(func() { stopStages(dir, s.o.Drain) })
	}
}
