package main

import "mlx/internal/fault"

// checkInconclusive refuses a value of --inconclusive that is no answer.
func checkInconclusive(to string) error {
	switch to {
	case "", "pass", "fail":
		return nil
	}
	return fault.New(fault.Usage, "cannot read --inconclusive %q", to).Hint("--inconclusive pass or fail")
}

// mappedVerdict is what --inconclusive makes of a verdict; the verdict itself stays.
func mappedVerdict[V ~string](verdict V, to string) *V {
	if verdict != "inconclusive" || to == "" {
		return nil
	}
	mapped := V(to)
	return &mapped
}

// verdictAnswer is the exit status of a verdict, or of what --inconclusive made of it.
func verdictAnswer[V ~string](verdict V, mapped *V) answer {
	if mapped != nil {
		verdict = *mapped
	}
	switch verdict {
	case "pass":
		return yes
	case "fail":
		return no
	}
	return unclear
}
