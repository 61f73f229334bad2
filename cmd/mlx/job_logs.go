package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/run"
)

type jobLogsOptions struct {
	ref    string
	follow bool
	since  string
	stream string
}

// followPause is the time between two looks of -f.
const followPause = 100 * time.Millisecond

func newJobLogs(a *app) *cobra.Command {
	var o jobLogsOptions
	cmd := &cobra.Command{
		Use:   "logs RUN",
		Short: "Print the output of a run",
		Long: `Prints what the command wrote to its standard output and error, byte by byte, in the order in which it arrived: of a run in
progress what there is so far, or with -f all until it ends. Of one on a backend what is new is fetched first; where its agent has
said nothing, what the backend itself shows of the job is printed. Where both streams of the run went to one place, such as a
terminal, they cannot be told apart: --stream prints both.`,
		Example:           "mlx job logs @last\nmlx job logs -f run:baseline\nmlx job logs --stream stderr --since 5m @last",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeJobs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			return jobLogsRun(cmd.Context(), a, o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&o.follow, "follow", "f", false, "go on until the run ends")
	flags.StringVar(&o.since, "since", "", "only what arrived since `TIME`: 5m, 2026-05-01T13:00:00Z")
	flags.StringVar(&o.stream, "stream", "", "only `STREAM`: stdout or stderr")
	completeFlag(cmd, "stream", completeWords(run.Stdout, run.Stderr))
	return cmd
}

func jobLogsRun(ctx context.Context, a *app, o jobLogsOptions) error {
	out := logPrinter{app: a, stream: o.stream}
	if o.stream != "" && o.stream != run.Stdout && o.stream != run.Stderr {
		return fault.New(fault.Usage, "unknown stream %q", o.stream).Hint("--stream is stdout or stderr")
	}
	if o.since != "" {
		q, err := logOptions{since: o.since}.query(a.now())
		if err != nil {
			return err
		}
		out.since = q.Since
	}
	if r, ok, err := a.rolloutNamed(ctx, o.ref); err != nil || ok {
		if err != nil {
			return err
		}
		return a.rolloutLogs(ctx, r)
	}
	if _, err := a.recovered(ctx); err != nil {
		return err
	}
	j, err := a.jobOf(ctx, o.ref)
	if err != nil {
		return err
	}
	if j.view.Job != nil && !j.ended() {
		return errors.Join(out.remote(ctx, j, o.follow), out.end())
	}
	if !j.ended() && !j.here {
		if j.view.State == run.Running {
			return j.elsewhere("read the output of")
		}
		return out.end() // it was lost with everything
	}
	var pos int64
	if !j.ended() {
		if pos, j, err = out.live(ctx, j, o.follow); err != nil || !j.ended() {
			return errors.Join(err, out.end())
		}
	}
	if err := out.saved(ctx, j.view, pos); err != nil {
		return err
	}
	return out.end()
}

// logPrinter prints the chunks of a log that are wanted.
type logPrinter struct {
	app    *app
	stream string
	since  time.Time
	lines  [2]outputLine // of --json: what has no end yet, by stream
}

// live prints what the folder of a run holds, and what comes while it is followed. It returns how far it came, and the
// job as it is then.
func (p *logPrinter) live(ctx context.Context, j job, follow bool) (int64, job, error) {
	r := run.NewLogReader(os.DirFS(j.live.Dir), 0)
	defer r.Close()
	id := refRun + ":" + j.view.ID
	for {
		if err := p.all(r); err != nil || !follow {
			return r.Pos(), j, err
		}
		select {
		case <-ctx.Done():
			return r.Pos(), j, ctx.Err()
		case <-time.After(followPause):
		}
		next, err := p.app.jobOf(ctx, id)
		if err != nil {
			return r.Pos(), j, err
		}
		if next.view.State == run.Lost && !next.ended() { // its mlx was killed meanwhile
			if _, err := p.app.recovered(ctx); err != nil {
				return r.Pos(), j, err
			}
			if next, err = p.app.jobOf(ctx, id); err != nil {
				return r.Pos(), j, err
			}
		}
		if next.ended() || !next.here {
			return r.Pos(), next, p.all(r)
		}
	}
}

// saved prints what the snapshot of an ended run holds behind a position.
func (p *logPrinter) saved(ctx context.Context, v run.View, pos int64) error {
	if v.Log == nil {
		return nil
	}
	store, err := p.app.store()
	if err != nil {
		return err
	}
	files, err := store.FS(ctx, v.Log.Root)
	if fault.KindOf(err) == fault.NotFound {
		return fault.New(fault.NotFound, "cannot read the output of run %s: it is not on this machine", v.RunID.Short()).
			Hint("mlx pull   # on the machine that it ran on: mlx push")
	}
	if err != nil {
		return err
	}
	r := run.NewLogReader(files, pos)
	defer r.Close()
	return p.all(r)
}

// all prints what there is.
func (p *logPrinter) all(r *run.LogReader) error {
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, fs.ErrClosed) {
			return p.app.streams.Flush()
		}
		if err != nil {
			return err
		}
		other := p.stream == run.Stdout && c.Stream == run.Stderr || p.stream == run.Stderr && c.Stream == run.Stdout
		if c.At.Before(p.since) || other {
			continue
		}
		if err := p.print(c); err != nil {
			return err
		}
	}
}

// outputLine is a row of `job logs`. A field is never left out.
type outputLine struct {
	Kind   string    `json:"kind"`
	At     time.Time `json:"at"`
	Stream *string   `json:"stream"` // null where something was not kept
	Text   string    `json:"text"`   // without the end of the line; what is not UTF-8 is replaced
	Cut    int64     `json:"cut"`    // bytes that were not kept
}

func (p *logPrinter) print(c run.Chunk) error {
	if c.Cut > 0 {
		if err := p.end(); err != nil {
			return err
		}
		note := "(" + cli.FormatBytes(c.Cut) + " were not kept)"
		return p.app.streams.Row(outputLine{Kind: "output/v1", At: c.At.UTC(), Text: note, Cut: c.Cut}, func(t *cli.Text) { t.Plain(note + "\n") })
	}
	if !p.app.streams.JSON {
		return p.app.streams.Raw(c.Data)
	}
	line := p.line(c.Stream)
	for text := range bytes.Lines(c.Data) {
		if line.Text == "" {
			line.At = c.At.UTC()
		}
		whole, ended := strings.CutSuffix(string(text), "\n")
		line.Text += whole
		const longest = 1 << 20
		if ended || len(line.Text) > longest {
			if err := p.row(line); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *logPrinter) line(stream string) *outputLine {
	line := &p.lines[0]
	if stream == run.Stderr {
		line = &p.lines[1]
	}
	line.Kind, line.Stream = "output/v1", &stream
	return line
}

func (p *logPrinter) row(line *outputLine) error {
	row := *line
	line.Text = ""
	row.Text = strings.ToValidUTF8(strings.TrimSuffix(row.Text, "\r"), "\ufffd")
	return p.app.streams.Row(row, func(t *cli.Text) { t.Plain(row.Text + "\n") })
}

// end prints what had no end of line.
func (p *logPrinter) end() error {
	for i := range p.lines {
		if p.lines[i].Text != "" {
			if err := p.row(&p.lines[i]); err != nil {
				return err
			}
		}
	}
	return p.app.streams.Flush()
}
