//go:build !linux

package disk

import "errors"

// Clone makes name a reflink of a file; there is none here.
func (d *Dir) Clone(string, string, bool) error { return errors.ErrUnsupported }
