package scan

import (
	"fmt"
	"strings"
)

// global is a name that a pickle imports.
type global struct {
	module, name string
	rule         *rule // nil: not on the list
	told         int   // its finding, to which a call adds what it does
}

func (g global) String() string { return g.module + "." + g.name }

// longestName is how long a module or a name may be; longer ones are no names.
const longestName = 4096

func (w *walker) opGlobal(o operand) error { return w.importName(string(o.line), string(o.next)) }

func (w *walker) opStackGlobal(operand) error {
	vs, err := w.pop(2)
	if err != nil {
		return err
	}
	module, known := w.text(vs[0], longestName)
	name, also := w.text(vs[1], longestName)
	if !known || !also {
		w.acts++
		w.blocked("", "imports a name that it computed")
		return w.push(value{kind: kindOpaque})
	}
	return w.importName(module, name)
}

// importName judges what the loader would import, and pushes it.
func (w *walker) importName(module, name string) error {
	w.acts++
	module, name = strings.ToValidUTF8(module, "\ufffd"), strings.ToValidUTF8(name, "\ufffd")
	key := module + "\x00" + name
	i, ok := w.named[key]
	if !ok {
		if len(w.globals) >= maxGlobals {
			return errTooMany
		}
		i = uint32(len(w.globals))
		w.named[key] = i
		w.globals = append(w.globals, global{module: module, name: name, rule: w.s.rules.lookup(module, name)})
		if w.globals[i].rule == nil {
			w.globals[i].told = len(w.found)
			w.blocked(w.globals[i].String(), "imports %s, which is not on the list of what may be loaded", w.globals[i])
		}
	}
	return w.push(value{kind: kindGlobal, n: i})
}

func (w *walker) opInst(o operand) error {
	args, err := w.popMark()
	if err != nil {
		return err
	}
	args = append([]value(nil), args...)
	if err := w.importName(string(o.line), string(o.next)); err != nil {
		return err
	}
	callee, err := w.pop(1)
	if err != nil {
		return err
	}
	return w.push(w.call(callee[0], args, true))
}

func (w *walker) opObj(operand) error {
	vs, err := w.popMark()
	if err != nil {
		return err
	}
	if len(vs) == 0 {
		return errUnderflow
	}
	return w.push(w.call(vs[0], append([]value(nil), vs[1:]...), true))
}

// onTuple takes a callee and a tuple of arguments, and pushes what judge says of the result.
func onTuple(judge func(w *walker, callee value, args []value, known bool) value) func(*walker, operand) error {
	return func(w *walker, _ operand) error {
		vs, err := w.pop(2)
		if err != nil {
			return err
		}
		args, known := w.tuple(vs[1])
		return w.push(judge(w, vs[0], args, known))
	}
}

func (w *walker) opNewObjEx(operand) error {
	vs, err := w.pop(3)
	if err != nil {
		return err
	}
	args, known := w.tuple(vs[1])
	if keywords, ok := w.dict(vs[2]); !ok || len(keywords) > 0 {
		known = false // arguments by name are not followed
	}
	return w.push(w.create(vs[0], args, known))
}

// call judges callee(*args) and returns what is known of the result. known says that args are all there is.
func (w *walker) call(callee value, args []value, known bool) value {
	if callee.kind != kindGlobal {
		if callee.kind != kindOpaque || len(w.found) == 0 {
			w.blocked("", "calls what it computed")
		}
		return value{kind: kindOpaque}
	}
	g := w.globals[callee.n]
	switch {
	case g.rule == nil:
		w.happens(g, "would call "+g.String()+w.argumentsText(args))
		return value{kind: kindOpaque}
	case g.rule.mode == modeCall:
		return value{kind: kindInstance, n: callee.n}
	case g.rule.mode == modeCheck:
		return w.checked(callee, args, known)
	}
	w.blocked(g.String(), "would call %s%s, which may only be named", g, w.argumentsText(args))
	return value{kind: kindOpaque}
}

// happens adds to the finding of a name what the pickle does with it; the first thing counts.
func (w *walker) happens(g global, what string) {
	f := &w.found[g.told]
	if f.Name == g.String() && strings.HasPrefix(f.What, "imports ") {
		f.What, f.Offset, f.Opcode = what, w.at, w.op.name
	}
}

// create judges cls.__new__(cls, *args), which runs no __init__.
func (w *walker) create(cls value, args []value, known bool) value {
	if cls.kind != kindGlobal {
		w.blocked("", "makes an object of a class that it computed")
		return value{kind: kindOpaque}
	}
	g := w.globals[cls.n]
	switch {
	case g.rule == nil:
		w.happens(g, "would make an object of "+g.String())
		return value{kind: kindOpaque}
	case g.rule.mode == modeCall:
		return value{kind: kindInstance, n: cls.n}
	case g.rule.mode == modeNew && known && len(args) == 0:
		return w.fresh(cls)
	}
	w.blocked(g.String(), "would make an object of %s in a way that is not on the list", g)
	return value{kind: kindOpaque}
}

// fresh is an object of an allowed class; the wrapper of joblib is followed further.
func (w *walker) fresh(cls value) value {
	if w.globals[cls.n].rule.check == "wrapper" {
		return w.newObject(kindArray, partWrapper)
	}
	return value{kind: kindInstance, n: cls.n}
}

// opBuild gives an object its state. A class or function must never get one: that would change what others do.
func (w *walker) opBuild(operand) error {
	vs, err := w.pop(1)
	if err != nil {
		return err
	}
	state := vs[0]
	target, err := w.top()
	if err != nil {
		return err
	}
	switch target.kind {
	case kindGlobal:
		g := w.globals[target.n]
		w.blocked(g.String(), "would change attributes of %s itself", g)
	case kindArray:
		return w.buildArray(*target, state)
	case kindInstance, kindOpaque:
	default:
		w.report(Unclear, "", "gives a state to what has none")
	}
	return nil
}

func (w *walker) opAppend(operand) error {
	if _, err := w.pop(1); err != nil {
		return err
	}
	return w.changed()
}

func (w *walker) opAppends(operand) error {
	if _, err := w.popMark(); err != nil {
		return err
	}
	return w.changed()
}

// changed judges the target of items: a class or a function that takes items would run its own code.
func (w *walker) changed() error {
	target, err := w.top()
	if err != nil {
		return err
	}
	switch target.kind {
	case kindGlobal:
		g := w.globals[target.n]
		w.blocked(g.String(), "would put items into %s itself", g)
	case kindArray, kindPersistent:
		w.report(Unclear, "", "puts items into what holds none")
	default:
	}
	return nil
}

func (w *walker) opExtension(o operand) error {
	w.acts++
	w.blocked("", "takes object %d of the extension registry, which is not in the file", o.n)
	return w.push(value{kind: kindOpaque})
}

func (w *walker) opPersistentLine(o operand) error {
	w.report(Unclear, "", fmt.Sprintf("asks the loader for object %.60q", o.line))
	return w.push(value{kind: kindPersistent})
}

func (w *walker) opPersistent(operand) error {
	vs, err := w.pop(1)
	if err != nil {
		return err
	}
	w.acts++
	result, ok := w.torch.persistent(w, vs[0])
	if !ok {
		w.report(Unclear, "", "asks the loader for an object in a way that torch does not")
	}
	return w.push(result)
}
