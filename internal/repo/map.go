package repo

import (
	"iter"
	"reflect"
)

// Map is a mapping that keeps the order in which mlx.yaml wrote its names.
type Map[T any] struct {
	names  []string
	values map[string]T
}

// Names returns the names as written.
func (m Map[T]) Names() []string { return m.names }

// Len returns the number of entries.
func (m Map[T]) Len() int { return len(m.names) }

// Get returns the value of a name.
func (m Map[T]) Get(name string) (T, bool) {
	v, ok := m.values[name]
	return v, ok
}

// All yields names and values as written.
func (m Map[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, name := range m.names {
			if !yield(name, m.values[name]) {
				return
			}
		}
	}
}

// visit is All for those who do not know the type.
func (m Map[T]) visit(each func(name string, value reflect.Value)) {
	for name, value := range m.All() {
		each(name, reflect.ValueOf(value))
	}
}

func (m *Map[T]) put(name string, value any) {
	if m.values == nil {
		m.values = make(map[string]T)
	}
	m.names = append(m.names, name)
	m.values[name] = *value.(*T)
}

func (m *Map[T]) fresh() any { return new(T) }

func (m *Map[T]) has(name string) bool {
	_, ok := m.values[name]
	return ok
}

// SetText returns a mapping of texts with one more, or another value of one that is there.
func SetText(m Map[Text], name, value string) Map[Text] {
	var all Map[Text]
	for known, text := range m.All() {
		if known != name {
			all.put(known, &text)
		}
	}
	all.put(name, &Text{Value: value})
	return all
}
