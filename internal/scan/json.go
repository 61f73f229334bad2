package scan

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// node is a JSON value with every member of every object, also those that are named twice.
type node struct {
	kind    byte // { [ " 0 or b (true, false, null)
	text    string
	members []member
	items   []node
}

type member struct {
	key   string
	value node
}

// get returns the last member of a name, which is the one that readers keep.
func (n node) get(key string) (node, bool) {
	for i := len(n.members) - 1; i >= 0; i-- {
		if n.members[i].key == key {
			return n.members[i].value, true
		}
	}
	return node{}, false
}

// str returns a member that is a text.
func (n node) str(key string) string {
	if v, ok := n.get(key); ok && v.kind == '"' {
		return v.text
	}
	return ""
}

const (
	maxJSON      = 64 << 20
	maxJSONDepth = 512
)

var errJSON = errors.New("JSON that is too deep or broken")

// decodeTree reads one JSON value, to the end of b.
func decodeTree(b []byte) (node, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	n, err := decodeNode(d, 0)
	if err != nil {
		return node{}, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return node{}, errJSON
	}
	return n, nil
}

func decodeNode(d *json.Decoder, depth int) (node, error) {
	t, err := d.Token()
	if err != nil || depth > maxJSONDepth {
		return node{}, errors.Join(errJSON, err)
	}
	switch t := t.(type) {
	case json.Delim:
		n := node{kind: byte(t)}
		for d.More() {
			if err := n.child(d, depth); err != nil {
				return node{}, err
			}
		}
		_, err := d.Token()
		return n, err
	case string:
		return node{kind: '"', text: t}, nil
	case json.Number:
		return node{kind: '0', text: t.String()}, nil
	}
	return node{kind: 'b'}, nil
}

// child reads the next member or item.
func (n *node) child(d *json.Decoder, depth int) error {
	if n.kind == '[' {
		v, err := decodeNode(d, depth+1)
		n.items = append(n.items, v)
		return err
	}
	key, err := d.Token()
	if err != nil {
		return err
	}
	name, ok := key.(string)
	if !ok {
		return errJSON
	}
	v, err := decodeNode(d, depth+1)
	n.members = append(n.members, member{name, v})
	return err
}

// every calls visit for n and every value under it.
func (n node) every(visit func(node)) {
	visit(n)
	for _, m := range n.members {
		m.value.every(visit)
	}
	for _, i := range n.items {
		i.every(visit)
	}
}
