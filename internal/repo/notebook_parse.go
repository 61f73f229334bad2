package repo

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
)

// span is a part of a document, from byte start up to byte end.
type span struct{ start, end int }

// result is a value of a document that running it wrote.
type result struct {
	value span
	none  string // what stands for no result
}

// notebook is where in its bytes a notebook keeps results. All else is left as it is, byte for byte.
type notebook struct {
	text     []byte
	cells    []notebookCell
	metadata []jsonMember
}

// notebookCell is one cell. Its key is its kind and its source.
type notebookCell struct {
	key      string
	results  map[string]result
	metadata []jsonMember
}

// writtenByRunning says whether a member of the metadata of a notebook, or of a cell, comes from running it. Such a member
// may be missing.
func writtenByRunning(name string) bool {
	return slices.Contains([]string{"widgets", "language_info", "papermill", "execution", "ExecuteTime"}, name)
}

// errNotNotebook: JSON, but no notebook of version 4.
var errNotNotebook = errors.New("not a notebook")

func parseNotebook(text []byte) (*notebook, error) {
	if !json.Valid(text) {
		return nil, errNotNotebook
	}
	n := &notebook{text: text}
	seen := false
	err := n.object(span{0, len(text)}, func(m jsonMember) error {
		switch m.name {
		case "cells":
			seen = true
			return n.readCells(m.value)
		case "metadata":
			return n.object(m.value, func(m jsonMember) error { n.metadata = append(n.metadata, m); return nil })
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
			c.results[m.name] = result{m.value, "[]"}
		case "execution_count":
			c.results[m.name] = result{m.value, "null"}
		case "metadata":
			return n.object(m.value, func(m jsonMember) error { c.metadata = append(c.metadata, m); return nil })
		}
		return nil
	})
	c.key = key.String()
	return c, err
}

// jsonMember is a member of an object.
type jsonMember struct {
	name  string
	start int // of its name
	value span
}

// object calls visit with the members of the object at a place, in order. Anything but an object has none.
func (n *notebook) object(at span, visit func(jsonMember) error) error {
	d, is := n.enter(at, '{')
	if !is {
		return nil
	}
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
		if err := visit(jsonMember{text, begin, value}); err != nil {
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
	edits := n.replacedMembers(nil, n.metadata, from, from.metadata)
	known := map[string][]notebookCell{}
	for _, c := range from.cells {
		known[c.key] = append(known[c.key], c)
	}
	for _, c := range n.cells {
		var other notebookCell
		if same := known[c.key]; len(same) > 0 {
			other, known[c.key] = same[0], same[1:]
		}
		edits = n.replacedMembers(edits, c.metadata, from, other.metadata)
		for name, r := range c.results {
			text := []byte(r.none)
			if theirs, has := other.results[name]; has {
				text = from.text[theirs.value.start:theirs.value.end]
			}
			edits = append(edits, edit{r.value, text})
		}
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

// replacedMembers adds the edits of an object after which its members that running wrote are as theirs, which lie in from:
// with their value, or gone.
func (n *notebook) replacedMembers(edits []edit, mine []jsonMember, from *notebook, theirs []jsonMember) []edit {
	goes := make([]bool, len(mine))
	lastKept := -1
	for i, m := range mine {
		if writtenByRunning(m.name) {
			at := slices.IndexFunc(theirs, func(o jsonMember) bool { return o.name == m.name })
			if goes[i] = at < 0; at >= 0 {
				edits = append(edits, edit{m.value, from.text[theirs[at].value.start:theirs[at].value.end]})
			}
		}
		if !goes[i] {
			lastKept = i
		}
	}
	if lastKept < 0 && len(mine) > 0 { // {} without a blank
		const blanks = " \t\r\n"
		before, after := n.text[:mine[0].start], n.text[mine[len(mine)-1].value.end:]
		whole := span{len(bytes.TrimRight(before, blanks)), len(n.text) - len(bytes.TrimLeft(after, blanks))}
		return append(edits, edit{whole, nil})
	}
	for i, m := range mine {
		switch { // with a member goes one comma
		case goes[i] && i < lastKept:
			edits = append(edits, edit{span{m.start, mine[i+1].start}, nil})
		case goes[i]:
			edits = append(edits, edit{span{mine[i-1].value.end, m.value.end}, nil})
		}
	}
	return edits
}
