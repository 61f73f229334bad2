package main

import (
	"github.com/spf13/cobra"

	"mlx/internal/fault"
)

// checkInconclusive refuses a value of --inconclusive that is no answer.
func checkInconclusive(to string) error {
	switch to {
	case "", "pass", "fail":
		return nil
	}
	return fault.New(fault.Usage, "cannot read --inconclusive %q", to).Hint("--inconclusive pass or fail")
}

// mappedVerdict is what --inconclusive makes of a verdict; the verdict itself stays.
func mappedVerdict[V ~string](verdict V, to string) *V {
	if verdict != "inconclusive" || to == "" {
		return nil
	}
	mapped := V(to)
	return &mapped
}

// verdictAnswer is the exit status of a verdict, or of what --inconclusive made of it.
func verdictAnswer[V ~string](verdict V, mapped *V) answer {
	if mapped != nil {
		verdict = *mapped
	}
	switch verdict {
	case "pass":
		return yes
	case "fail":
		return no
	}
	return unclear
}

// takesInconclusive gives a command whose answer is an exit status the flag --inconclusive. What it prints and records stays.
func (a *app) takesInconclusive(cmd *cobra.Command) {
	to, do := "", cmd.RunE
	cmd.Flags().StringVar(&to, "inconclusive", "", "end with the status of pass or fail (`VERDICT`) instead of 3")
	completeFlag(cmd, "inconclusive", completeWords("pass", "fail"))
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := checkInconclusive(to); err != nil {
			return err
		}
		err := do(cmd, args)
		if err == nil && a.status == unclear && to != "" {
			a.status = verdictAnswer(to, nil)
		}
		return err
	}
}
