//go:build !linux

package snapshot

import "errors"

func limitChild([]string) error { return errors.ErrUnsupported }
func guestChild([]string) error { return errors.ErrUnsupported }

func guestSaveChild([]string) error { return errors.ErrUnsupported }
