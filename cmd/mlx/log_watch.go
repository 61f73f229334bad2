package main

import (
	"iter"
	"slices"
	"strings"
)

// watched notices, while rows pass, that there were none, or that none has a value that the command line names: a
// misspelt key would otherwise give an order or a column that looks like an answer.
type watched struct {
	rows    int
	missing []string // keys that no row has had so far
}

func (o logOptions) watched() *watched {
	w := &watched{}
	for _, key := range append([]string{strings.TrimPrefix(o.sort, "-")}, o.columns...) {
		if key = strings.TrimSpace(key); key != "" && !slices.Contains(w.missing, key) && !isPlainColumn(key) {
			w.missing = append(w.missing, key)
		}
	}
	return w
}

// isPlainColumn reports whether every row has a value of this name.
func isPlainColumn(name string) bool {
	_, short := aliasOf(name)
	return short || slices.Contains([]string{"when", "at", "kind", "id", "what", "text", "by", "tags", "lc"}, name)
}

func (w *watched) watch(events iter.Seq2[event, error]) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		for e, err := range events {
			if err == nil {
				w.rows++
				w.missing = slices.DeleteFunc(w.missing, func(key string) bool { return e.look(key) != nil })
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// saw notices that a row had a value of a name, or had none.
func (w *watched) saw(name string, found bool) {
	if found && len(w.missing) > 0 {
		w.missing = slices.DeleteFunc(w.missing, func(key string) bool { return key == name })
	}
}

func (w *watched) tell(a *app) {
	switch {
	case w.rows == 0 && a.streams.OutTTY:
		a.streams.Note("nothing found")
	case w.rows > 0:
		for _, key := range w.missing {
			a.streams.Note("no row has %q", key)
		}
	}
}
