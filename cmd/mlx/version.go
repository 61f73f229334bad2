package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
)

// version is the release; only the linker writes it. A build by hand says what go knows of its source instead.
var version string

// versionView is the JSON of `mlx version`.
type versionView struct {
	Kind     string  `json:"kind"`
	Version  string  `json:"version"`
	Commit   *string `json:"commit"`
	Modified bool    `json:"modified"`
	BuiltAt  *string `json:"built_at"`
	Go       string  `json:"go"`
	OS       string  `json:"os"`
	Arch     string  `json:"arch"`
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:         "version",
		Short:       "Show the version of mlx and what it was built from",
		Example:     "mlx version\nmlx version --json",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(*cobra.Command, []string) error {
			v := buildVersion()
			return a.streams.Emit(v, func(t *cli.Text) { versionText(v, t) })
		},
	}
}

// mlxVersion is the word that records keep: which mlx made them.
func mlxVersion() string { return buildVersion().Version }

func buildVersion() versionView {
	v := versionView{Kind: "version/v1", Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = &s.Value
		case "vcs.time":
			v.BuiltAt = &s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	if v.Version == "" {
		v.Version = info.Main.Version
	}
	if v.Version == "" || v.Version == "(devel)" {
		v.Version = "devel"
	}
	return v
}

func versionText(v versionView, t *cli.Text) {
	cells := []cli.Cell{cli.Fmt("mlx %s", cli.Str(v.Version))}
	if v.Commit != nil {
		cells = append(cells, cli.Hex(*v.Commit, 7))
	}
	t.Line(append(cells, cli.Fmt("%s %s %s", cli.Str(v.Go), cli.Str(v.OS), cli.Str(v.Arch)))...)
}
