package main

import "github.com/spf13/cobra"

func newModel(a *app) *cobra.Command {
	return noun("model", "Work with registered models", newModelSign(a))
}
