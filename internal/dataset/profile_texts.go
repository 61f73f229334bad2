package dataset

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// profileTexts is what is kept of the texts of a column. While they are few every one of them is counted, after that there are
// sketches. Lengths are those in characters.
type profileTexts struct {
	field Field

	count     int64
	empty     int64
	low, high string // by bytes
	shortest  int64
	longest   int64
	letters   int64 // all lengths together

	fresh     []sketchItem[string] // of a batch, none twice, in no order
	exact     map[string]int64     // of what was merged; both nil once there are too many
	size      int                  // bytes of the keys of exact
	distinct  sketchDistinct
	examples  sketchSome
	stretches profileStretches[string]
	profileOrder[string]
}

// profileTextsOf is made of the texts of one batch. It keeps none of its memory.
func profileTextsOf(f Field, found []sketchText) *profileTexts {
	t := &profileTexts{field: f, fresh: make([]sketchItem[string], 0, len(found))}
	room := 0
	for _, x := range found {
		room += min(len(x.raw), sketchLongest)
	}
	var all strings.Builder
	all.Grow(room)
	for _, x := range found {
		key := ""
		if sketchWhole(f.Type, x.raw) {
			at := all.Len()
			all.Write(x.raw)
			key = all.String()[at:]
			t.measure(x, x.raw)
		} else {
			key = sketchTextKey(f.Type, x.raw)
			t.measure(x, []byte(key))
		}
		t.fresh = append(t.fresh, sketchItem[string]{key, x.count})
	}
	t.profileOrder = profileOrderOf(f, found)
	return t
}

// profileTextsReduced is what profileTextsOf and then reduce make, without a string for every text on the way.
func profileTextsReduced(f Field, found []sketchText) *profileTexts {
	t := &profileTexts{field: f}
	for _, x := range found {
		key, hash := x.raw, x.hash
		if !sketchWhole(f.Type, x.raw) {
			key = []byte(sketchTextKey(f.Type, x.raw))
			hash = sketchHashBytes(key)
		}
		t.measure(x, key)
		t.distinct.add(hash)
		if t.examples.takes(hash) {
			t.examples.add(hash, string(key))
		}
	}
	t.profileOrder = profileOrderOf(f, found)
	return t
}

// profileOrderOf is what of the texts of a batch depends on where the batches end.
func profileOrderOf(f Field, found []sketchText) profileOrder[string] {
	r := profileOrder[string]{some: len(found) > 0}
	r.repeated = slices.ContainsFunc(found, func(x sketchText) bool { return x.count > 1 })
	if len(found) > sketchCounters {
		counts := make([]int64, 0, len(found))
		for _, x := range found {
			if x.count > 1 {
				counts = append(counts, x.count)
			}
		}
		r.top.short = sketchLeast(counts)
	}
	for _, x := range found {
		if x.count > r.top.short {
			r.top.items = append(r.top.items, sketchItem[string]{sketchTextKey(f.Type, x.raw), x.count - r.top.short})
		}
	}
	slices.SortFunc(r.top.items, sketchByKey)
	return r
}

// measure counts a text. key is what is kept of it.
func (t *profileTexts) measure(x sketchText, key []byte) {
	length := int64(len(x.raw))
	if t.field.Type != Bytes {
		length = int64(utf8.RuneCount(x.raw))
	}
	if t.count == 0 {
		t.low, t.high, t.shortest, t.longest = string(key), string(key), length, length
	} else if string(key) < t.low {
		t.low = string(key)
	} else if string(key) > t.high {
		t.high = string(key)
	}
	t.shortest, t.longest = min(t.shortest, length), max(t.longest, length)
	t.letters += length * x.count
	t.count += x.count
	if length == 0 {
		t.empty += x.count
	}
}

func (t *profileTexts) counted() bool { return t.fresh != nil || t.exact != nil }

// items are the counted values, in no order.
func (t *profileTexts) items() []sketchItem[string] {
	if t.fresh != nil {
		return t.fresh
	}
	all := make([]sketchItem[string], 0, len(t.exact))
	for key, n := range t.exact {
		all = append(all, sketchItem[string]{key, n})
	}
	return all
}

// sorted are the counted values by key.
func (t *profileTexts) sorted() []sketchItem[string] {
	all := slices.Clone(t.items())
	slices.SortFunc(all, sketchByKey)
	return all
}

// reduce replaces the counted values by sketches.
func (t *profileTexts) reduce() {
	if !t.counted() {
		return
	}
	all := t.items()
	t.fresh, t.exact, t.size = nil, nil, 0
	for _, it := range all {
		hash := sketchHashBytes([]byte(it.key))
		t.distinct.add(hash)
		t.examples.add(hash, it.key)
		t.repeated = t.repeated || it.count > 1
	}
	if t.some || len(all) == 0 {
		return
	}
	t.some = true
	t.top.items = all
	t.top.shrink()
	t.top.items = slices.Clone(t.top.items)
	slices.SortFunc(t.top.items, sketchByKey)
	for i := range t.top.items { // let go of the memory of the batch
		t.top.items[i].key = strings.Clone(t.top.items[i].key)
	}
}

// sketchTextBytes bounds the texts of a column that are all counted: as many bytes for each that there may be, so that a wide table
// has less of them as well. It is 2 MiB where all limits are the largest.
const sketchTextBytes = 128

// merge adds the values of another profile.
func (t *profileTexts) merge(o *profileTexts, limits profileLimits) {
	if !t.counted() || !o.counted() {
		t.reduce()
		o.reduce()
		t.profileOrder.follow(&o.profileOrder)
	}
	t.stretches.join(o.stretches.kept)
	t.add(o, limits)
}

// add adds values, but for what depends on their order.
func (t *profileTexts) add(o *profileTexts, limits profileLimits) {
	if o.count > 0 {
		if t.count == 0 {
			t.low, t.high, t.shortest, t.longest = o.low, o.high, o.shortest, o.longest
		}
		t.low, t.high = min(t.low, o.low), max(t.high, o.high)
		t.shortest, t.longest = min(t.shortest, o.shortest), max(t.longest, o.longest)
	}
	t.count += o.count
	t.empty += o.empty
	t.letters += o.letters
	if t.counted() && o.counted() {
		t.mergeCounted(o, limits)
		return
	}
	t.reduce()
	o.reduce()
	t.distinct.merge(o.distinct)
	for _, it := range o.examples.items {
		t.examples.add(it.hash, it.key)
	}
}

// finish takes what all batches make together.
func (t *profileTexts) finish() {
	t.profileOrder = t.stretches.finish()
	if t.counted() {
		t.profileOrder = profileOrder[string]{}
	}
}

func (t *profileTexts) mergeCounted(o *profileTexts, limits profileLimits) {
	if t.exact == nil {
		t.exact = make(map[string]int64, len(t.fresh))
		for _, it := range t.fresh {
			t.exact[strings.Clone(it.key)] = it.count
			t.size += len(it.key)
		}
		t.fresh = nil
	}
	for _, it := range o.items() {
		n, known := t.exact[it.key]
		if !known {
			it.key = strings.Clone(it.key)
			t.size += len(it.key)
		}
		t.exact[it.key] = n + it.count
	}
	t.settle(limits)
}

// settle turns to sketches when there are too many texts, or they are too long.
func (t *profileTexts) settle(limits profileLimits) {
	if len(t.exact) > limits.texts || t.size > limits.texts*sketchTextBytes {
		t.reduce()
	}
}

// unique says whether no value stands there twice, and whether that is certain.
func (t *profileTexts) unique() (unique, certain bool) {
	switch {
	case t.count == 0:
		return false, true
	case t.counted():
		return int64(len(t.fresh)+len(t.exact)) == t.count, true
	case t.repeated:
		return false, true
	}
	return profileAsMany(t.distinct.count(), t.count), false
}
