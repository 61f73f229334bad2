// Package ssh hides how a job is executed on hosts that ssh leads to. They have no queue: a job starts when it is submitted,
// beside whatever else runs there.
package ssh

import (
	"mlx/internal/object"
	"mlx/internal/train"
)

// Driver drives one host, or a list of them for jobs with several nodes.
type Driver struct{ train.Fleet }

// New drives hosts, the first of which has the folders of all jobs. roots names the versions that a job needs: hosts that do not
// share that folder get them.
func New(hosts []*train.Host, roots func(train.Order) ([]object.Digest, error)) *Driver {
	return &Driver{train.Fleet{Hosts: hosts, Roots: roots}}
}
