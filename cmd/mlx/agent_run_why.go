package main

import (
	"context"
	"strings"
	"time"

	"mlx/internal/run"
)

// Why Slurm ends a job.
const (
	whyUnknown   = ""
	whyPreempted = "preempted"
	whyTime      = "time"
	whyCancelled = "cancelled"
)

// askSlurm returns what scontrol says of a job, nothing where it cannot be asked.
func askSlurm(ctx context.Context, job string) string {
	end, err := run.Tool{Argv: []string{"scontrol", "--oneliner", "show", "job", job}, Timeout: 3 * time.Second, Most: 1 << 20}.Run(ctx)
	if err != nil || end.Status != 0 {
		return ""
	}
	return string(end.Stdout)
}

// slurmWhy reads it: words NAME=VALUE. A preempted job has a time of that; one whose time is over has run as long as it may.
func slurmWhy(text string) string {
	said := map[string]string{}
	for word := range strings.FieldsSeq(text) {
		if name, value, ok := strings.Cut(word, "="); ok && said[name] == "" {
			said[name] = value
		}
	}
	preempted, state, reason := said["PreemptTime"], said["JobState"], said["Reason"]
	switch {
	case preempted != "" && preempted != "None" && preempted != "Unknown", state == "PREEMPTED":
		return whyPreempted
	case state == "TIMEOUT" || reason == "TimeLimit":
		return whyTime
	case state == "CANCELLED":
		return whyCancelled
	}
	ran, okRan := slurmTime(said["RunTime"])
	limit, okLimit := slurmTime(said["TimeLimit"])
	if okRan && okLimit && ran >= limit {
		return whyTime
	}
	return whyUnknown
}

// slurmTime reads [days-]hours:minutes:seconds.
func slurmTime(s string) (time.Duration, bool) {
	days, rest, dashed := strings.Cut(s, "-")
	if !dashed {
		days, rest = "0", s
	}
	parts := append([]string{days}, strings.Split(rest, ":")...)
	if len(parts) != 4 {
		return 0, false
	}
	var d time.Duration
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n := 0
		for _, c := range parts[i] {
			if c < '0' || c > '9' || n > 1e6 {
				return 0, false
			}
			n = 10*n + int(c-'0')
		}
		d += time.Duration(n) * unit
	}
	return d, true
}
