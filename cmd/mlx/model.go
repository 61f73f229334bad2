package main

import "github.com/spf13/cobra"

func newModel(a *app) *cobra.Command {
	return noun("model", "Register, name, judge and retire versions of models", newModelScan(a))
}
