package repo

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// span is a part of a document, from byte start up to byte end.
type span struct{ start, end int }

// result is a member of a document that running it wrote.
type result struct {
	value  span
	member span   // with its name and one comma, so that taking it out leaves an object
	none   string // what stands for no result; empty when the whole member goes
}

// notebook is where in its bytes a notebook keeps results. All else is left as it is, byte for byte.
type notebook struct {
	text    []byte
	cells   []notebookCell
	results map[string]result // of the notebook as a whole
}

// notebookCell is one cell. Its key is its kind and its source.
type notebookCell struct {
	key     string
	results map[string]result
}

// errNotNotebook: JSON, but no notebook of version 4.
var errNotNotebook = errors.New("not a notebook")

func parseNotebook(text []byte) (*notebook, error) {
	if !json.Valid(text) {
		return nil, errNotNotebook
	}
	n := &notebook{text: text, results: map[string]result{}}
	seen := false
	err := n.object(span{0, len(text)}, func(m jsonMember) error {
		switch m.name {
		case "cells":
			seen = true
			return n.readCells(m.value)
		case "metadata":
			return n.collect(m.value, n.results, "widgets")
		}
		return nil
	})
	if err == nil && !seen {
		err = errNotNotebook
	}
	return n, err
}

func (n *notebook) readCells(at span) error {
	d, is := n.enter(at, '[')
	if !is {
		return errNotNotebook
	}
	for d.More() {
		value, err := d.value()
		if err != nil {
			return err
		}
		c, err := n.readCell(value)
		if err != nil {
			return err
		}
		n.cells = append(n.cells, c)
	}
	return nil
}

func (n *notebook) readCell(at span) (notebookCell, error) {
	c := notebookCell{results: map[string]result{}}
	var key bytes.Buffer
	err := n.object(at, func(m jsonMember) error {
		switch m.name {
		case "cell_type", "source":
			return json.Compact(&key, n.text[m.value.start:m.value.end])
		case "outputs":
			c.results[m.name] = result{m.value, m.whole, "[]"}
		case "execution_count":
			c.results[m.name] = result{m.value, m.whole, "null"}
		case "metadata":
			return n.collect(m.value, c.results, "execution")
		}
		return nil
	})
	c.key = key.String()
	return c, err
}

// collect notes the one member of an object that is a result and goes as a whole.
func (n *notebook) collect(at span, into map[string]result, name string) error {
	return n.object(at, func(m jsonMember) error {
		if m.name == name {
			into[name] = result{m.value, m.whole, ""}
		}
		return nil
	})
}

// jsonMember is a member of an object. whole is what to take out so that an object is left.
type jsonMember struct {
	name         string
	value, whole span
}

// object calls visit with the members of the object at a place, in order. Anything but an object has none.
func (n *notebook) object(at span, visit func(jsonMember) error) error {
	d, is := n.enter(at, '{')
	if !is {
		return nil
	}
	var all []jsonMember
	for d.More() {
		begin := d.at()
		begin += bytes.IndexByte(n.text[begin:at.end], '"')
		name, err := d.Token()
		if err != nil {
			return err
		}
		value, err := d.value()
		if err != nil {
			return err
		}
		text, _ := name.(string)
		all = append(all, jsonMember{text, value, span{begin, value.end}})
	}
	for i := range all {
		switch m := &all[i]; {
		case i+1 < len(all):
			m.whole.end = all[i+1].whole.start
		case i > 0:
			m.whole.start = all[i-1].value.end
		}
		if err := visit(all[i]); err != nil {
			return err
		}
	}
	return nil
}

// placed is a decoder of a part of a document that knows places in the whole.
type placed struct {
	*json.Decoder
	from int
}

// enter begins to read the array or object at a place.
func (n *notebook) enter(at span, open json.Delim) (placed, bool) {
	d := placed{json.NewDecoder(bytes.NewReader(n.text[at.start:at.end])), at.start}
	first, err := d.Token()
	return d, err == nil && first == open
}

func (d placed) at() int { return d.from + int(d.InputOffset()) }

// value reads the next value and returns where it is.
func (d placed) value() (span, error) {
	var raw json.RawMessage
	if err := d.Decode(&raw); err != nil {
		return span{}, err
	}
	return span{d.at() - len(raw), d.at()}, nil
}

// with returns the notebook with the results that another one has for the same code, and none elsewhere.
func (n *notebook) with(from *notebook) []byte {
	if from == nil {
		from = &notebook{}
	}
	edits := replaced(nil, n.results, from, from.results)
	known := map[string][]map[string]result{}
	for _, c := range from.cells {
		known[c.key] = append(known[c.key], c.results)
	}
	for _, c := range n.cells {
		var theirs map[string]result
		if same := known[c.key]; len(same) > 0 {
			theirs, known[c.key] = same[0], same[1:]
		}
		edits = replaced(edits, c.results, from, theirs)
	}
	slices.SortFunc(edits, func(a, b edit) int { return a.start - b.start })
	var out bytes.Buffer
	at := 0
	for _, e := range edits {
		out.Write(n.text[at:e.start])
		out.Write(e.text)
		at = e.end
	}
	out.Write(n.text[at:])
	return out.Bytes()
}

// edit puts other text in place of a span.
type edit struct {
	span
	text []byte
}

// replaced adds the edits that put their results, which lie in from, in place of mine.
func replaced(edits []edit, mine map[string]result, from *notebook, theirs map[string]result) []edit {
	for name, r := range mine {
		switch other, has := theirs[name]; {
		case has:
			edits = append(edits, edit{r.value, from.text[other.value.start:other.value.end]})
		case r.none != "":
			edits = append(edits, edit{r.value, []byte(r.none)})
		default:
			edits = append(edits, edit{r.member, nil})
		}
	}
	return edits
}
