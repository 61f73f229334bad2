package gate

import "testing"

func TestConditionsThatNeverHold(t *testing.T) {
	for text, never := range map[string]bool{
		"score > 0.8 and score < 0.2":                       true,
		"0.8 <= score && score < 0.8":                       true,
		"score == 1 and score > 1":                          true,
		"score < -1 and score > -0.5":                       true,
		"false":                                             true,
		"(a > 1 and a < 0) or (b > 1 and b < 0)":            true,
		"(score > 2 or score < 1) and score > 1.2":          false,
		"score > 2 and (score < 1 or score < 1.5)":          true,
		"score >= 0.2 and score <= 0.8":                     false,
		"score >= 0.8 and score <= 0.8":                     false,
		"score > 0.8 and other < 0.2":                       false,
		"score != 1 and score == 1":                         false, // it could be known, and is not looked for
		"abs(score) < 0":                                    false,
		`$env["/outputs/0"] > 1 and $env["/outputs/0"] < 1`: true,
		`answer == "spam" and answer == "ham"`:              false,
		"true":                                              false,
	} {
		c, err := ParseCondition(text)
		if err != nil {
			t.Fatal(err)
		}
		if c.Never() != never {
			t.Errorf("%s: never %v", text, !never)
		}
	}
}
