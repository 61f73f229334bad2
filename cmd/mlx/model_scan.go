package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/fault"
	"mlx/internal/lineage"
	"mlx/internal/registry"
	modelscan "mlx/internal/scan"
)

type modelScanOptions struct {
	ref          string
	inconclusive string
}

func newModelScan(a *app) *cobra.Command {
	var o modelScanOptions
	cmd := &cobra.Command{
		Use:   "scan REF",
		Short: "Look for code that would run on loading",
		Long: `Status 0 says that nothing in these bytes runs code when a model is loaded from them, 1 that something does, 3 that part of them
cannot be looked into. No file is loaded and no Python is started: every format is read as its loader would read it, and a name
in a pickle that is not on the list of harmless ones fails.

REF is a version of a model, a snapshot, RUN:PATH, or a path; a path is kept as a version first, so that the answer is bound to
exactly these bytes. The answer is recorded: a policy of mlx.yaml may ask for it.`,
		Example: `mlx model scan models/model.pkl
mlx model scan @last:models --json
mlx model scan models/model.h5 --inconclusive fail`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.ref = args[0]
			return modelScanRun(cmd.Context(), a, o)
		},
	}
	cmd.Flags().StringVar(&o.inconclusive, "inconclusive", "", "end with the status of pass or fail (`VERDICT`) instead of 3")
	completeFlag(cmd, "inconclusive", completeWords("pass", "fail"))
	return cmd
}

// scanDocument is scan/v1.
type scanDocument struct {
	Kind     string                 `json:"kind"`
	Verdict  modelscan.Verdict      `json:"verdict"`
	Mapped   *modelscan.Verdict     `json:"mapped"`
	For      fault.Ref              `json:"for"`
	Digest   string                 `json:"digest"`
	Rules    string                 `json:"rules"`
	Formats  []string               `json:"formats"`
	Files    []modelscan.FileReport `json:"files"`
	Findings []modelscan.Finding    `json:"findings"`
	Dropped  int                    `json:"dropped"` // findings that are only counted
	At       time.Time              `json:"at"`
	Record   string                 `json:"record"`
}

// maxRecorded is how many findings the record keeps; the others are counted.
const maxRecorded = 50

func modelScanRun(ctx context.Context, a *app, o modelScanOptions) error {
	if err := checkInconclusive(o.inconclusive); err != nil {
		return err
	}
	subject, err := a.scanSubject(ctx, o.ref)
	if err != nil {
		return err
	}
	defer a.free(subject.releases)
	report, rec, err := a.scan(ctx, subject)
	if err != nil {
		return err
	}
	v := scanDocument{Kind: "scan/v1", Verdict: report.Verdict, Mapped: mappedVerdict(report.Verdict, o.inconclusive), For: subject.ref,
		Digest: subject.digest.Hex(), Rules: report.Rules, Formats: report.Formats, Files: report.Files, Findings: report.Findings,
		Dropped: report.Dropped, At: rec.At.UTC(), Record: rec.ID.Hex()}
	answer := verdictAnswer(v.Verdict, v.Mapped)
	a.answer(answer)
	return a.streams.EmitVerdict(v, answer != yes, func(t *cli.Text) { scanText(v, subject, t) })
}

// scan looks for code that would run when the subject is loaded, and records the answer.
func (a *app) scan(ctx context.Context, s scanSubject) (modelscan.Report, lineage.Record, error) {
	report, err := modelscan.Scan(ctx, s.fsys, modelscan.Options{})
	if err != nil {
		return report, lineage.Record{}, a.notHere(ctx, err, s.ref.Name, s.root)
	}
	ledger, err := a.ledger()
	if err != nil {
		return report, lineage.Record{}, err
	}
	rec, err := registry.Scanned.Append(ctx, ledger, lineage.Entry[registry.Scan]{Body: scanBody(s, report),
		In: []lineage.Input{{Role: "bytes", ID: s.root}}})
	return report, rec, err
}

// scanBody is what the ledger keeps of a scan.
func scanBody(s scanSubject, r modelscan.Report) registry.Scan {
	b := registry.Scan{Digest: s.digest, Root: s.root, Model: s.model, Version: s.version, Verdict: string(r.Verdict), Rules: r.Rules,
		Files: int64(len(r.Files)), Formats: r.Formats, Count: len(r.Findings) + r.Dropped}
	for _, f := range r.Findings[:min(len(r.Findings), maxRecorded)] {
		b.Findings = append(b.Findings, registry.Finding{Severity: string(f.Severity), File: insideOf(f), Offset: f.Offset, What: f.What})
	}
	return b
}

// insideOf is where a finding lies: a file, and with ! the way through archives in it.
func insideOf(f modelscan.Finding) string {
	if f.Inside == "" {
		return f.File
	}
	return f.File + "!" + f.Inside
}

// maxFindings is how many findings a person is shown.
const maxFindings = 20

func scanText(v scanDocument, s scanSubject, t *cli.Text) {
	t.Line(gateWord(string(v.Verdict), strings.ToUpper(string(v.Verdict))), cli.Path(v.For.Name), cli.ID(s.digest),
		cli.Num(int64(len(v.Files)), "file"), cli.Str(strings.Join(v.Formats, " ")))
	shown := v.Findings
	if t.TTY() && len(shown) > maxFindings {
		shown = shown[:maxFindings]
	}
	var rows [][]cli.Cell
	for _, f := range shown {
		at := cli.Fmt("byte %s", cli.Count(f.Offset))
		if f.Opcode != "" {
			at = cli.Fmt("byte %s %s", cli.Count(f.Offset), cli.Str(f.Opcode))
		}
		rows = append(rows, []cli.Cell{findingWord(f.Severity), cli.Str(insideOf(f)), at, cli.Str(f.What), orNone(f.Source)})
	}
	t.Rows(2, rows)
	if hidden := len(v.Findings) - len(shown) + v.Dropped; hidden > 0 {
		t.Indented(2, cli.Fmt("%s more in --json", cli.Num(int64(hidden), "finding")))
	}
	t.Line(cli.Fmt("rules %s", cli.Str(v.Rules)), cli.Fmt("record %s", cli.Hex(v.Record, 12)))
}

// findingWord is the word of a finding's severity: what blocks fails, what is unclear is inconclusive.
func findingWord(s modelscan.Severity) cli.Cell {
	switch s {
	case modelscan.Block:
		return cli.Word(cli.RoleFail, "block")
	case modelscan.Unclear:
		return cli.Word(cli.RoleWarn, "unclear")
	case modelscan.Warn:
	}
	return cli.Word(cli.RoleWarn, "warn")
}
