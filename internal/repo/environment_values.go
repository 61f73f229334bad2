package repo

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// ServiceValue is a value of a service, by its path below the service as mlx.yaml has it: rollout.bake.
type ServiceValue struct {
	Path string
	Text string // as people write it
}

// Values are all values of a service that are written, in the order of the schema.
func (s Service) Values() []ServiceValue {
	var all []ServiceValue
	valuesOf(reflect.ValueOf(s), "", func(path, text string) { all = append(all, ServiceValue{path, text}) })
	return all
}

// texted is a value with a unit, or a scalar.
type texted interface{ Text() string }

func valuesOf(v reflect.Value, path string, add func(path, text string)) {
	if v.IsZero() || !v.CanInterface() {
		return
	}
	switch one := v.Interface().(type) {
	case Share:
		add(path, plainNumber(one.Value*100)+"%")
		return
	case Limit:
		add(path, one.Text)
		return
	case Rate:
		add(path, plainNumber(float64(one))+"/s")
		return
	case Size:
		add(path, strconv.FormatInt(int64(one), 10)+"B")
		return
	case Money:
		add(path, plainNumber(one.Amount)+" "+one.Currency)
		return
	case texted:
		add(path, one.Text())
		return
	case Text:
		add(path, one.Value)
		return
	case interface {
		visit(each func(name string, value reflect.Value))
	}:
		one.visit(func(name string, value reflect.Value) { valuesOf(value, path+"."+name, add) })
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			valuesOf(v.FieldByIndex(f.index), strings.TrimPrefix(path+"."+f.key, "."), add)
		}
	case reflect.Slice:
		var words []string
		for i := range v.Len() {
			valuesOf(v.Index(i), "", func(key, text string) {
				if key != "" {
					text = key + ": " + text
				}
				words = append(words, text)
			})
		}
		add(path, strings.Join(words, ", "))
	default:
		add(path, fmt.Sprint(v.Interface()))
	}
}

// plainNumber is a number as people write it.
func plainNumber(v float64) string { return strconv.FormatFloat(v, 'g', 15, 64) }
