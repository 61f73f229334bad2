package scan

// newObject starts to follow what one object is made of, as long as there is room.
func (w *walker) newObject(k kind, part arrayPart) value {
	if len(w.objects) >= maxKept {
		return value{kind: k, n: noObject}
	}
	w.objects = append(w.objects, object{what: part})
	return value{kind: k, n: uint32(len(w.objects) - 1)}
}

func (w *walker) newDict() value { return w.newObject(kindDict, partDict) }

// dict returns keys and values of a dict, in turn, if they are known.
func (w *walker) dict(v value) ([]value, bool) {
	if v.kind != kindDict || v.n == noObject || w.objects[v.n].lost {
		return nil, false
	}
	return w.objects[v.n].items, true
}

// opDict makes a dict of what is above the mark.
func (w *walker) opDict(operand) error {
	vs, err := w.popMark()
	if err != nil {
		return err
	}
	d := w.newDict()
	w.setItems(d, vs)
	return w.push(d)
}

func (w *walker) opSetItem(operand) error {
	vs, err := w.pop(2)
	if err != nil {
		return err
	}
	return w.setOnTop(vs)
}

func (w *walker) opSetItems(operand) error {
	vs, err := w.popMark()
	if err != nil {
		return err
	}
	return w.setOnTop(vs)
}

func (w *walker) setOnTop(vs []value) error {
	if len(vs)%2 != 0 {
		return errUnderflow
	}
	target, err := w.top()
	if err != nil {
		return err
	}
	if target.kind == kindDict {
		w.setItems(*target, vs)
		return nil
	}
	return w.changed()
}

func (w *walker) setItems(d value, vs []value) {
	if d.n == noObject {
		return
	}
	o := &w.objects[d.n]
	if o.lost || len(o.items)+len(vs) > 2*maxItems {
		o.items, o.lost = nil, true
		return
	}
	o.items = append(o.items, vs...)
}
