package cli

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"mlx/internal/object"
)

// Role says what a word means; colour only repeats it.
type Role uint8

// The roles.
const (
	RolePlain Role = iota
	RolePass
	RoleFail
	RoleWarn
	RoleDim
	RoleBold
	RoleID
)

// Cell is a value that knows its form for a person and its form for a program.
type Cell struct {
	role   Role
	human  func(t *Text) string
	fields func() []string
}

func cell(role Role, human, machine string) Cell {
	return Cell{role, func(*Text) string { return human }, func() []string { return []string{machine} }}
}

// Str is a plain word or text; control characters are removed.
func Str(s string) Cell { return Word(RolePlain, s) }

// Word is a word with a role: a verdict, a state.
func Word(role Role, s string) Cell { c := clean(s); return cell(role, c, c) }

// Said is a value in words of its own for people, and as programs read it.
func Said(human, machine string) Cell { return cell(RolePlain, clean(human), clean(machine)) }

// Shown is text for people only: it is absent from a pipe.
func Shown(role Role, s string) Cell {
	return Cell{role, func(*Text) string { return clean(s) }, func() []string { return nil }}
}

// None is a value that is not there: a dash for people, an empty field for programs.
func None() Cell { return cell(RoleDim, "-", "") }

// ID is a digest: 12 digits for people, the full hex form for programs.
func ID(d object.Digest) Cell {
	if d.IsZero() {
		return cell(RoleID, "", "")
	}
	return cell(RoleID, d.Short(), d.Hex())
}

// Hex is a digest, commit or other hex identifier given as text: its first n digits for people, all for programs.
func Hex(s string, n int) Cell {
	s = clean(s)
	bare := strings.TrimPrefix(s, "sha256:")
	return cell(RoleID, bare[:min(n, len(bare))], bare)
}

// Time is an instant: relative for people, RFC 3339 in UTC for programs.
func Time(at time.Time) Cell {
	return Cell{
		human:  func(t *Text) string { return t.ago(at) },
		fields: func() []string { return []string{formatTime(at)} },
	}
}

// Bytes is a size: "7.4 MB", or the plain integer.
func Bytes(n int64) Cell { return cell(RolePlain, FormatBytes(n), strconv.FormatInt(n, 10)) }

// Memory is the size of a machine's memory, as it is sold: "16 GiB", or the plain integer.
func Memory(n int64) Cell {
	human := fmt.Sprintf("%.0f GiB", float64(n)/(1<<30))
	if n < 1<<30 {
		human = fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return cell(RolePlain, human, strconv.FormatInt(n, 10))
}

// Change is a difference of sizes: "+2.6 MB", or the plain integer.
func Change(n int64) Cell {
	human := FormatBytes(n)
	if n >= 0 {
		human = "+" + human
	}
	return cell(RolePlain, human, strconv.FormatInt(n, 10))
}

// Count is a number of things: "336,776", or the plain integer.
func Count(n int64) Cell { return cell(RolePlain, FormatCount(n), strconv.FormatInt(n, 10)) }

// Num is a number of named things: "1 file", "3 files", or the plain integer.
func Num(n int64, noun string) Cell {
	return cell(RolePlain, FormatNum(n, noun), strconv.FormatInt(n, 10))
}

// Float is a measured number: three digits after the point for people, all of it for programs.
func Float(v float64) Cell {
	return cell(RolePlain, FormatFloat(v), strconv.FormatFloat(v, 'g', -1, 64))
}

// Delta is a difference of measured numbers, with its sign.
func Delta(v float64) Cell {
	human := FormatFloat(v)
	if v >= 0 && !math.IsInf(v, 1) {
		human = "+" + human
	}
	return cell(RolePlain, human, strconv.FormatFloat(v, 'g', -1, 64))
}

// Duration is a length of time: "8.4 s", or seconds.
func Duration(d time.Duration) Cell {
	return cell(RolePlain, FormatDuration(d), strconv.FormatFloat(d.Seconds(), 'f', -1, 64))
}

// Quoted is somebody's own words.
func Quoted(s string) Cell { return cell(RolePlain, `"`+clean(s)+`"`, clean(s)) }

// Path is a file name: as it is when it can be printed, quoted as in Go when it cannot.
func Path(s string) Cell { p := FormatPath(s); return cell(RolePlain, p, p) }

// Fmt is a phrase around values: format takes one %s for each cell. A program gets only the values, one field each.
func Fmt(format string, cells ...Cell) Cell {
	return Cell{
		human: func(t *Text) string {
			args := make([]any, len(cells))
			for i, c := range cells {
				args[i] = t.cell(c)
			}
			return fmt.Sprintf(format, args...)
		},
		fields: func() []string {
			var all []string
			for _, c := range cells {
				all = append(all, c.fields()...)
			}
			return all
		},
	}
}

// Machine is the cell as a program sees it: its fields, a space apart.
func (c Cell) Machine() string { return strings.Join(c.fields(), " ") }
