package scan

import "strings"

// torchState is what a pickle tells of torch: the storages that it asks for by persistent id.
type torchState struct {
	magic    bool
	storages map[string]int64 // bytes by key; only while there are few enough
	many     bool
}

// maxStorages is how many storages of one file are followed.
const maxStorages = 1 << 18

// note looks at what a pickle of a row of pickles returns.
func (t *torchState) note(v value) { t.magic = v.kind == kindMagic }

// persistent judges a persistent id: ('storage', class, key, device, count[, view]) or ('module', class, file, source), and
// returns what torch makes of it: a storage, or the class.
func (t *torchState) persistent(w *walker, v value) (value, bool) {
	result := value{kind: kindPersistent}
	items, ok := w.tuple(v)
	if !ok || len(items) < 4 || !w.isAllowed(items[1]) {
		return result, false
	}
	switch what, _ := w.text(items[0], 16); what {
	case "module":
		return items[1], len(items) == 4
	case "storage":
	default:
		return result, false
	}
	key, ok := w.text(items[2], 128)
	size := storageItem(w.globals[items[1].n].name)
	if !ok || size == 0 || len(items) < 5 || len(items) > 6 || items[4].kind != kindInt || items[4].off < 0 {
		return result, false
	}
	if t.storages == nil {
		t.storages = make(map[string]int64)
	}
	if len(t.storages) >= maxStorages {
		t.many = true
		return result, true
	}
	t.storages[key] = items[4].off * size
	return result, true
}

// storageItem is how many bytes an element of a storage class takes; 0: no storage class.
func storageItem(class string) int64 {
	name, ok := strings.CutSuffix(class, "Storage")
	if !ok {
		return 0
	}
	switch name {
	case "Double", "Long", "ComplexFloat":
		return 8
	case "Float", "Int", "QInt32":
		return 4
	case "Half", "Short", "BFloat16":
		return 2
	case "Byte", "Char", "Bool", "Untyped", "QInt8", "QUInt8", "QUInt4x2", "QUInt2x4", "Float8_e4m3fn", "Float8_e5m2":
		return 1
	case "ComplexDouble":
		return 16
	}
	return 0
}

// legacyTorch accounts for the raw storages that follow the five pickles of a legacy file of torch: for each key of the
// last pickle, in turn, the number of elements and their bytes. It says what could not be accounted for, or nothing.
func legacyTorch(c *cursor, t torchState, keys []string) string {
	if t.many {
		return "has more storages than are followed"
	}
	for _, key := range keys {
		size, known := t.storages[key]
		if !known {
			return "has a tensor that its pickle does not name"
		}
		if _, err := c.take(8); err != nil {
			return "ends inside its tensors"
		}
		if err := c.skip(size); err != nil {
			return "ends inside its tensors"
		}
	}
	if c.left() > 0 {
		return "goes on after its last tensor"
	}
	return ""
}
