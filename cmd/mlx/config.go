package main

import (
	"iter"

	"github.com/spf13/cobra"

	"mlx/internal/cli"
	"mlx/internal/repo"
)

// settingView is the JSON of one setting.
type settingView struct {
	Kind string `json:"kind"`
	repo.Setting
}

func newConfig(a *app) *cobra.Command {
	return noun("config", "Show settings and where each comes from; change one", newConfigList(a), newConfigGet(a), newConfigSet(a))
}

func newConfigList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Show all settings and where each comes from",
		Long:    "A setting comes from the first that has it: flag, variable MLX_KEY, this repository, the user's own file, default.",
		Example: "mlx config list",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			return a.streams.List([]string{"KEY", "VALUE", "FROM", "MEANING"}, settingRows(settings.List()))
		},
	}
}

func settingRows(all []repo.Setting) iter.Seq2[cli.Item, error] {
	return func(yield func(cli.Item, error) bool) {
		for _, s := range all {
			cells := []cli.Cell{cli.Str(s.Key), cli.Str(s.Value), cli.Str(s.Source), cli.Word(cli.RoleDim, s.Doc)}
			if !yield(cli.Item{Value: settingView{"setting/v1", s}, Cells: cells}, nil) {
				return
			}
		}
	}
}

func newConfigGet(a *app) *cobra.Command {
	return &cobra.Command{
		Use:               "get KEY",
		Short:             "Print one setting",
		Example:           "mlx config get store",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: completeWords(repo.SettingKeys()...),
		RunE: func(_ *cobra.Command, args []string) error {
			settings, err := a.settings()
			if err != nil {
				return err
			}
			s, err := settings.Lookup(args[0])
			if err != nil {
				return err
			}
			return a.streams.Emit(settingView{"setting/v1", s}, func(t *cli.Text) { t.Line(cli.Str(s.Value)) })
		},
	}
}

func newConfigSet(a *app) *cobra.Command {
	var user bool
	cmd := &cobra.Command{
		Use:               "set KEY VALUE",
		Short:             "Change one setting; an empty value takes it back",
		Example:           "mlx config set jobs 4\nmlx config set --user color never",
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeSetting,
		RunE: func(_ *cobra.Command, args []string) error {
			return configSet(a, args[0], args[1], user)
		},
	}
	cmd.Flags().BoolVar(&user, "user", false, "change it for all repositories of this user")
	return cmd
}

func configSet(a *app, key, value string, user bool) error {
	settings, err := a.settings()
	if err != nil {
		return err
	}
	if err := settings.Set(key, value, user); err != nil {
		return err
	}
	source := "repository"
	if user {
		source = "user"
	}
	s, err := settings.Lookup(key)
	if err != nil {
		return err
	}
	s.Value, s.Source = value, source
	return a.streams.EmitVerdict(settingView{"setting/v1", s}, false, func(t *cli.Text) {
		t.Line(cli.Str(key), cli.Str(value), cli.Str(source))
	})
}

// completeSetting offers the settings, and then the words that the one chosen takes.
func completeSetting(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return repo.SettingKeys(), cobra.ShellCompDirectiveNoFileComp
	}
	if args[0] == "store" {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return repo.SettingWords(args[0]), cobra.ShellCompDirectiveNoFileComp
}
