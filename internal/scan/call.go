package scan

import "strings"

// checked judges a call whose harm depends on its arguments. What a check does not know, it refuses.
func (w *walker) checked(callee value, args []value, known bool) value {
	g := w.globals[callee.n]
	result := value{kind: kindInstance, n: callee.n}
	ok := false
	switch g.rule.check {
	case "latin1": // bytes as protocol 2 writes them: any other codec could compute a text
		codec, is := w.argument(args, 1, 32)
		_, isText := w.argument(args, 0, ^uint32(0))
		escaped := len(args) > 0 && (args[0].kind == kindOpaque || args[0].kind == kindDecoded)
		ok = known && len(args) == 2 && is && (isLatin1(codec)) && (isText || escaped)
		result = value{kind: kindOpaque}
	case "class":
		ok = known && w.isClass(args, 0)
	case "classes":
		ok = known && w.isClass(args, 0) && w.isClass(args, 1)
	case "dtype":
		return w.newDtype(args, known)
	case "reconstructor":
		ok = known && len(args) == 3 && w.isClass(args, 0) && w.isBase(args, 1)
	case "newobj":
		if known && len(args) > 0 {
			return w.create(args[0], args[1:], true)
		}
	case "factory":
		ok = known && (len(args) == 0 || args[0].kind == kindNone || w.isAllowed(args[0]))
	case "partial":
		ok = known && len(args) == 1 && w.isAllowed(args[0])
	case "bits":
		ok = known && w.isBitGenerator(args)
	case "typed":
		if known && len(args) == 4 && w.isClass(args, 1) {
			inner, all := w.tuple(args[2])
			return w.call(args[0], inner, all)
		}
	case "bytes":
		ok = known && len(args) > 0 && w.nested(args[0])
	}
	if !ok {
		w.blocked(g.String(), "would call %s%s with arguments that are not on the list", g, w.argumentsText(args))
		return value{kind: kindOpaque}
	}
	return result
}

func (w *walker) argument(args []value, i int, most uint32) (string, bool) {
	if i >= len(args) || args[i].kind != kindString {
		return "", false
	}
	if most == ^uint32(0) {
		return "", true
	}
	return w.text(args[i], most)
}

func isLatin1(codec string) bool { return codec == "latin1" || codec == "latin-1" }

// isAllowed says whether v is a name on the list, not something computed.
func (w *walker) isAllowed(v value) bool { return v.kind == kindGlobal && w.globals[v.n].rule != nil }

// isClass says whether an argument is a class that may be made.
func (w *walker) isClass(args []value, i int) bool {
	if i >= len(args) || args[i].kind != kindGlobal {
		return false
	}
	r := w.globals[args[i].n].rule
	return r != nil && (r.mode == modeNew || r.mode == modeCall)
}

// isBase says whether an argument is one of the classes that copyreg starts an object from.
func (w *walker) isBase(args []value, i int) bool {
	if i >= len(args) || args[i].kind != kindGlobal {
		return false
	}
	g := w.globals[args[i].n]
	if g.module != "builtins" && g.module != "__builtin__" {
		return false
	}
	switch g.name {
	case "object", "dict", "list", "tuple", "set", "frozenset", "int", "float", "complex", "str", "bytes", "unicode", "long":
		return true
	}
	return false
}

// isBitGenerator judges the arguments of numpy.random's constructors: the name or the class of a generator, and nothing
// that numpy would call.
func (w *walker) isBitGenerator(args []value) bool {
	for i, a := range args {
		switch {
		case i == 0 && a.kind == kindString:
		case i == 0 && a.kind == kindInstance && strings.HasPrefix(w.globals[a.n].module, "numpy.random"):
		case a.kind == kindGlobal && w.globals[a.n].rule != nil && strings.HasPrefix(w.globals[a.n].module, "numpy.random"):
		default:
			return false
		}
	}
	return len(args) > 0 && len(args) < 3
}

// nested judges bytes that an allowed function hands to another loader, as a file of their own.
func (w *walker) nested(v value) bool {
	if v.kind != kindBytes {
		return false
	}
	w.inner = append(w.inner, v)
	return len(w.inner) <= maxInner
}

// maxInner is how many files a pickle may hold in its bytes.
const maxInner = 4096
