package main

import (
	"time"

	"mlx/internal/run"
)

// happened is when a run was: that of one which was imported is not when its record was written.
func happened(v run.View) time.Time {
	switch {
	case v.Imported == nil:
	case v.StartedAt != nil:
		return *v.StartedAt
	case v.EndedAt != nil:
		return *v.EndedAt
	}
	return v.At
}
