package gate

import "strconv"

// match finds for every row of a the row of b with the same id. Anything but one to one is an error that names an id.
func (s *session) match(a, b *predictions) ([]int32, error) {
	index, err := s.indexed(b)
	if err != nil {
		return nil, err
	}
	to, taken := make([]int32, len(a.ids)), make([]int32, len(b.ids))
	lacking, twice := -1, -1
	var lack int
	for i, id := range a.ids {
		row, ok := index.number(id)
		switch {
		case !ok:
			if lack++; lacking < 0 {
				lacking = i
			}
		case taken[row] != 0 && twice < 0:
			twice = i
		default:
			to[i], taken[row] = row, int32(i+1)
		}
	}
	if twice >= 0 {
		first, _ := index.number(a.ids[twice])
		return nil, s.unfit("%s stands twice in %s: in %s and %s", a.id(twice), a.name, a.place(int(taken[first]-1)), a.place(twice)).
			Hint("rows are matched by %s, which must be unique", a.roles.id)
	}
	extra, free := -1, 0
	for row, by := range taken {
		if by == 0 {
			if free++; extra < 0 {
				extra = row
			}
		}
	}
	switch {
	case lack > 0 && free > 0:
		return nil, s.unfit("%d of %d rows of %s are not in %s, the first %s in %s; %d of %d the other way round, the first %s in %s", lack, len(a.ids),
			a.name, b.name, a.id(lacking), a.place(lacking), free, len(b.ids), b.id(extra), b.place(extra))
	case lack > 0:
		return nil, s.unfit("%d of %d rows of %s are not in %s, the first %s in %s", lack, len(a.ids), a.name, b.name, a.id(lacking), a.place(lacking))
	case free > 0:
		return nil, s.unfit("%d of %d rows of %s are not in %s, the first %s in %s", free, len(b.ids), b.name, a.name, b.id(extra), b.place(extra))
	}
	return to, nil
}

// indexed numbers the ids of a table by row.
func (s *session) indexed(p *predictions) (*keyIndex, error) {
	index := newKeyIndex(len(p.ids))
	for i, id := range p.ids {
		if first, fresh := index.add(id); !fresh {
			return nil, s.unfit("%s stands twice in %s: in %s and %s", p.id(i), p.name, p.place(int(first)), p.place(i)).
				Hint("rows are matched by %s, which must be unique", p.roles.id)
		}
	}
	return index, nil
}

// id names the id of a row, if its key holds it.
func (p *predictions) id(row int) string {
	if text, ok := p.ids[row].text(); ok {
		return p.roles.id + " " + strconv.Quote(text)
	}
	return "the " + p.roles.id + " of row " + strconv.Itoa(row+1)
}
