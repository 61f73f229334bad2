package bucket

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"mlx/internal/fault"
)

// Verdicts of a probe.
const (
	Pass         = "pass"
	Fail         = "fail"
	Inconclusive = "inconclusive"
)

// Probe is one thing that mlx needs of a remote, tried out.
type Probe struct {
	Name    string
	Verdict string // pass, fail or inconclusive
	Text    string // what was found, and what mlx cannot do without it
	Hint    string // command   # reason; may be empty
}

const (
	mostSkew   = 5 * time.Minute
	checkBytes = 64 << 10
	checkers   = 8
)

// Check tries everything that mlx needs of the place, under keys of its own that it removes again. The error is that of
// ctx; everything else is a probe that failed. What cannot be tried after another failure is inconclusive.
func (b *Bucket) Check(ctx context.Context) ([]Probe, error) {
	c := &check{b: b, folder: "check/" + rand.Text() + "/"}
	defer c.clear(context.WithoutCancel(ctx))
	for _, probe := range []func(context.Context) Probe{
		c.reach, c.write, c.read, c.span, c.list, c.create, c.race, c.overwrite, c.versions, c.encryption, c.remove, c.clock,
	} {
		if ctx.Err() != nil {
			return nil, b.failed(ctx.Err(), "check", c.folder)
		}
		c.probes = append(c.probes, probe(ctx))
	}
	return c.probes, ctx.Err()
}

type check struct {
	b      *Bucket
	folder string
	probes []Probe

	unreachable, unwritable bool
	used                    []string // keys that may have been written
	facts                   *facts
	object                  *object // nil before inspect
}

func (c *check) key(name string) string {
	key := c.folder + name
	if !slices.Contains(c.used, key) {
		c.used = append(c.used, key)
	}
	return key
}

// clear removes what the probes wrote.
func (c *check) clear(ctx context.Context) {
	if c.unreachable || c.unwritable {
		return
	}
	for _, key := range c.used {
		if err := c.b.Delete(ctx, key); err != nil {
			return // the probe of Delete has said so
		}
	}
}

func pass(name, format string, args ...any) Probe {
	return Probe{name, Pass, fmt.Sprintf(format, args...), ""}
}

func skipped(name string) Probe {
	return Probe{name, Inconclusive, "it could not be tried, because an earlier probe failed", ""}
}

// failedProbe says what an error means for mlx. An error that may pass is no verdict about the place.
func failedProbe(name string, err error, without string) Probe {
	p := Probe{Name: name, Verdict: Fail, Text: fmt.Sprintf("%v: %s", err, without)}
	if fault.KindOf(err) == fault.Unavailable {
		p.Verdict = Inconclusive
	}
	if hints := fault.Hints(err); len(hints) > 0 {
		p.Hint = hints[0]
	}
	return p
}

// reach asks for an object that is not there. A server that lets nobody list may refuse that, so refusal is judged later.
func (c *check) reach(ctx context.Context) Probe {
	const name = "reachable"
	c.facts = c.b.look(ctx)
	_, err := c.b.Size(ctx, c.folder+"none")
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist) && !isNoBucket(err):
		return pass(name, "%s answers; %s", c.b.url, c.facts.credentials)
	case fault.KindOf(err) == fault.Denied:
		return Probe{name, Inconclusive, fmt.Sprintf("%v; %s", err, c.facts.credentials), firstHint(err)}
	}
	c.unreachable = true
	p := failedProbe(name, err, "mlx can neither push nor pull; "+c.facts.credentials)
	p.Verdict = Fail
	return p
}

func firstHint(err error) string {
	if hints := fault.Hints(err); len(hints) > 0 {
		return hints[0]
	}
	return ""
}

func (c *check) put(ctx context.Context, name string, data []byte) error {
	return c.b.Write(ctx, c.key(name), bytes.NewReader(data), int64(len(data)))
}

// sample is what the probes write: every part of it differs from every other.
func sample() []byte {
	data := make([]byte, checkBytes)
	for i := range data {
		data[i] = byte(i>>8 ^ i*7)
	}
	return data
}

func (c *check) write(ctx context.Context) Probe {
	const name = "write"
	if c.unreachable {
		return skipped(name)
	}
	err := c.put(ctx, "b", sample())
	if err == nil {
		return pass(name, "%d bytes were written", checkBytes)
	}
	c.unwritable = true
	if fault.KindOf(err) == fault.Denied {
		return failedProbe(name, err, c.withoutWrite(ctx))
	}
	return failedProbe(name, err, "mlx cannot push here")
}

// withoutWrite finds out what is left to do where nothing may be written.
func (c *check) withoutWrite(ctx context.Context) string {
	for _, err := range c.b.List(ctx, "") {
		if err != nil {
			return "these credentials may neither write nor list: mlx cannot use this remote"
		}
		break
	}
	return "these credentials may only read: mlx can pull and import from here, but not push"
}

func (c *check) read(ctx context.Context) Probe {
	const name = "read after write"
	if c.unreachable || c.unwritable {
		return skipped(name)
	}
	got, err := c.b.Read(ctx, c.key("b"), checkBytes)
	switch {
	case err != nil:
		return failedProbe(name, err, "what was written cannot be read: mlx cannot pull from here")
	case !bytes.Equal(got, sample()):
		return Probe{name, Fail, "other bytes came back than were written: mlx cannot use this remote", ""}
	}
	return pass(name, "what was written comes back at once")
}

func (c *check) span(ctx context.Context) Probe {
	const name = "range read"
	if c.unreachable || c.unwritable {
		return skipped(name)
	}
	const off, n = 12_345, 23_456
	got, err := c.b.ReadRange(ctx, c.key("b"), off, n)
	switch {
	case err != nil:
		return failedProbe(name, err, "parts of objects cannot be read: mlx cannot get single files or go on after a break")
	case !bytes.Equal(got, sample()[off:off+n]):
		return Probe{name, Fail, "another part came than was asked for: mlx cannot get single files or go on after a break", ""}
	}
	return pass(name, "a part of an object comes alone")
}

func (c *check) list(ctx context.Context) Probe {
	const name = "list"
	if c.unreachable || c.unwritable {
		return skipped(name)
	}
	for _, key := range []string{"d/1", "a", "c-1"} {
		if err := c.put(ctx, key, []byte(key)); err != nil {
			return failedProbe(name, err, "there was nothing to list")
		}
	}
	want := []string{c.folder + "a", c.folder + "b", c.folder + "c-1", c.folder + "d/1"}
	var got []string
	for o, err := range c.b.List(ctx, c.folder) {
		if err != nil {
			return failedProbe(name, err, "without the right to list mlx cannot find new entries, nor clean up")
		}
		got = append(got, o.Key)
	}
	if slices.Equal(got, want) {
		return pass(name, "new objects are listed at once and in order")
	}
	slices.Sort(got)
	if slices.Equal(got, want) {
		return Probe{name, Fail, "listings are not in the order of keys: mlx cannot page through the log", ""}
	}
	return Probe{name, Fail, fmt.Sprintf("%d of %d new objects were listed: mlx may overlook what others pushed a moment ago", len(got), len(want)), ""}
}

const lostPush = "of two pushes at the same time one could be lost; push from one place only, or use another store"

func (c *check) create(ctx context.Context) Probe {
	const name = "conditional create"
	if c.unreachable || c.unwritable {
		return skipped(name)
	}
	if err := c.b.Create(ctx, c.key("once"), []byte("first")); err != nil {
		return failedProbe(name, err, "mlx cannot append to the log")
	}
	err := c.b.Create(ctx, c.key("once"), []byte("second"))
	switch {
	case err == nil:
		return Probe{name, Fail, "a key was created twice, the store ignores the condition: " + lostPush, ""}
	case !isTaken(err):
		return failedProbe(name, err, "mlx cannot append to the log")
	}
	if got, err := c.b.Read(ctx, c.key("once"), 16); err != nil || string(got) != "first" {
		return Probe{name, Fail, "the second creation was refused, but changed the object: " + lostPush, ""}
	}
	return pass(name, "a key can be created once only")
}

func (c *check) race(ctx context.Context) Probe {
	const name = "conditional create at once"
	if c.unreachable || c.unwritable {
		return skipped(name)
	}
	key := c.key("race")
	errs := make([]error, checkers)
	var all sync.WaitGroup
	for i := range checkers {
		all.Go(func() { errs[i] = c.b.Create(ctx, key, fmt.Appendf(nil, "%d", i)) })
	}
	all.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !isTaken(err):
			return failedProbe(name, err, "it is not known whether two pushes at once are safe")
		}
	}
	if won != 1 {
		return Probe{name, Fail, fmt.Sprintf("%d of %d creators of the same key were told that it is theirs: %s", won, checkers, lostPush), ""}
	}
	return pass(name, "of %d creators at once exactly one got the key", checkers)
}

func (c *check) overwrite(ctx context.Context) Probe {
	const name = "overwrite"
	if c.unreachable || c.unwritable {
		return skipped(name)
	}
	const without = "the hint of the newest entries cannot be kept: every pull takes longer"
	if err := c.put(ctx, "a", []byte("new")); err != nil {
		return failedProbe(name, err, without)
	}
	got, err := c.b.Read(ctx, c.key("a"), 16)
	switch {
	case err != nil:
		return failedProbe(name, err, without)
	case string(got) != "new":
		return Probe{name, Fail, "the old bytes came back after an object was replaced: " + without, ""}
	}
	return pass(name, "an object can be replaced")
}

func (c *check) remove(ctx context.Context) Probe {
	const name = "delete"
	if c.unreachable || c.unwritable {
		return skipped(name)
	}
	for _, key := range c.used {
		if err := c.b.Delete(ctx, key); err != nil {
			return failedProbe(name, err, fmt.Sprintf("mlx can push and pull, but neither clean up nor erase; %d probes stay under %s", len(c.used), c.folder))
		}
	}
	if _, err := c.b.Size(ctx, c.key("a")); !errors.Is(err, fs.ErrNotExist) {
		return Probe{name, Fail, "a deleted object is still there: mlx can push and pull, but neither clean up nor erase", ""}
	}
	return pass(name, "objects can be deleted")
}
