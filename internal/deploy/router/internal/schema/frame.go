package schema

import "mlx/internal/deploy/router/internal/jsonpart"

// record checks an object that has each field by its name. More names than the model has are no fault: models leave them aside.
func record(fields []field, value []byte) *Problem {
	if jsonpart.KindOf(value) != jsonpart.Object {
		return &Problem{Why: "a row is no object: " + short(value)}
	}
	sent := make(map[string][]byte, len(fields))
	for name, v := range jsonpart.Members(value) {
		sent[name] = v
	}
	for _, f := range fields {
		v, ok := sent[f.name]
		if !ok {
			if f.optional {
				continue
			}
			return problem(f, "it is missing")
		}
		if p := f.cell(v); p != nil {
			return p
		}
	}
	return nil
}

// cell is a value of a column, or a whole tensor.
func (f field) cell(v []byte) *Problem {
	if f.tensor {
		return f.nested(v)
	}
	if f.optional && jsonpart.KindOf(v) == jsonpart.Null {
		return nil
	}
	return f.value(v)
}

// rows checks a list of records, or of lists in the order of the model.
func rows(fields []field, value []byte) *Problem {
	if jsonpart.KindOf(value) != jsonpart.Array {
		return &Problem{Why: "the rows are no list"}
	}
	order := make([]int, len(fields))
	for i := range order {
		order[i] = i
	}
	for row := range jsonpart.Elements(value) {
		var p *Problem
		switch {
		case jsonpart.KindOf(row) == jsonpart.Array:
			p = inOrder(fields, order, row)
		case jsonpart.KindOf(row) != jsonpart.Object && len(fields) == 1:
			p = fields[0].cell(row)
		default:
			p = record(fields, row)
		}
		if p != nil {
			return p
		}
	}
	return nil
}

// inOrder checks a row whose place i holds field order[i], or, where that is -1, one that the model does not have.
func inOrder(fields []field, order []int, row []byte) *Problem {
	i := 0
	for v := range jsonpart.Elements(row) {
		if i < len(order) && order[i] >= 0 {
			if p := fields[order[i]].cell(v); p != nil {
				return p
			}
		}
		i++
	}
	if i != len(order) {
		return &Problem{Why: "a row has not as many values as there are columns: " + short(row)}
	}
	return nil
}

// split checks {"columns": […], "data": [[…], …]}, as MLflow takes it.
func split(fields []field, value []byte) *Problem {
	var order []int
	at := make(map[string]int, len(fields))
	for i, f := range fields {
		at[f.name] = i
	}
	named := make(map[string]bool, len(fields))
	if columns := jsonpart.Member(value, "columns"); columns != nil {
		for c := range jsonpart.Elements(columns) {
			name, _ := jsonpart.Text(c)
			i, ok := at[name]
			if !ok {
				i = -1
			}
			order, named[name] = append(order, i), true
		}
		for _, f := range fields {
			if !named[f.name] && !f.optional {
				return problem(f, "it is missing")
			}
		}
	} else {
		for i := range fields {
			order = append(order, i)
		}
	}
	data := jsonpart.Member(value, "data")
	if jsonpart.KindOf(data) != jsonpart.Array {
		return &Problem{Why: "dataframe_split has no list of data"}
	}
	for row := range jsonpart.Elements(data) {
		if p := inOrder(fields, order, row); p != nil {
			return p
		}
	}
	return nil
}

// columns checks {"name": [values], …}.
func columns(fields []field, value []byte) *Problem {
	sent := make(map[string][]byte, len(fields))
	for name, v := range jsonpart.Members(value) {
		sent[name] = v
	}
	for _, f := range fields {
		v, ok := sent[f.name]
		switch {
		case !ok && f.optional:
			continue
		case !ok:
			return problem(f, "it is missing")
		case f.tensor:
			if p := f.nested(v); p != nil {
				return p
			}
			continue
		case jsonpart.KindOf(v) != jsonpart.Array: // one row
			if p := f.cell(v); p != nil {
				return p
			}
			continue
		}
		for e := range jsonpart.Elements(v) {
			if f.class == list && jsonpart.KindOf(e) != jsonpart.Array { // the one value is a list itself
				break
			}
			if p := f.cell(e); p != nil {
				return p
			}
		}
	}
	return nil
}
