package main

import (
	"testing"

	"mlx/internal/registry"
)

func TestADerivationIsASentence(t *testing.T) {
	word := func(s string) *string { return &s }
	v := func(model string, n int) *registry.Version {
		return &registry.Version{Registration: registry.Registration{Model: model, Version: n}}
	}
	for _, c := range []struct {
		d      derivation
		parent *registry.Version
		want   string
	}{
		{derivation{Recorded: true, Params: []valueChange{{"learning_rate", 0.1, 0.102}}, Data: []dataPairView{{"data/features.parquet", word("a"), word("b")}}},
			v("flights", 2), "v3 derived from v2 with learning rate +2 % and features updated"},
		{derivation{Params: []valueChange{{"depth", 6.0, 4.0}, {"loss", "mae", "mse"}, {"seed", nil, 7.0}}}, v("flights", 2),
			"v3 compared with v2: depth -33 %, loss mae -> mse and seed 7 added"},
		{derivation{Recorded: true, Packages: []valueChange{{"scikit-learn", "1.7.1", "1.7.2"}}, Code: &codeMove{word("4c1e9aa0"), word("5d0c7be1+abcdef")}}, v("base", 1),
			"v3 derived from base@v1 with code 4c1e9aa -> 5d0c7be+abcd and scikit-learn 1.7.1 -> 1.7.2"},
		{derivation{Recorded: true}, v("flights", 2), "v3 derived from v2 with the same parameters, data, code and packages"},
		{derivation{Params: []valueChange{{"a", 0.0, 1.0}, {"b", 1.0, 100.0}, {"c", 1.0, 1.0001}, {"d", true, false}, {"e", 1.0, nil}, {"f", 1.0, 1.005}}},
			v("flights", 2), "v3 compared with v2: a 0 -> 1, b 1 -> 100, c 1 -> 1.0001, d true -> false and 2 more parameters"},
	} {
		if got := c.d.sentence(v("flights", 3), c.parent, c.d.changes()); got != c.want {
			t.Errorf("%q\nnot %q", got, c.want)
		}
	}
	for share, want := range map[float64]string{2: "+2", -0.5: "-0.5", 100.0 / 3: "+33", 0.25: "+0.25", 194.117: "+194"} {
		if got := percentWord(share); got != want {
			t.Errorf("%v: %q, not %q", share, got, want)
		}
	}
}
