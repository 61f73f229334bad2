package scan

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/hex"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"
	"github.com/ulikunitz/xz/lzma"
)

// hostile is a file that a loader would run code from, or that hides what a loader would do.
type hostile struct {
	name   string
	source string // where it was published
	bytes  []byte
	names  string // a global that must be named in a finding; empty: none is expected
	judged Verdict
}

// reduceRow is a name that a pickle can call to run code, and who showed it.
type reduceRow struct{ source, module, name, arg string }

func reduceRows() []reduceRow {
	return []reduceRow{
		{"https://docs.python.org/3/library/pickle.html", "os", "system", "id"},
		{"https://docs.python.org/3/library/pickle.html", "posix", "system", "id"},
		{"https://docs.python.org/3/library/pickle.html", "subprocess", "check_output", "id"},
		{"https://docs.python.org/3/library/pickle.html", "builtins", "eval", "1"},
		{"https://docs.python.org/3/library/pickle.html", "builtins", "exec", "1"},
		{"GHSA-4r9r-ch6f-vxmx", "torch.utils.bottleneck.__main__", "run_cprofile", "1"},
		{"GHSA-4whj-rm5r-c2v8", "torch.utils.bottleneck.__main__", "run_autograd_prof", "1"},
		{"GHSA-86cj-95qr-2p4f", "torch._dynamo.guards", "GuardBuilder.get", "1"},
		{"GHSA-f4x7-rfwp-v3xw", "torch.fx.experimental.symbolic_shapes", "ShapeEnv.evaluate_guards_expression", "1"},
		{"GHSA-f745-w6jp-hpxx", "torch.utils.collect_env", "run", "id"},
		{"GHSA-jhph-76pp-mggw", "torch.utils.collect_env", "run_and_read_all", "id"},
		{"GHSA-h3qp-7fh3-f8h4", "torch.utils.data.datapipes.utils.decoder", "basichandlers", "1"},
		{"GHSA-vr7h-p6mm-wpmh", "torch.jit.unsupported_tensor_ops", "execWrapper", "1"},
		{"GHSA-vv6j-3g6g-2pvj", "torch.utils._config_module", "ConfigModule.load_config", "1"},
		{"GHSA-5qwp-399c-mjwf", "trace", "Trace.run", "1"},
		{"GHSA-g344-hcph-8vgg", "trace", "Trace.runctx", "1"},
		{"GHSA-x696-vm39-cp64", "profile", "Profile.run", "1"},
		{"GHSA-6vqj-c2q5-j97w", "profile", "Profile.runctx", "1"},
		{"GHSA-f54q-57x4-jg88", "lib2to3.pgen2.grammar", "Grammar.loads", "1"},
		{"GHSA-p9w7-82w4-7q8m", "lib2to3.pgen2.pgen", "ParserGenerator.make_label", "1"},
		{"GHSA-3vg9-h568-4w9m", "idlelib.debugobj", "ObjectTreeItem.SetText", "1"},
		{"GHSA-6w4w-5w54-rjvr", "idlelib.autocomplete", "AutoComplete.get_entity", "1"},
		{"GHSA-7cq8-mj8x-j263", "idlelib.autocomplete", "AutoComplete.fetch_completions", "1"},
		{"GHSA-8r4j-24qv-fmq9", "idlelib.calltip", "Calltip.fetch_tip", "1"},
		{"GHSA-9xph-j2h6-g47v", "idlelib.calltip", "get_entity", "1"},
		{"GHSA-m869-42cg-3xwr", "idlelib.run", "Executive.runcode", "1"},
		{"GHSA-j343-8v2j-ff7w", "idlelib.pyshell", "ModifiedInterpreter.runcommand", "1"},
		{"GHSA-3gf5-cxq9-w223", "idlelib.pyshell", "ModifiedInterpreter.runcode", "1"},
		{"GHSA-cj3c-v495-4xqh", "code", "InteractiveInterpreter.runcode", "1"},
		{"GHSA-xp4f-hrf8-rxw7", "ensurepip", "_run_pip", "1"},
		{"GHSA-fqq6-7vqf-w3fg", "doctest", "debug_script", "1"},
		{"GHSA-9w88-8rmg-7g2p", "cProfile", "runctx", "1"},
		{"GHSA-49gj-c84q-6qm9", "cProfile", "run", "1"},
		{"GHSA-q77w-mwjj-7mqx (CVE-2025-10157)", "asyncio.unix_events", "_UnixSubprocessTransport._start", "1"},
		{"GHSA-m273-6v24-x4m4 (CVE-2025-71321)", "distutils.file_util", "write_file", "/tmp/x"},
		{"GHSA-4675-36f9-wf6r", "ctypes", "CDLL", "libc.so.6"},
		{"GHSA-84r2-jw7c-4r5q", "pydoc", "locate", "os.system"},
		{"GHSA-vqmv-47xg-9wpr", "pty", "spawn", "id"},
		{"GHSA-r8g5-cgf2-4m4m", "numpy.f2py.crackfortran", "getlincoef", "1"},
		{"GHSA-v7x6-rv5q-mhwc", "timeit", "timeit", "1"},
		{"GHSA-vvpj-8cmc-gx39", "pkgutil", "resolve_name", "os:system"},
		{"https://github.com/mmaitre314/picklescan/issues/66", "importlib", "import_module", "os"},
		{"https://github.com/mmaitre314/picklescan/pull/74", "marshal", "loads", "1"},
		{"https://github.com/mmaitre314/picklescan/issues/22", "numpy.testing._private.utils", "runstring", "1"},
		{"CVE-2025-1716", "pip", "main", "install x"},
		{"GHSA-655q-fx9r-782v", "torch.serialization", "load", "x"},
		{"https://github.com/mmaitre314/picklescan/pull/53", "cloudpickle.cloudpickle", "_make_function", "1"},
		{"https://github.com/mmaitre314/picklescan/pull/53", "bdb", "Bdb.run", "1"},
		{"https://github.com/mmaitre314/picklescan/pull/53", "pydoc", "pipepager", "1"},
		{"https://github.com/mmaitre314/picklescan/pull/53", "venv", "create", "/tmp/x"},
		{"https://github.com/mmaitre314/picklescan/pull/53", "torch._inductor.codecache", "compile_file", "x"},
		{"https://github.com/protectai/modelscan/issues/338", "multiprocessing.util", "spawnv_passfds", "/bin/sh"},
		{"https://github.com/protectai/modelscan/issues/338", "mlflow.projects.backend.local", "_run_entry_point", "id"},
		{"https://github.com/protectai/modelscan/issues/338", "pandas.io.parsers.readers", "read_csv", "http://x"},
		{"https://github.com/protectai/modelscan/issues/338", "urllib.request", "urlretrieve", "http://x"},
		{"GHSA-hgrh-qx5j-jfwx", "ssl", "get_server_certificate", "x"},
		{"GHSA-wfq2-52f7-7qvj", "runpy", "run_path", "x"},
		{"GHSA-p523-jq9w-64x9", "types", "FunctionType", "1"},
		{"GHSA-5hwf-rc88-82xm", "uuid", "_get_command_stdout", "id"},
		{"GHSA-5hwf-rc88-82xm", "_osx_support", "_read_output", "id"},
		{"GHSA-5hwf-rc88-82xm", "_aix_support", "_read_cmd_output", "id"},
		{"GHSA-m6fh-58r7-x697", "_posixsubprocess", "fork_exec", "id"},
		{"GHSA-m6fh-58r7-x697", "site", "addpackage", "x"},
		{"GHSA-6ggj-6f2q-f7mx", "_interpreters", "create", "x"},
		{"GHSA-g38g-8gr9-h9xp", "test.support.script_helper", "assert_python_ok", "-c"},
		{"GHSA-g38g-8gr9-h9xp", "_pyrepl.pager", "pipe_pager", "id"},
		{"GHSA-7wx9-6375-f5wh", "logging.config", "dictConfig", "x"},
		{"https://github.com/trailofbits/fickling/pull/215", "webbrowser", "open", "http://x"},
		{"https://github.com/trailofbits/fickling/pull/215", "dill", "loads", "x"},
	}
}

// hostiles are all files of the corpus.
func hostiles() []hostile {
	var all []hostile
	for _, r := range reduceRows() {
		name := r.module + "." + r.name
		all = append(all, hostile{name, r.source, calls(r.module, r.name, r.arg), name, Fail})
	}
	all = append(all, hostilePickles()...)
	all = append(all, hostileNested()...)
	all = append(all, hostileZips()...)
	return append(all, hostileFormats()...)
}

func fromHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// hostilePickles hide what they do from readers that follow neither stack nor memo.
func hostilePickles() []hostile {
	system := stackGlobal("os", "system")
	return []hostile{
		{"build-changes-function", "https://github.com/protectai/modelscan/issues/330", fromHex("80049566000000000000008c056e756d70798c0473697a659394948c056e756d70798c0c5f5f6275696c74696e735f5f93949468017d7d8c0573686170656803738662680168018c046576616c86528c1d5f5f696d706f72745f5f28226f7322292e73797374656d28226964222985522e"), "numpy.size", Fail},
		{"import-then-getattr", "https://github.com/protectai/modelscan/issues/331", cat(0x80, 4, stackGlobal("importlib", "import_module"), args("os"), "Rq", 0, stackGlobal("builtins", "getattr"), "(h", 0, uni("system"), "tR", args("id"), "R."), "builtins.getattr", Fail},
		{"memo-mixed", "https://github.com/mmaitre314/picklescan/issues/14", cat(0x80, 4, "U", 2, "os", "q", 0, "U", 6, "system", "q", 1, "U", 12, "torch._utils", 0x94, "U", 18, "_rebuild_tensor_v2", 0x94, "h", 0, "h", 1, 0x93, args("id"), "R."), "os.system", Fail},
		{"memo-overwritten", "https://github.com/mmaitre314/picklescan/issues/22", cat(0x80, 4, uni("collections"), "q", 0, uni("OrderedDict"), "q", 1, "00", uni("os"), "q", 0, uni("system"), "q", 1, "00h", 0, "h", 1, 0x93, args("id"), "R."), "os.system", Fail},
		{"padding-before-stack-global", "https://github.com/msaad00/agent-bom/pull/3326", cat(0x80, 4, uni("os"), 0x94, "0", uni("system"), 0x94, "0", uni("a"), uni("b"), uni("c"), uni("d"), "0000h", 0, "h", 1, 0x93, args("id"), "R."), "os.system", Fail},
		{"operator-attrgetter", "GHSA-46h3-79wf-xr6c", cat(0x80, 4, stackGlobal("_operator", "attrgetter"), args("system"), "R", stackGlobal("builtins", "__import__"), args("os"), "R", 0x85, "R", args("id"), "R."), "_operator.attrgetter", Fail},
		{"operator-methodcaller", "GHSA-955r-x9j8-7rhh", cat(0x80, 4, stackGlobal("builtins", "__import__"), args("os"), "Rp0\n0", stackGlobal("_operator", "methodcaller"), args("system", "id"), "R(g0\ntR."), "_operator.methodcaller", Fail},
		{"partial", "https://github.com/trailofbits/fickling/pull/210", cat(0x80, 4, stackGlobal("functools", "partial"), "(", system, uni("id"), "tR)R."), "os.system", Fail},
		{"inst", "https://docs.python.org/3/library/pickletools.html", cat("(S'id'\nios\nsystem\n."), "os.system", Fail},
		{"obj", "https://docs.python.org/3/library/pickletools.html", cat("(", opGlobalOf("os", "system"), "S'id'\no."), "os.system", Fail},
		{"newobj", "https://docs.python.org/3/library/pickletools.html", cat(0x80, 2, opGlobalOf("subprocess", "Popen"), args("id"), 0x81, "."), "subprocess.Popen", Fail},
		{"newobj-ex", "https://docs.python.org/3/library/pickletools.html", cat(0x80, 4, stackGlobal("subprocess", "Popen"), args("id"), "}", 0x92, "."), "subprocess.Popen", Fail},
		{"protocol-0", "https://docs.python.org/3/library/pickle.html", cat("cposix\nsystem\np0\n(S'id'\np1\ntp2\nRp3\n."), "posix.system", Fail},
		{"python-2-names", "https://docs.python.org/3/library/pickle.html", cat("c__builtin__\neval\n(S'1'\ntR."), "__builtin__.eval", Fail},
		{"extension", "https://docs.python.org/3/library/copyreg.html", cat(0x80, 2, 0x82, 1, args("id"), "R."), "", Fail},
		{"dotted-through-allowed", "https://docs.python.org/3/library/pickle.html", cat(0x80, 4, stackGlobal("torch", "serialization.os.system"), args("id"), "R."), "torch.serialization.os.system", Fail},
		{"dotted-class", "https://docs.python.org/3/library/pickle.html", cat(0x80, 4, stackGlobal("collections", "OrderedDict.__init__.__globals__"), "."), "collections.OrderedDict.__init__.__globals__", Fail},
		{"broken-after-payload", "https://www.reversinglabs.com/blog/rl-identifies-malware-ml-model-hosted-on-hugging-face", cat(0x80, 4, system, args("id"), "R", 0xff, "."), "os.system", Fail},
		{"truncated-after-payload", "https://github.com/mmaitre314/picklescan (broken_model.pkl)", cat(0x80, 4, system, args("id"), "R"), "os.system", Fail},
		{"second-pickle", "https://github.com/protectai/modelscan/issues/338", cat(0x80, 4, "N.", calls("os", "system", "id")), "os.system", Fail},
		{"unused-result", "https://github.com/trailofbits/fickling/pull/302", cat(0x80, 4, stackGlobal("_interpreters", "create"), ")R0}."), "_interpreters.create", Fail},
		{"computed-name", "https://github.com/mmaitre314/picklescan/issues/66", cat(0x80, 4, stackGlobal("_codecs", "encode"), args("bf", "rot13"), "R", uni("system"), 0x93, args("id"), "R."), "_codecs.encode", Fail},
		{"bytes-name", "https://github.com/mmaitre314/picklescan (type-confusion)", cat(0x80, 4, raw([]byte("os")), raw([]byte("system")), 0x93, args("id"), "R."), "os.system", Fail},
		{"escaped-name", "https://docs.python.org/3/library/pickletools.html", cat("S'o\\x73'\nS'system'\n", 0x93, "(S'id'\ntR."), "os.system", Fail},
		{"unicode-escape-name", "https://docs.python.org/3/library/pickletools.html", cat("Vo\\u0073\nVsystem\n", 0x93, "(S'id'\ntR."), "os.system", Fail},
		{"build-on-class", "https://github.com/protectai/modelscan/issues/330", cat(0x80, 4, stackGlobal("collections", "OrderedDict"), "}", uni("x"), system, "sb."), "os.system", Fail},
		{"setitem-on-class", "https://github.com/protectai/modelscan/issues/330", cat(0x80, 4, stackGlobal("collections", "OrderedDict"), uni("x"), "Ns."), "collections.OrderedDict", Fail},
		{"default-factory", "https://docs.python.org/3/library/collections.html", cat(0x80, 4, stackGlobal("collections", "defaultdict"), "(", system, "tR."), "os.system", Fail},
		{"random-constructor", "https://numpy.org/doc/stable/reference/random/index.html (numpy.random._pickle)", cat(0x80, 4, stackGlobal("numpy.random._pickle", "__randomstate_ctor"), "(", uni("id"), system, "tR."), "os.system", Fail},
		{"reconstructor", "https://docs.python.org/3/library/copyreg.html", cat(0x80, 2, opGlobalOf("copyreg", "_reconstructor"), "(", opGlobalOf("subprocess", "Popen"), opGlobalOf("builtins", "object"), "NtR."), "subprocess.Popen", Fail},
		{"rebuild-from-type", "https://github.com/pytorch/pytorch/blob/main/torch/_tensor.py", cat(0x80, 2, opGlobalOf("torch._tensor", "_rebuild_from_type_v2"), "(", opGlobalOf("os", "system"), opGlobalOf("torch", "Tensor"), args("id"), "}tR."), "os.system", Fail},
		{"exec-in-setstate", "https://github.com/scipy/scipy/blob/main/scipy/stats/_distn_infrastructure.py", cat(0x80, 4, stackGlobal("scipy.stats._continuous_distns", "norm_gen"), ")", 0x81, "}", uni("_parse_arg_template"), uni("import os"), "sb."), "scipy.stats._continuous_distns.norm_gen", Fail},
		{"name-only", "https://docs.python.org/3/library/pickle.html (import runs the module)", cat(0x80, 4, stackGlobal("antigravity", "fly"), "."), "antigravity.fly", Fail},
		{"pip-class", "CVE-2025-1716", cat(0x80, 4, stackGlobal("pip._internal", "main"), "(](", uni("install"), uni("x"), "etR."), "pip._internal.main", Fail},
		{"call-of-allowed-name", "https://github.com/protectai/modelscan/issues/330", cat(0x80, 4, stackGlobal("builtins", "type"), "(", uni("X"), ")}tR."), "builtins.type", Fail},
		{"get-negative", "https://github.com/mmaitre314/picklescan (keyerror-exploit)", cat(0x80, 4, system, args("id"), "R0g99\n."), "os.system", Fail},
	}
}

// hostileNested hand the payload to a second loader.
func hostileNested() []hostile {
	evil := calls("os", "system", "id")
	array := func(after []byte) []byte {
		return cat(0x80, 4, "](", wrapperOf(2, "f8"), 0, make([]byte, 16), after)
	}
	return []hostile{
		{"pickle-in-pickle", "GHSA-84r2-jw7c-4r5q", cat(0x80, 4, stackGlobal("pickle", "loads"), "(", raw(evil), "tR."), "pickle.loads", Fail},
		{"_pickle-in-pickle", "https://github.com/mmaitre314/picklescan/pull/50", cat(0x80, 4, stackGlobal("_pickle", "loads"), "(", raw(evil), "tR."), "_pickle.loads", Fail},
		{"torch-load-from-bytes", "https://github.com/pytorch/pytorch/blob/main/torch/storage.py", cat(0x80, 4, stackGlobal("torch.storage", "_load_from_bytes"), "(", raw(evil), "tR."), "os.system", Fail},
		{"torch-load-from-zip-bytes", "https://github.com/pytorch/pytorch/blob/main/torch/storage.py", cat(0x80, 4, stackGlobal("torch.storage", "_load_from_bytes"), "(", raw(torchZip(evil)), "tR."), "os.system", Fail},
		{"joblib-array-then-payload", "https://joblib.readthedocs.io/en/stable/persistence.html", array(cat(stackGlobal("os", "system"), args("id"), "Re.")), "os.system", Fail},
		{"joblib-object-array", "https://joblib.readthedocs.io/en/stable/persistence.html", cat(0x80, 4, "](", wrapperOf(1, "O8"), evil, "e."), "os.system", Fail},
		{"joblib-padding-is-opcodes", "https://joblib.readthedocs.io/en/stable/persistence.html", cat(0x80, 4, "](", wrapperOf(1, "f8"), "N", padded(cat(opGlobalOf("os", "system"), args("id"), "R."), 'N'), make([]byte, 8), "e."), "os.system", Fail},
		{"joblib-array-in-frame", "https://joblib.readthedocs.io/en/stable/persistence.html", framed(array([]byte("e."))), "", Inconclusive},
		{"npy-objects", "https://numpy.org/doc/stable/reference/generated/numpy.load.html", npyOf("'|O'", "(1,)", evil), "os.system", Fail},
		{"npy-object-field", "https://numpy.org/doc/stable/reference/generated/numpy.load.html", npyOf("[('a', '<f8'), ('b', '|O')]", "(1,)", evil), "os.system", Fail},
		{"npz-objects", "https://numpy.org/doc/stable/reference/generated/numpy.load.html", zipped("a.npy", npyOf("'<f8'", "(1,)", make([]byte, 8)), "b.npy", npyOf("'|O'", "(1,)", evil)), "os.system", Fail},
		{"gzip", "https://joblib.readthedocs.io/en/stable/persistence.html", compressed("gzip", evil), "os.system", Fail},
		{"zlib", "https://joblib.readthedocs.io/en/stable/persistence.html", compressed("zlib", evil), "os.system", Fail},
		{"xz", "https://github.com/google/saferpickle/pull/41", compressed("xz", evil), "os.system", Fail},
		{"lzma", "https://github.com/google/saferpickle/pull/41", compressed("lzma", evil), "os.system", Fail},
		{"lz4", "https://joblib.readthedocs.io/en/stable/persistence.html", compressed("lz4", evil), "os.system", Fail},
		{"zstd", "https://github.com/protectai/modelscan/issues/338", compressed("zstd", evil), "os.system", Fail},
		{"gzip-cut", "https://github.com/google/saferpickle/pull/41", compressed("gzip", evil)[:len(compressed("gzip", evil))-6], "os.system", Fail},
		{"gzip-in-zip-in-tar", "https://github.com/protectai/modelscan/issues/338", tarred("a.zip", zipped("b.gz", compressed("gzip", evil))), "os.system", Fail},
		{"torch-legacy", "https://github.com/mmaitre314/picklescan (malicious_pytorch)", legacyOf(evil), "os.system", Fail},
		{"torch-legacy-other-magic", "https://github.com/mmaitre314/picklescan (pytorch_magic_bypass.pt)", cat(0x80, 2, 0x8a, 3, "abc.", evil), "os.system", Fail},
		{"torch-tar", "https://github.com/pytorch/pytorch/blob/main/torch/serialization.py", tarred("sys_info", cat(0x80, 2, "}."), "pickle", evil), "os.system", Fail},
	}
}

// padded fills up to as many bytes as the byte before says.
func padded(b []byte, n int) []byte { return append(b, make([]byte, n-len(b))...) }

// legacyOf is a file that torch wrote before it wrote zips.
func legacyOf(object []byte) []byte {
	return cat(0x80, 2, 0x8a, 10, torchMagic, ".", 0x80, 2, "M", 0xe9, 3, ".", 0x80, 2, "}.", object, 0x80, 2, "].")
}

func compressed(kind string, b []byte) []byte {
	var out bytes.Buffer
	var w interface {
		Write([]byte) (int, error)
		Close() error
	}
	var err error
	switch kind {
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zlib":
		w = zlib.NewWriter(&out)
	case "xz":
		w, err = xz.WriterConfig{DictCap: 1 << 16}.NewWriter(&out)
	case "lzma":
		w, err = lzma.WriterConfig{DictCap: 1 << 16}.NewWriter(&out)
	case "lz4":
		w = lz4.NewWriter(&out)
	case "zstd":
		w, err = zstd.NewWriter(&out)
	}
	if err != nil {
		panic(err)
	}
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func tarred(members ...any) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		content := cat(members[i+1])
		if err := w.WriteHeader(&tar.Header{Name: members[i].(string), Mode: 0o644, Size: int64(len(content)), Format: tar.FormatUSTAR}); err != nil {
			panic(err)
		}
		if _, err := w.Write(content); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// hostileZips make readers of zips disagree.
func hostileZips() []hostile {
	evil := calls("os", "system", "id")
	clean := cat(0x80, 2, "}.")
	honest := torchZip(evil)
	return []hostile{
		{"torch-zip", "https://pytorch.org/docs/stable/generated/torch.load.html", honest, "os.system", Fail},
		{"zip-other-name", "GHSA-769v-p64c-89pr (CVE-2025-1889)", zipped("archive/data.pkl", cat(0x80, 2, "}."), "archive/payload.txt", evil, "archive/version", "3\n"), "os.system", Fail},
		{"zip-encrypted-flag", "GHSA-w8jq-xcqf-f792 (CVE-2025-1945)", poke(poke(honest, zipLocal, 6, 1), zipCentral, 8, 1), "os.system", Fail},
		{"zip-patch-flag", "GHSA-w8jq-xcqf-f792 (CVE-2025-1945)", poke(poke(honest, zipLocal, 6, 0x20), zipCentral, 8, 0x20), "os.system", Fail},
		{"zip-central-flag-only", "GHSA-w8jq-xcqf-f792 (CVE-2025-1945)", poke(honest, zipCentral, 8, 1), "os.system", Fail},
		{"zip-crc", "CVE-2025-10156", poke(poke(honest, zipLocal, 14, 0), zipCentral, 16, 0), "os.system", Fail},
		{"zip-names-differ", "GHSA-7q5r-7gvp-wc82 (CVE-2025-1944)", bytes.Replace(honest, []byte("archive/data.pkl"), []byte("archive/data.txt"), 1), "os.system", Fail},
		{"zip-behind-bytes", "GHSA-7q5r-7gvp-wc82", cat("garbage before", honest), "os.system", Fail},
		{"zip-behind-pickle", "GHSA-7q5r-7gvp-wc82", cat(clean, honest), "os.system", Fail},
		{"pickle-behind-which-zip", "https://github.com/protectai/modelscan/issues/338", cat(evil, torchZip(clean)), "os.system", Fail},
		{"zip-two-directories", "GHSA-7q5r-7gvp-wc82", cat(honest, torchZip(clean)), "", Fail},
		{"zip-goes-on", "GHSA-7q5r-7gvp-wc82", cat(honest, "more"), "os.system", Fail},
		{"zip-twice-same-name", "https://github.com/protectai/modelscan/issues/338", zipped("a/data.pkl", clean, "a/data.pkl", evil, "a/version", "3\n"), "os.system", Fail},
		{"zip-slip", "https://security.snyk.io/research/zip-slip-vulnerability", zipped("../../home/.ssh/authorized_keys", "x"), "", Fail},
		{"zip-in-zip", "https://github.com/protectai/modelscan/issues/338", zipped("inner.zip", zipped("x", evil)), "os.system", Fail},
		{"zip-cut", "GHSA-7q5r-7gvp-wc82", honest[:len(honest)-40], "", Inconclusive},
		{"zip-tensor-is-pickle", "https://github.com/mmaitre314/picklescan/issues/66", zipped("archive/data.pkl", clean, "archive/data/0", evil, "archive/version", "3\n"), "os.system", Fail},
		{"seven-zip", "https://github.com/mmaitre314/picklescan (malicious1.7z)", cat("\x37\x7a\xbc\xaf\x27\x1c\x00\x04", evil), "", Inconclusive},
	}
}

// hostileFormats are no pickles.
func hostileFormats() []hostile {
	kerasZip := func(config string) []byte {
		return zipped("metadata.json", `{"keras_version": "3.15.1"}`, "config.json", config, "model.weights.h5", cat(hdf5Magic, make([]byte, 64)))
	}
	lambda := `{"module": "keras.layers", "class_name": "Lambda", "config": {"function": {"class_name": "__lambda__", "config": {"code": "4wEA"}}}}`
	external := pbField(13, cat(pbField(1, []byte("location")), pbField(2, []byte("../../etc/passwd"))))
	template := "{{ ''.__class__.__mro__[1].__subclasses__() }}"
	return []hostile{
		{"keras-lambda", "GHSA-48g7-3x6r-xfhp", kerasZip(lambda), "", Fail},
		{"keras-lambda-escaped", "GHSA-48g7-3x6r-xfhp", kerasZip(`{"cl\u0061ss_name": "L\u0061mbda", "config": {}}`), "", Fail},
		{"keras-module", "CVE-2025-1550", kerasZip(`{"module": "subprocess", "class_name": "run", "config": {}}`), "", Fail},
		{"keras-get-file", "CVE-2025-8747", kerasZip(`{"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}`), "", Fail},
		{"keras-unsafe", "CVE-2025-9906", kerasZip(`{"module": "keras.config", "class_name": "enable_unsafe_deserialization", "config": {}}`), "", Fail},
		{"keras-vocabulary", "CVE-2025-12058", kerasZip(`{"module": "keras.layers", "class_name": "StringLookup", "config": {"name": "s", "vocabulary": "/etc/passwd"}}`), "", Fail},
		{"keras-twice-named", "CVE-2025-1550", kerasZip(`{"module": "os", "module": "keras.layers", "class_name": "Dense", "config": {}}`), "", Fail},
		{"keras-h5-lambda", "CVE-2025-9905", cat(hdf5Magic, make([]byte, 40), "model_config", 0, 0, `{"class_name": "Sequential", "config": {"layers": [`, lambda, `]}}`), "", Fail},
		{"keras-h5-unreadable", "CVE-2025-9905", cat(hdf5Magic, make([]byte, 40), "model_config", 0, 0, compressed("zlib", []byte(lambda))), "", Inconclusive},
		{"skops-operator", "CVE-2025-54412", zipped("schema.json", `{"__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode", "attrs": {}}`), "", Fail},
		{"skops-unknown", "CVE-2025-54413", zipped("schema.json", `{"__class__": "system", "__module__": "os", "__loader__": "FunctionNode"}`), "", Fail},
		{"onnx-outside", "CVE-2024-5187", cat("\x08\x07", pbField(7, pbField(5, external))), "", Fail},
		{"onnx-outside-in-branch", "CVE-2022-25882", cat("\x08\x07", pbField(7, pbField(1, pbField(5, pbField(6, pbField(5, external)))))), "", Fail},
		{"gguf-template", "CVE-2024-34359", cat("GGUF", le(3, 4), le(0, 8), le(1, 8), le(23, 8), "tokenizer.chat_template", le(8, 4), le(uint64(len(template)), 8), template), "", Fail},
		{"pmml-entity", "https://owasp.org/www-community/vulnerabilities/XML_External_Entity_(XXE)_Processing", cat(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><PMML>&e;</PMML>`), "", Fail},
		{"program", "https://github.com/protectai/modelscan/issues/338", cat("\x7fELF\x02\x01\x01", make([]byte, 64)), "", Fail},
		{"nothing-known", "https://github.com/protectai/modelscan/issues/338", cat("\x00\x01\x02\x03\xfe\xff", make([]byte, 64)), "", Inconclusive},
	}
}
