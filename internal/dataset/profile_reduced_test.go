package dataset

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// TestProfileTextsReduced: what is made of texts at once is what is made of them by way of counting each.
func TestProfileTextsReduced(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, kind := range []Type{Text, Bytes, Nested} {
		for _, different := range []int{0, 1, 30, 1000, 1001, 9000} {
			c := &Column{Field: Field{Type: kind}, Texts: new(Texts)}
			rows := min(different*3, 20_000)
			for range rows {
				n := rng.IntN(different)
				text := fmt.Sprintf("é %d", n*n)
				switch n % 7 {
				case 0:
					text = ""
				case 1:
					text = strings.Repeat(text, 100)
				case 2:
					text += "\xff"
				}
				c.Texts.Append([]byte(text))
			}
			found := new(sketchScratch).texts(c, rows)
			want := profileTextsOf(c.Field, found)
			want.reduce()
			got := profileTextsReduced(c.Field, found)
			if len(want.top.items) == 0 {
				want.top.items = nil
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%v, %d different texts: %d most frequent, short by %d; want %d, %d", kind, different,
					len(got.top.items), got.top.short, len(want.top.items), want.top.short)
			}
		}
	}
}
