package main

import (
	"github.com/spf13/cobra"

	"mlx/internal/fault"
)

func newCompletion(a *app) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:         "completion SHELL",
		Short:       "Print the completion script for bash, zsh, fish or powershell",
		Long:        "The script asks mlx itself while you type, so it offers the paths and references of the repository you are in.",
		Example:     "mlx completion bash",
		Args:        cobra.ExactArgs(1),
		ValidArgs:   shells,
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), a.streams.Out
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			case "fish":
				return root.GenFishCompletion(out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(out)
			}
			return fault.New(fault.Usage, "cannot complete for %q: unknown shell", args[0]).
				Hint("mlx completion bash   # or zsh, fish, powershell")
		},
	}
}
