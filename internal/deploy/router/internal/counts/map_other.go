//go:build !linux && !darwin

package counts

import (
	"errors"
	"os"
	"sync/atomic"
)

const mappable = false

func mapFile(*os.File, int) ([]atomic.Int64, error) { return nil, errors.ErrUnsupported }

// Monotonic is not known here: processes share no clock.
func Monotonic() int64 { return 0 }
