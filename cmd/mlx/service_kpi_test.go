package main

import (
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestValuesOfUsers(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "",
		"user,value\nana,3\nli,0.5\n": "ana 3; li 0.5",
		"value,user,more\n3,ana,x":    "ana 3",
		"{\"user\": \"ana\", \"value\": 3}\n\n{\"user\": 7, \"value\": 1e3}": "ana 3; 7 1000",
		"user,value,time\nana,3,2026-11-23\n":                                "ana 3 2026-11-23",
		"user,value\nana,\n":                                                 `! line 2: the value "" is no number`,
		"user,value\nana,NaN\n":                                              `! line 2: the value "NaN" is no number`,
		"user,value\n,3\n":                                                   "! line 2: there is no user",
		"user,value,time\nana,3,noon\n":                                      "! line 2: the time",
		"ana,3\n":                                                            `! it needs the columns user and value, and has "ana,3"`,
		`{"user": null, "value": 3}`:                                         "! line 1: there is no user",
		`{"user": "ana"}`:                                                    "! line 1: the value",
		"{\n":                                                                "! line 1: ",
	} {
		rows, err := parseKPI([]byte(text))
		var got []string
		for _, r := range rows {
			words := []string{r.user, strconv.FormatFloat(r.value, 'f', -1, 64)}
			if !r.at.IsZero() {
				words = append(words, r.at.Format(time.DateOnly))
			}
			got = append(got, strings.Join(words, " "))
		}
		said := strings.Join(got, "; ")
		if err != nil {
			said = "! " + err.Error()
		}
		if said != want && !(strings.HasPrefix(want, "! ") && strings.HasPrefix(said, want)) {
			t.Errorf("%q: %q, want %q", text, said, want)
		}
	}
}

func FuzzValuesOfUsers(f *testing.F) {
	f.Add([]byte("user,value,time\nana,3,2026-11-23\n"))
	f.Add([]byte(`{"user": "ana", "value": 3}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := parseKPI(text)
		for _, r := range rows {
			if err == nil && (r.user == "" || r.value-r.value != 0) {
				t.Errorf("%q: %+v", text, r)
			}
		}
	})
}
