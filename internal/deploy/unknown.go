package deploy

import (
	"fmt"
	"slices"
)

// Unknown says what a target does of which the records know nothing, "" if they account for it. Somebody else has deployed there since, whose
// records are not here, or what has this name there is a service of other records: to ask for anything would undo it unseen.
func (s Service) Unknown(seen Actual) string {
	for _, arm := range seen.Arms {
		if (arm.Share > 0 || arm.Role == Stable) && !s.knows(arm.Key) {
			return fmt.Sprintf("release %.12s is in service there (generation %d)", arm.Key, seen.Generation)
		}
		if arm.Role == Stable && seen.Generation > s.Generation && (s.Current == nil || s.Current.Key != arm.Key) {
			return fmt.Sprintf("release %.12s came back into service there (generation %d)", arm.Key, seen.Generation)
		}
	}
	return ""
}

func (s Service) knows(key string) bool {
	return slices.ContainsFunc(s.Rollouts, func(r Rollout) bool { return r.To.Key == key || r.From != nil && r.From.Key == key })
}
