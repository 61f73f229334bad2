package repo

import (
	"encoding/json"
	"reflect"
	"strconv"

	"mlx/internal/fault"
)

// BackendsText is a file of backends by their names, as OwnBackends reads it.
func BackendsText(all map[string]Backend) ([]byte, error) {
	values := make(map[string]any, len(all))
	for name, b := range all {
		value, err := plainOf(reflect.ValueOf(&b).Elem())
		if err != nil {
			return nil, fault.New(fault.Internal, "cannot write backend %s: %w", name, err)
		}
		values[name] = value
	}
	text, err := json.MarshalIndent(values, "", "  ")
	if err != nil {
		return nil, fault.New(fault.Internal, "cannot write backends: %w", err)
	}
	return append(text, '\n'), nil
}

// plainOf is what stands in a file for a value: nil for what is absent.
func plainOf(v reflect.Value) (any, error) {
	if v.IsZero() {
		return nil, nil
	}
	switch x := v.Addr().Interface().(type) {
	case *Duration:
		return x.Text(), nil
	case *Size:
		return strconv.FormatInt(int64(*x), 10) + "B", nil
	case *Share:
		return strconv.FormatFloat(100*x.Value, 'f', -1, 64) + "%", nil
	case *Money:
		return strconv.FormatFloat(x.Amount, 'f', -1, 64) + " " + x.Currency, nil
	case *Free:
		return x.tree.plain(), nil
	case *Map[Text]:
		all := map[string]any{}
		for name, text := range x.All() {
			all[name] = text.Value
		}
		return all, nil
	}
	if v.Kind() != reflect.Struct {
		return v.Interface(), nil
	}
	all := map[string]any{}
	for _, f := range fieldsOf(v.Type()) {
		value, err := plainOf(v.FieldByIndex(f.index))
		if err != nil {
			return nil, err
		}
		if value != nil {
			all[f.key] = value
		}
	}
	return all, nil
}
