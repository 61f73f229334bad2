package main

import (
	"context"
	"iter"
	"regexp"
	"slices"
	"strings"

	"mlx/internal/lineage"
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

// namesIn are the words of an expression that name values of a record.
func namesIn(where string) []string {
	// Texts in quotes, and words. Compiled here: no other command has to wait for it.
	spelled := regexp.MustCompile(`"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|[\w./@-]+`)
	known := []string{"and", "or", "not", "in", "contains", "startsWith", "endsWith", "matches", "null", "true", "false"}
	var names []string
	for _, word := range spelled.FindAllString(where, -1) {
		letter := word[0] == '_' || word[0] >= 'a' && word[0] <= 'z' || word[0] >= 'A' && word[0] <= 'Z'
		if letter && !isPlainColumn(word) && !slices.Contains(known, word) && !slices.Contains(names, word) {
			names = append(names, word)
		}
	}
	return names
}

// tellUnknown says, where an expression found nothing, which of its names no row has: a misspelt one must not look like
// an answer.
func (s *selection) tellUnknown(ctx context.Context) {
	known := func(name string) bool {
		page, err := s.ledger.Page(ctx, lineage.Query{Nouns: s.query.Nouns, Where: name + " != null", Limit: 1})
		return err != nil || page.Total > 0
	}
	for _, name := range namesIn(s.options.where) {
		switch {
		case known(name):
		case known("metrics." + name):
			s.app.streams.Note("no row has %q, but there is metrics.%s", name, name)
		case known("params." + name):
			s.app.streams.Note("no row has %q, but there is params.%s", name, name)
		default:
			s.app.streams.Note("no row has %q", name)
		}
	}
}
