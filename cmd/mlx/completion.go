package main

import (
	"io"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
)

// bashWords stands in for the two functions of the package bash-completion that the script calls: many machines have no
// such package. Words are split at blanks and equal signs are not special, which is all that mlx needs.
const bashWords = `if ! declare -F _get_comp_words_by_ref >/dev/null; then
_get_comp_words_by_ref()
{
    # Colons do not end words: gate:NAME is one. bash has split there, so the pieces are joined again.
    words=() cword=0
    local line="${COMP_LINE:0:COMP_POINT}"
    local IFS=$' \t\n'
    read -r -a words <<< "$line"
    if [[ "$line" == *[[:space:]] || ${#words[@]} -eq 0 ]]; then
        words+=("")
    fi
    cword=$((${#words[@]} - 1))
    cur="${words[cword]}"
    prev=""
    if [[ $cword -gt 0 ]]; then
        prev="${words[cword - 1]}"
    fi
}
fi
if ! declare -F __ltrim_colon_completions >/dev/null; then
__ltrim_colon_completions()
{
    if [[ "$1" == *:* && "$COMP_WORDBREAKS" == *:* ]]; then
        local before="${1%"${1##*:}"}" i
        for i in "${!COMPREPLY[@]}"; do
            COMPREPLY[i]="${COMPREPLY[i]#"$before"}"
        done
    fi
}
fi
`

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
				if _, err := io.WriteString(out, bashWords); err != nil {
					return err
				}
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
