package scan

import (
	"regexp"
	"slices"
	"strings"
)

// kerasModules are the modules whose classes a configuration of Keras may name. keras.utils, keras.saving, keras.config and
// keras.models hold functions that fetch and load, so they are not here.
func kerasModules() []string {
	return []string{"layers", "models", "initializers", "regularizers", "constraints", "optimizers", "losses", "metrics", "activations",
		"dtype_policies", "random", "ops.operation", "ops.function", "ops.node", "ops.numpy", "ops.nn", "ops.core", "ops.math", "quantizers", "saving.object_registration"}
}

// kerasUnsafe are classes of Keras that load or run something by their configuration.
func kerasUnsafe() map[string]string {
	return map[string]string{
		"Lambda":             "GHSA-48g7-3x6r-xfhp",
		"__lambda__":         "GHSA-48g7-3x6r-xfhp",
		"TFSMLayer":          "https://keras.io/api/layers/backend_specific_layers/tfsm_layer",
		"TorchModuleWrapper": "https://keras.io/api/layers/backend_specific_layers/torch_module_wrapper",
		"JaxLayer":           "https://keras.io/api/layers/backend_specific_layers/jax_layer",
		"FlaxLayer":          "https://keras.io/api/layers/backend_specific_layers/jax_layer",
		"get_file":           "CVE-2025-8747",
	}
}

var kerasWord = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// config judges JSON that loaders of models act on: Keras, skops, and the marks of custom code of transformers.
func (s *inspection) config(p place, tree node) {
	tree.every(func(n node) {
		if n.kind != '{' {
			return
		}
		for _, m := range n.members {
			s.member(p, n, m)
		}
		s.kerasObject(p, n)
		s.skopsObject(p, n)
	})
}

// member judges keys that mean something wherever they stand.
func (s *inspection) member(p place, n node, m member) {
	switch m.key {
	case "auto_map":
		s.found(p, Finding{Severity: Warn, Name: m.key, What: "names Python files that transformers runs with trust_remote_code",
			Source: "https://huggingface.co/docs/transformers/custom_models"})
	case "chat_template":
		m.value.every(func(v node) {
			if v.kind == '"' {
				s.template(p, m.key, v.text)
			}
		})
	case "vocabulary", "vocabulary_file":
		if m.value.kind == '"' && m.value.text != "" && n.str("name") != "" {
			s.found(p, Finding{Severity: Block, Name: m.key, What: "would read the file " + m.value.text + " into a layer", Source: "CVE-2025-12058"})
		}
	case "model_config", "config", "keras_config":
		if m.value.kind == '"' && strings.HasPrefix(strings.TrimSpace(m.value.text), "{") {
			if tree, err := decodeTree([]byte(m.value.text)); err == nil {
				s.config(p, tree)
			}
		}
	}
}

// kerasObject judges an object that Keras would make: class_name with config, and where its class comes from.
func (s *inspection) kerasObject(p place, n node) {
	for _, m := range n.members {
		if m.key == "class_name" && m.value.kind == '"' {
			s.kerasClass(p, n, m.value.text)
		}
	}
}

func (s *inspection) kerasClass(p place, n node, class string) {
	s.format("keras config")
	names := []string{class, n.str("registered_name")}
	if class == "function" {
		names = append(names, n.str("config"))
	}
	for _, name := range names {
		if source, bad := kerasUnsafe()[name[strings.LastIndexByte(name, '>')+1:]]; bad {
			s.found(p, Finding{Severity: Block, Name: name, What: "has " + name + ", which runs what its configuration holds", Source: source})
			return
		}
	}
	for _, m := range n.members {
		if m.key == "module" && m.value.kind == '"' && !kerasModule(m.value.text, class) {
			s.found(p, Finding{Severity: Block, Name: m.value.text + "." + class,
				What: "would import " + m.value.text + "." + class + ", which is no layer of Keras", Source: "CVE-2025-1550"})
			return
		}
	}
	if !kerasWord.MatchString(class) {
		s.custom(p, class)
	}
	if r := n.str("registered_name"); r != "" && r != class && !strings.HasPrefix(r, "keras") {
		s.custom(p, r)
	}
}

// custom notes a class that must be registered before loading: its code is not in the file.
func (s *inspection) custom(p place, name string) {
	s.found(p, Finding{Severity: Warn, Name: name, What: "needs the custom object " + name + ", whose code is not in the file",
		Source: "https://keras.io/guides/serialization_and_saving/"})
}

// kerasModule says whether a module is one of Keras that holds only what models are made of.
func kerasModule(module, class string) bool {
	if module == "builtins" {
		return class == "function" || class == "dict" || class == "list" || class == "tuple" || class == "set" || class == "str"
	}
	rest := ""
	for _, root := range []string{"keras.src", "keras", "tf_keras.src", "tf_keras", "tensorflow.keras", "tensorflow.python.keras", "keras_core.src", "keras_core", "keras.api"} {
		if after, ok := strings.CutPrefix(module, root); ok && (after == "" || after[0] == '.') {
			rest = strings.TrimPrefix(after, ".")
			break
		}
		rest = "?"
	}
	if rest == "" {
		return class == "Functional" || class == "Sequential" || class == "Model" || class == "Variable" || class == "KerasTensor" || strings.HasSuffix(class, "DTypePolicy")
	}
	return slices.ContainsFunc(kerasModules(), func(m string) bool { return rest == m || strings.HasPrefix(rest, m+".") })
}

// skopsObject judges a node of skops: what it would make must be on the list of names.
func (s *inspection) skopsObject(p place, n node) {
	class, module, loader := n.str("__class__"), n.str("__module__"), n.str("__loader__")
	if loader == "OperatorFuncNode" || loader == "MethodNode" {
		s.found(p, Finding{Severity: Block, Name: loader, What: "has a " + loader + ", which calls what it names", Source: "CVE-2025-54412"})
	}
	if class == "" || module == "" {
		return
	}
	s.format("skops")
	if s.rules.lookup(module, class) == nil && !skopsOwn(module, class) {
		name := module + "." + class
		s.found(p, Finding{Severity: Block, Name: name, What: "would make " + name + ", which is not on the list of what may be loaded",
			Source: "https://skops.readthedocs.io/en/stable/persistence.html"})
	}
}

// skopsOwn are names that skops writes for what needs no import.
func skopsOwn(module, class string) bool {
	return module == "builtins" && (class == "NoneType" || class == "method" || class == "type" || class == "function") ||
		module == "numpy" && (class == "ufunc" || class == "dtype" || class == "Generator")
}
