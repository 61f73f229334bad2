package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"mlx/internal/cli"
	"mlx/internal/deploy"
	"mlx/internal/deploy/local"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/object"
)

// rolloutNamed finds a rollout by the beginning of its id; false: the word names none.
func (a *app) rolloutNamed(ctx context.Context, word string) (deploy.Rollout, bool, error) {
	prefix, err := object.ParsePrefix(strings.TrimPrefix(word, refRecord+":"))
	if err != nil {
		return deploy.Rollout{}, false, nil // it is some other name
	}
	l, err := a.ledger()
	if err != nil {
		return deploy.Rollout{}, false, err
	}
	for rec, err := range l.Select(ctx, lineage.Query{Nouns: []string{"deploy"}, All: true}) {
		if err != nil {
			return deploy.Rollout{}, false, err
		}
		if !deploy.Planned.Is(rec) || !prefix.Match(rec.ID) {
			continue
		}
		name, id, err := rolloutOf(rec)
		if err != nil {
			return deploy.Rollout{}, false, err
		}
		known, err := deploy.Book{Ledger: l}.Service(ctx, name)
		if err != nil {
			return deploy.Rollout{}, false, err
		}
		r, ok := known.Rollout(id)
		return r, ok, nil
	}
	return deploy.Rollout{}, false, nil
}

// rolloutLogs prints what the servers of a rollout's release have printed on this machine, one after the other.
func (a *app) rolloutLogs(ctx context.Context, r deploy.Rollout) error {
	project, err := a.repo()
	if err != nil {
		return err
	}
	if in, ok := a.servedElsewhere(r); ok {
		return in.printElsewhere(ctx, r)
	}
	files, err := local.Logs(serviceDir(project, r.Service), r.To.Key)
	if err != nil {
		return fault.New(fault.Internal, "cannot find the logs of %s: %w", r.To.Name(), err)
	}
	if len(files) == 0 {
		return fault.New(fault.NotFound, "cannot print what the servers of %s printed: none ran on this machine", r.To.Name()).
			Hint("mlx service status %s", shellWord(r.Service))
	}
	for _, name := range files {
		if err := a.printLog(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

// servedElsewhere is the service of a rollout when its servers do not run on this machine.
func (a *app) servedElsewhere(r deploy.Rollout) (*served, bool) {
	s, err := a.openService(r.Service)
	if err != nil || !s.onKubernetes() && len(s.cfg.Hosts) == 0 {
		return nil, false // what ran here has left its logs, whatever mlx.yaml says by now
	}
	return s, true
}

// printElsewhere prints what pods have printed that are there, or says where hosts keep it.
func (s *served) printElsewhere(ctx context.Context, r deploy.Rollout) error {
	if !s.onKubernetes() {
		e := fault.New(fault.NotFound, "cannot print what the servers of %s printed: each host keeps it", r.To.Name())
		for _, h := range s.cfg.Hosts {
			e = e.Hint("ssh %s   # and there: cd %s && %s job logs %s", shellWord(h.Host), shellWord(h.Dir), cmp.Or(h.Mlx, "mlx"), r.ID.Short())
		}
		return e
	}
	v, err := s.kube.open(ctx)
	if err != nil {
		return err
	}
	some := false
	err = v.Printed(ctx, r.To.Key, func(name string, text io.Reader) error {
		some = true
		return s.app.printLines(ctx, name, text)
	})
	if err == nil && !some {
		err = fault.New(fault.NotFound, "cannot print what the servers of %s printed: none of its pods is there any more", r.To.Name()).
			Hint("mlx log service:%s   # keeps the last line that a server printed", shellWord(s.name))
	}
	return err
}

func (a *app) printLog(ctx context.Context, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fault.New(fault.KindOf(err), "cannot print a log: %w", err)
	}
	defer f.Close()
	return a.printLines(ctx, filepath.Base(name), f)
}

func (a *app) printLines(ctx context.Context, name string, text io.Reader) error {
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, maxLogLine)
	for ctx.Err() == nil && lines.Scan() {
		line := serverLine{"server-log/v1", name, lines.Text()}
		if err := a.streams.Row(line, func(t *cli.Text) { t.Plain(line.Text + "\n") }); err != nil {
			return err
		}
	}
	return errors.Join(ctx.Err(), lines.Err())
}

// maxLogLine bounds a line that a server printed.
const maxLogLine = 1 << 20

// serverLine is a line that a model server printed.
type serverLine struct {
	Kind string `json:"kind"`
	Log  string `json:"log"` // which server's
	Text string `json:"text"`
}
