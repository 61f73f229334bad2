// Package local hides how a job is executed on this machine: in the background, by a copy of mlx of its own, in a folder of its
// own and with a copy of the work tree, so that neither the terminal nor the files that are edited meanwhile matter to it.
package local

import "mlx/internal/train"

// Driver drives this machine.
type Driver struct{ train.Fleet }

// New drives this machine; host has no name.
func New(host *train.Host) *Driver {
	return &Driver{train.Fleet{Hosts: []*train.Host{host}}}
}
