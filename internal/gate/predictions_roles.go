package gate

import (
	"maps"
	"path"
	"slices"
	"strings"

	"mlx/internal/dataset"
	"mlx/internal/fault"
)

// predictionsRoles are the columns of a table of predictions, by what they are for. An empty name: the table has no such column.
type predictionsRoles struct {
	id, label, score, class, weight, query string
	scores                                 []string // one for each class, instead of score
	classes                                []string // of scores
	cluster                                string
	days                                   bool // the cluster is the day of a time
}

// roleNames are the names by which a column is known without being told: the first is the role's own and beats the others.
func roleNames(role string) []string {
	switch role {
	case "id":
		return []string{"id", "row_id"}
	case "label":
		return []string{"label", "y", "y_true", "target", "truth", "actual"}
	case "score":
		return []string{"score", "y_score", "proba", "probability", "p", "prediction", "y_pred", "y_prob", "y_proba"}
	case "class":
		return []string{"class", "predicted_class", "predicted_label", "y_class"}
	case "weight":
		return []string{"weight", "sample_weight"}
	case "query":
		return []string{"query", "query_id", "qid"}
	}
	return nil
}

// findRoles finds the columns of a table by role.
func (s *session) findRoles(t Table, name string) (predictionsRoles, error) {
	known := []string{"id", "label", "score", "class", "weight", "query"}
	for _, role := range slices.Sorted(maps.Keys(s.spec.Columns)) {
		if !slices.Contains(known, role) {
			return predictionsRoles{}, s.unfit("columns: there is no role %q (%s)", role, place(s.spec.At)).In(s.spec.At).Hint("the roles are %s", list(known))
		}
	}
	var roles predictionsRoles
	for _, to := range []struct {
		role   string
		column *string
	}{{"id", &roles.id}, {"label", &roles.label}, {"score", &roles.score}, {"class", &roles.class}, {"weight", &roles.weight}, {"query", &roles.query}} {
		column, err := s.findRole(t, name, to.role)
		if err != nil {
			return predictionsRoles{}, err
		}
		*to.column = column
	}
	if roles.score == "" || strings.ContainsRune(roles.score, '*') {
		roles.scores, roles.classes = scoreColumns(t.Schema().Names(), roles.score)
		if roles.score != "" && roles.scores == nil {
			return predictionsRoles{}, s.unfit("%s has no two columns %s", name, roles.score).Hint("its columns are %s", t.Schema().String())
		}
		roles.score = ""
	}
	switch {
	case s.spec.Cluster != "":
		roles.cluster = s.spec.Cluster
	case s.spec.Time != "":
		roles.cluster, roles.days = s.spec.Time, true
	}
	return roles, nil
}

func (s *session) findRole(t Table, table, role string) (string, error) {
	schema := t.Schema()
	if named := s.spec.Columns[role]; named != "" {
		if role == "score" && strings.ContainsRune(named, '*') || schema.Index(named) >= 0 {
			return named, nil
		}
		return "", fault.New(fault.NotFound, "cannot judge %s: %w", s.spec.Name, t.NoColumn(named)).In(s.spec.At)
	}
	names := roleNames(role)
	if schema.Index(names[0]) >= 0 {
		return names[0], nil
	}
	found := slices.DeleteFunc(names, func(n string) bool { return schema.Index(n) < 0 })
	switch len(found) {
	case 0:
		return "", nil
	case 1:
		return found[0], nil
	}
	return "", s.unfit("the %s of %s may be in %s", role, table, list(found)).Hint("columns: {%s: %s}", role, found[0])
}

// scoreColumns finds the columns that hold the score of one class each, such as p_cat and p_dog. A pattern such as proba_* names them.
func scoreColumns(columns []string, pattern string) (scores, classes []string) {
	prefixes := []string{"score_", "p_", "proba_", "prob_", "probability_"}
	if pattern != "" {
		prefixes = []string{pattern[:strings.IndexByte(pattern, '*')]}
	}
	for _, prefix := range prefixes {
		scores, classes = nil, nil
		for _, c := range columns {
			class, ok := strings.CutPrefix(c, prefix)
			if pattern != "" {
				fits, err := path.Match(pattern, c)
				ok = ok && err == nil && fits
			}
			if ok && class != "" {
				scores, classes = append(scores, c), append(classes, className(class))
			}
		}
		if len(scores) >= 2 {
			return scores, classes
		}
	}
	return nil, nil
}

// className is how a class is known, whatever wrote it: yes and no of Python and SQL are those of JSON.
func className(text string) string {
	if strings.EqualFold(text, "true") || strings.EqualFold(text, "false") {
		return strings.ToLower(text)
	}
	return text
}

// columns are all columns to read, each once.
func (r predictionsRoles) columns(need predictionsNeed, also []string) []string {
	var all []string
	add := func(names ...string) {
		for _, n := range names {
			if n != "" && !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	add(r.label, r.score, r.class, r.weight, r.cluster)
	add(r.scores...)
	if need.ids {
		add(r.id)
	}
	if need.query {
		add(r.query)
	}
	add(need.cuts...)
	add(also...)
	return all
}

// missing finds a column that a table lacks.
func missing(schema dataset.Schema, columns []string) (string, bool) {
	for _, c := range columns {
		if schema.Index(c) < 0 {
			return c, true
		}
	}
	return "", false
}
