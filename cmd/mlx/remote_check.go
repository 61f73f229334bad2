package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/repo"
)

func newRemoteCheck(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check [NAME]",
		Short: "Try everything mlx needs of a remote",
		Long: `Reads, writes, lists and deletes small objects under a folder of its own, and says of each thing that is missing what mlx
cannot do without it. Of git it asks whether records could be fetched and pushed. Ends with 1 if something is missing.`,
		Example:           "mlx remote check\nmlx remote check share --json",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeRemote,
		RunE: func(cmd *cobra.Command, args []string) error {
			return remoteCheckRun(cmd.Context(), a, strings.Join(args, ""))
		},
	}
}

// remoteCheckView is the JSON of `mlx remote check`.
type remoteCheckView struct {
	Kind    string        `json:"kind"`
	Verdict string        `json:"verdict"`
	Remote  string        `json:"remote"`
	URL     string        `json:"url"`
	Probes  []remoteProbe `json:"probes"`
}

// remoteProbe is one thing that was tried.
type remoteProbe struct {
	Name    string  `json:"name"`
	Verdict string  `json:"verdict"` // pass, fail or inconclusive
	Text    string  `json:"text"`    // what was seen; of a failure also what mlx cannot do
	Hint    *string `json:"hint"`
}

func remoteCheckRun(ctx context.Context, a *app, name string) error {
	remote, name, err := a.trustedRemote(ctx, name)
	if err != nil {
		return err
	}
	try := a.bucketProbes
	if remote.Scheme() == "git" {
		try = a.gitProbes
	}
	probes, err := try(ctx, remote)
	if err != nil {
		return err
	}
	v := remoteCheckView{Kind: "remote_check/v1", Verdict: "pass", Remote: name, URL: remote.URL, Probes: probes}
	for _, p := range probes {
		if p.Verdict == "fail" {
			v.Verdict = "fail"
			a.answer(no)
		}
	}
	return a.streams.EmitVerdict(v, v.Verdict == "fail", func(t *cli.Text) { remoteCheckText(v, t) })
}

func remoteCheckText(v remoteCheckView, t *cli.Text) {
	t.Line(gateWord(v.Verdict, strings.ToUpper(v.Verdict)), cli.Str(v.Remote), cli.Str(v.URL))
	wide := 0
	for _, p := range v.Probes {
		wide = max(wide, len(p.Name))
	}
	for _, p := range v.Probes { // no table: what is missing is read to its end
		row := []cli.Cell{gateWord(p.Verdict, p.Verdict), cli.Str(p.Name), cli.Str(p.Text)}
		if t.TTY() {
			row[0] = gateWord(p.Verdict, fmt.Sprintf("%-*s", len("inconclusive"), p.Verdict))
			row[1] = cli.Str(fmt.Sprintf("%-*s", wide, p.Name))
		}
		if p.Hint != nil && !t.TTY() {
			row = append(row, cli.Str(*p.Hint))
		}
		t.Indented(2, row...)
		if p.Hint != nil && t.TTY() {
			t.Indented(4, cli.Word(cli.RoleDim, "hint: "+*p.Hint))
		}
	}
}

// failedProbe is a probe that an error answered. What was interrupted, or is wrong with mlx, is no answer.
func failedProbe(name, without string, err error) (remoteProbe, error) {
	if kind := fault.KindOf(err); kind == fault.Interrupted || kind == fault.Internal {
		return remoteProbe{}, err
	}
	p := remoteProbe{Name: name, Verdict: "fail", Text: without + ": " + err.Error()}
	if hints := fault.Hints(err); len(hints) > 0 {
		p.Hint = &hints[0]
	}
	return p, nil
}

// gitProbes asks another git repository what records need of it.
func (a *app) gitProbes(ctx context.Context, remote repo.Remote) ([]remoteProbe, error) {
	r, err := a.repo()
	if err != nil {
		return nil, err
	}
	if r.NoGit {
		return nil, fault.New(fault.Usage, "cannot check a remote of git: this project is outside git").Hint("mlx remote list")
	}
	target := strings.TrimPrefix(remote.URL, "git:")
	there, err := r.HasRef(ctx, target, repo.LogRefName)
	if err != nil {
		p, err := failedProbe("fetch", "no records can be pulled", err)
		return []remoteProbe{p}, err
	}
	probes := []remoteProbe{{Name: "fetch", Verdict: "pass", Text: "no records yet"}}
	if there {
		probes[0].Text = "records are on " + repo.LogRefName
	}
	head, err := r.Head(ctx)
	if err != nil {
		return nil, err
	}
	push := remoteProbe{Name: "push", Verdict: "pass", Text: "may push; whether the host takes " + repo.LogRefName + " shows the first push"}
	if head.Commit == "" {
		push.Verdict, push.Text = "inconclusive", "there is no commit to try it with"
	} else if err := r.CanPush(ctx, target, "refs/mlx/probe"); err != nil {
		if push, err = failedProbe("push", "no records can be pushed", err); err != nil {
			return nil, err
		}
	}
	return append(probes, push), nil
}
