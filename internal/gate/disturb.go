package gate

import (
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"mlx/internal/dataset"
)

// disturb changes the named columns of rows as a rule says. The same rows, seed and rule give the same bytes: every column has a
// source of random numbers of its own, so that naming one more column changes no other.
func (u Under) disturb(rows *askFrame, columns []string, seed int64) *askFrame {
	g := rows.slice(0, rows.rows)
	for _, name := range columns {
		c := &g.columns[g.index(name)]
		random := disturbSource(seed, name)
		if u.Noise > 0 {
			c.noise(u.Noise, random)
		}
		if u.Typos > 0 && c.Type == dataset.Text {
			for i := range c.texts {
				c.texts[i] = typos(c.texts[i], u.Typos, random)
			}
		}
		if u.Missing > 0 {
			c.lose(u.Missing, random)
		}
	}
	return g
}

// disturbSource is the source of random numbers of a column.
func disturbSource(seed int64, column string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(column))
	return rand.New(rand.NewPCG(uint64(seed), h.Sum64())) //nolint:gosec // a draw that can be repeated, no secret
}

// touches says whether this disturbance can change a column of a type.
func (u Under) touches(t dataset.Type) bool {
	switch {
	case u.Missing > 0:
		return true
	case u.Noise > 0 && (t == dataset.Bool || noisy(t)):
		return true
	}
	return u.Typos > 0 && t == dataset.Text
}

func noisy(t dataset.Type) bool {
	return t == dataset.Int || t == dataset.Uint || t == dataset.Float || t == dataset.Decimal
}

// noise adds Gaussian noise of some standard deviations of the column, as the rows at hand have it. Whole numbers stay whole, decimals
// keep their digits, and a bool flips as often as noise of that size carries 0 over to 1: past one half of the way.
func (c *askColumn) noise(level float64, random *rand.Rand) {
	if c.Type == dataset.Bool {
		c.flip(level, random)
		return
	}
	if !noisy(c.Type) {
		return
	}
	std := level * c.std()
	for i := range c.missing {
		step := std * random.NormFloat64()
		if c.missing[i] || std == 0 || math.IsNaN(std) {
			continue
		}
		switch {
		case c.Type == dataset.Float:
			c.floats[i] += step // NaN stays NaN
		case c.Type == dataset.Uint:
			c.ints[i] = int64(uint64(min(max(math.Round(float64(uint64(c.ints[i]))+step), 0), 1<<63)))
		case c.Type == dataset.Decimal && c.Wide:
			c.texts[i] = fmt.Sprintf("%.*f", max(c.Scale, 0), c.number(i)+step)
		case c.Type == dataset.Decimal:
			c.ints[i] = moved(c.ints[i], step*math.Pow10(c.Scale))
		default:
			c.ints[i] = moved(c.ints[i], step)
		}
	}
}

// moved adds a rounded step to a whole number, inside the range of whole numbers that floats hold exactly.
func moved(v int64, step float64) int64 {
	const most = 1 << 53
	if v > most || v < -most {
		return v
	}
	return int64(min(max(float64(v)+math.Round(step), -most), most))
}

func (c *askColumn) flip(level float64, random *rand.Rand) {
	std := level * c.std()
	for i := range c.ints {
		if step := std * random.NormFloat64(); !c.missing[i] && math.Abs(step) > 0.5 {
			c.ints[i] = 1 - c.ints[i]
		}
	}
}

// std is the standard deviation of the finite values of a column, dividing by their number; 0 for fewer than two.
func (c *askColumn) std() float64 {
	var mean, sum, n float64
	for i := range c.missing {
		v := c.number(i)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		n++
		d := v - mean
		mean += d / n
		sum += d * (v - mean)
	}
	if n < 2 {
		return 0
	}
	return math.Sqrt(sum / n)
}

// lose takes away a share of the values.
func (c *askColumn) lose(share float64, random *rand.Rand) {
	for i := range c.missing {
		if random.Float64() < share {
			c.missing[i] = true
		}
	}
}

// typos mistypes a share of the characters of a text: a neighbour on the keyboard, two characters swapped, one dropped or typed twice.
func typos(text string, share float64, random *rand.Rand) string {
	in := []rune(text)
	out := make([]rune, 0, len(in)+4)
	for i := 0; i < len(in); i++ {
		if random.Float64() >= share {
			out = append(out, in[i])
			continue
		}
		switch kind := random.IntN(4); {
		case kind == 0 && i+1 < len(in) && in[i] != in[i+1]:
			out = append(out, in[i+1], in[i])
			i++
		case kind == 1: // dropped
		case kind == 2:
			out = append(out, in[i], in[i])
		default:
			out = append(out, neighbour(in[i], random))
		}
	}
	return string(out)
}

// keyboard are the rows of a keyboard, each below the other.
const keyboard = "1234567890\nqwertyuiop\nasdfghjkl;\nzxcvbnm,./"

// neighbour is a key beside or above the one that was meant; a character that no key has is doubled by a blank.
func neighbour(r rune, random *rand.Rand) rune {
	lower := []rune(strings.ToLower(string(r)))[0]
	lines := strings.Split(keyboard, "\n")
	for y, line := range lines {
		x := strings.IndexRune(line, lower)
		if x < 0 {
			continue
		}
		var near []rune
		for _, at := range [][2]int{{y, x - 1}, {y, x + 1}, {y - 1, x}, {y + 1, x}} {
			if at[0] >= 0 && at[0] < len(lines) && at[1] >= 0 && at[1] < len(lines[at[0]]) {
				near = append(near, rune(lines[at[0]][at[1]]))
			}
		}
		key := near[random.IntN(len(near))]
		if lower != r {
			key = []rune(strings.ToUpper(string(key)))[0]
		}
		return key
	}
	return ' '
}

// swapMost bounds the values that a swap puts in: each costs a prediction of every row.
const swapMost = 50

// swapRows are the rows that a swap asks the model for: every row with every other value, and for each which row it was. note says that
// not all values were tried.
func (u Under) swapRows(rows *askFrame, seed int64) (swapped *askFrame, origin []int, note string, err error) {
	at := rows.index(u.Swap)
	c := &rows.columns[at]
	values := c.distinct()
	if u.Values != nil {
		values = values[:0]
		for _, given := range u.Values {
			v, ok := c.read(given)
			if !ok {
				return nil, nil, "", fmt.Errorf("the value %v is no %s, as column %q is", given, c.Type, u.Swap)
			}
			values = append(values, v)
		}
	}
	if all := len(values); all > swapMost {
		random := disturbSource(seed, u.Swap)
		random.Shuffle(all, func(i, j int) { values[i], values[j] = values[j], values[i] })
		values = values[:swapMost]
		note = fmt.Sprintf("%d of %d values of %s were tried", swapMost, all, u.Swap)
	}
	var put []askValue
	for _, v := range values {
		for i := range rows.rows {
			if c.value(i) != v {
				origin, put = append(origin, i), append(put, v)
			}
		}
	}
	swapped = rows.pick(origin)
	for i, v := range put {
		v.into(&swapped.columns[at], i)
	}
	return swapped, origin, note, nil
}

// distinct are the values of a column, each once, in the order of their texts.
func (c *askColumn) distinct() []askValue {
	seen := c.byText()
	values := make([]askValue, 0, len(seen))
	for _, text := range slices.Sorted(maps.Keys(seen)) {
		values = append(values, seen[text])
	}
	return values
}

// byText are the values of a column by their texts.
func (c *askColumn) byText() map[string]askValue {
	seen := map[string]askValue{}
	for i := range c.missing {
		if !c.missing[i] {
			seen[c.text(i)] = c.value(i)
		}
	}
	return seen
}

// askValue is one value of a column.
type askValue struct {
	missing bool
	integer int64
	float   float64
	text    string
}

func (v askValue) into(c *askColumn, i int) {
	c.missing[i] = v.missing
	switch {
	case c.inTexts():
		c.texts[i] = v.text
	case c.Type == dataset.Float:
		c.floats[i] = v.float
	default:
		c.ints[i] = v.integer
	}
}

func (c *askColumn) value(i int) askValue {
	v := askValue{missing: c.missing[i]}
	switch {
	case c.inTexts():
		v.text = c.texts[i]
	case c.Type == dataset.Float:
		v.float = c.floats[i]
	default:
		v.integer = c.ints[i]
	}
	return v
}

// read makes a value of the column of what a rule names: a string, whole number, float, bool or nothing.
func (c *askColumn) read(given any) (askValue, bool) {
	switch g := given.(type) {
	case nil:
		return askValue{missing: true}, true
	case bool:
		v := askValue{}
		if g {
			v.integer = 1
		}
		return v, c.Type == dataset.Bool
	case int64:
		switch c.Type {
		case dataset.Text:
			return askValue{text: fmt.Sprint(g)}, true
		case dataset.Float:
			return askValue{float: float64(g)}, true
		default:
			return askValue{integer: g}, c.Type == dataset.Int || c.Type == dataset.Uint && g >= 0
		}
	case float64:
		return askValue{float: g}, c.Type == dataset.Float
	case string:
		if c.Type == dataset.Int {
			n, err := strconv.ParseInt(g, 10, 64)
			return askValue{integer: n}, err == nil
		}
		return askValue{text: g}, c.Type == dataset.Text
	}
	return askValue{}, false
}
