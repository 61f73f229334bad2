package scan

// ubjson judges the binary form of XGBoost's JSON: values only, checked to the end of the file.
func (s *inspection) ubjson(p place, b blob) (bool, error) {
	c := newCursor(b, 0)
	u := ubReader{c: c}
	mark, err := c.byte()
	if err != nil || !u.value(mark, 0) || u.keys == 0 {
		return false, s.ctx.Err()
	}
	s.format("ubjson")
	if u.learner {
		s.format("xgboost ubj")
	}
	if c.left() > 0 {
		s.unclear(p, c.pos, "goes on after its end")
	}
	return true, nil
}

type ubReader struct {
	c       *cursor
	keys    int
	learner bool
}

// value passes over one value; depth counts the containers around it.
func (u *ubReader) value(mark byte, depth int) bool {
	if depth > maxJSONDepth {
		return false
	}
	switch mark {
	case 'Z', 'N', 'T', 'F':
		return true
	case 'i', 'U', 'C', 'I', 'l', 'L', 'd', 'D':
		return u.c.skip(ubSize(mark)) == nil
	case 'S', 'H':
		_, ok := u.text()
		return ok
	case '[':
		return u.list(depth)
	case '{':
		return u.object(depth)
	}
	return false
}

func ubSize(mark byte) int64 {
	switch mark {
	case 'i', 'U', 'C':
		return 1
	case 'I':
		return 2
	case 'l', 'd':
		return 4
	case 'L', 'D':
		return 8
	}
	return 0
}

// length reads a count with its own mark, most significant byte first.
func (u *ubReader) length() (int64, bool) {
	mark, err := u.c.byte()
	size := ubSize(mark)
	if err != nil || size == 0 || mark == 'd' || mark == 'D' || mark == 'C' {
		return 0, false
	}
	p, err := u.c.take(int(size))
	if err != nil {
		return 0, false
	}
	var n int64
	for _, x := range p {
		n = n<<8 | int64(x)
	}
	return n, n >= 0
}

func (u *ubReader) text() (string, bool) {
	n, ok := u.length()
	if !ok || n > u.c.left() {
		return "", false
	}
	short := string(u.c.b.at(u.c.pos, int(min(n, 64))))
	return short, u.c.skip(n) == nil
}

// shape reads the type and the count that a container may begin with.
func (u *ubReader) shape() (kind byte, count int64, ok bool) {
	count = -1
	for {
		p, err := u.c.peek(1)
		if err != nil {
			return 0, 0, false
		}
		switch p[0] {
		case '$':
			if u.c.skip(1) != nil {
				return 0, 0, false
			}
			if kind, err = u.c.byte(); err != nil {
				return 0, 0, false
			}
		case '#':
			if u.c.skip(1) != nil {
				return 0, 0, false
			}
			count, ok = u.length()
			return kind, count, ok
		default:
			return kind, count, kind == 0
		}
	}
}

func (u *ubReader) list(depth int) bool {
	kind, count, ok := u.shape()
	if !ok {
		return false
	}
	if size := ubSize(kind); size > 0 {
		return count <= u.c.left()/size && u.c.skip(count*size) == nil
	}
	return u.each(kind, count, ']', func(mark byte) bool { return u.value(mark, depth+1) })
}

func (u *ubReader) object(depth int) bool {
	kind, count, ok := u.shape()
	if !ok || kind != 0 {
		return false
	}
	return u.each('k', count, '}', func(byte) bool {
		key, ok := u.text()
		if !ok {
			return false
		}
		u.keys++
		u.learner = u.learner || key == "learner"
		mark, err := u.c.byte()
		return err == nil && u.value(mark, depth+1)
	})
}

// each walks the items of a container up to its count or its end mark. kind k says that items begin with a key.
func (u *ubReader) each(kind byte, count int64, end byte, item func(byte) bool) bool {
	for i := int64(0); count < 0 || i < count; i++ {
		p, err := u.c.peek(1)
		if err != nil {
			return false
		}
		mark := p[0]
		if count < 0 && mark == end {
			return u.c.skip(1) == nil
		}
		switch kind {
		case 'k':
		case 0:
			if u.c.skip(1) != nil {
				return false
			}
		default:
			mark = kind
		}
		if !item(mark) {
			return false
		}
	}
	return true
}
