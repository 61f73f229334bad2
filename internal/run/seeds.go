package run

import (
	"strconv"
	"strings"
)

// maxSeeds bounds how many seeds a record names.
const maxSeeds = 50

// seedName says whether a variable of this name sets where random numbers begin.
func seedName(name string) bool {
	return name == "PYTHONHASHSEED" || name == "SEED" || strings.HasSuffix(name, "_SEED")
}

// seedParam says the same of a parameter: seed, random_state, train.seed.
func seedParam(name string) bool {
	name = strings.ToLower(name)
	if dot := strings.LastIndexByte(name, '.'); dot >= 0 {
		name = name[dot+1:]
	}
	return name == "seed" || name == "random_state" || name == "random_seed" || strings.HasSuffix(name, "_seed")
}

// seeds returns what fixes random numbers, by the name of the variable or parameter. nil when nothing does.
func seeds(variables map[string]string, params map[string]any) map[string]string {
	all := map[string]string{}
	for name, value := range variables {
		if seedName(name) && value != "" && len(all) < maxSeeds {
			all[name] = value
		}
	}
	for name, value := range params {
		if !seedParam(name) || len(all) >= maxSeeds {
			continue
		}
		switch v := value.(type) {
		case string:
			all[text(name)] = bounded(v)
		case float64:
			all[text(name)] = strconv.FormatFloat(v, 'f', -1, 64)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all
}
