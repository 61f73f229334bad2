package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// floors lists every package that may exist and its floor: a package imports lower floors only.
var floors = map[string]int{
	"internal/fault": 0,
	"internal/stats": 0,
	"internal/page":  0,

	"internal/object":  1,
	"internal/cli":     1,
	"internal/repo":    1,
	"internal/dataset": 1,
	"internal/kube":    1,
	"internal/bucket":  1,
	"internal/scan":    1,

	"internal/snapshot": 2,
	"internal/lineage":  2,
	"internal/source":   2,
	"internal/history":  2,

	"internal/run":      3,
	"internal/gate":     3,
	"internal/registry": 3,
	"internal/image":    3,
	"internal/train":    3,
	"internal/remote":   3,

	"internal/pipeline": 4,
	"internal/deploy":   4,
	"internal/drift":    4,
	"internal/tracking": 4,
	"internal/llm":      4,
	"internal/audit":    4,
	"internal/feature":  4,

	"internal/web": 5,
	"cmd/mlx":      9,
}

// sameFloor lists the imports inside a floor that the design allows: object is the alphabet of the floor it opens.
var sameFloor = map[string][]string{
	"internal/cli":  {"internal/object"},
	"internal/repo": {"internal/object"},
}

// owners says which packages may import a third-party module. cmd/mlx tests may use all of the test helpers.
var owners = map[string][]string{
	"charm.land/lipgloss/v2":                 {"internal/cli"},
	"golang.org/x/term":                      {"internal/cli"},
	"github.com/spf13/viper":                 {"internal/repo"},
	"github.com/go-git/go-git/v5":            {"internal/repo"},
	"github.com/go-git/go-billy/v5":          {"internal/repo"},
	"github.com/goccy/go-yaml":               {"internal/repo", "internal/history"},                                                                            // files that MLflow and W&B write
	"github.com/pelletier/go-toml":           {"internal/repo"},                                                                                                // files of parameters
	"github.com/klauspost/compress":          {"internal/snapshot", "internal/lineage", "internal/run", "internal/scan", "internal/dataset", "internal/audit"}, // packs, series and predictions are zstd frames
	"github.com/ulikunitz/xz":                {"internal/scan"},                                                                                                // models are also kept as xz and lzma
	"github.com/expr-lang/expr":              {"internal/gate"},                                                                                                // conditions over columns and metrics
	"github.com/pierrec/lz4/v4":              {"internal/scan", "internal/dataset"},
	"github.com/andybalholm/brotli":          {"internal/dataset"}, // pages of Parquet
	"golang.org/x/mod":                       {"internal/lineage"},
	"golang.org/x/crypto":                    {"internal/lineage", "tests"},
	"golang.org/x/text":                      {"internal/snapshot", "internal/repo"}, // normalisation of file names
	"golang.org/x/sys":                       {"internal/snapshot", "internal/lineage", "internal/repo", "internal/run", "internal/train", "internal/audit", "internal/deploy"},
	"gocloud.dev":                            {"internal/bucket", "internal/audit"}, // pubsub: predictions go on to a broker
	"cloud.google.com/go":                    {"internal/bucket"},
	"github.com/aws/aws-sdk-go-v2":           {"internal/bucket"},
	"github.com/aws/smithy-go":               {"internal/bucket"},
	"github.com/Azure/azure-sdk-for-go":      {"internal/bucket"},
	"google.golang.org/api":                  {"internal/bucket"},
	"golang.org/x/oauth2":                    {"internal/bucket"},
	"k8s.io/api":                             {"internal/kube"},
	"k8s.io/apimachinery":                    {"internal/kube"},
	"k8s.io/client-go":                       {"internal/kube"},
	"k8s.io/klog":                            {"internal/kube"}, // told to be silent
	"k8s.io/streaming":                       {"internal/kube"}, // says which refusals of a stream mean: try SPDY
	"filippo.io/age":                         {"internal/remote"},
	"github.com/jackc/pgx":                   {"internal/source"},
	"github.com/CycloneDX/cyclonedx-go":      {"internal/registry"},       // bills of materials
	"github.com/tsenart/vegeta/v12":          {"internal/gate"},           // the load generator
	"gonum.org/v1/gonum":                     {"internal/stats"},          // special functions
	"github.com/google/go-containerregistry": {"internal/image", "tests"}, // registries, their credentials, and images of OCI
	"github.com/spf13/cobra":                 {"cmd/mlx"},
	"github.com/spf13/pflag":                 {"cmd/mlx"}, // the flags of cobra
	"github.com/google/go-cmp":               {"tests"},
	"github.com/rabbitmq/amqp091-go":         {"tests"},                     // what was sent on is taken out of a queue
	"github.com/IBM/sarama":                  {"tests"},                     // and read from a topic
	"github.com/in-toto/attestation":         {"tests"},                     // the published definitions that export slsa is read with
	"google.golang.org/protobuf":             {"internal/history", "tests"}, // the log of W&B
	"github.com/rogpeppe/go-internal":        {"tests"},
}

// strangers never import each other: what one needs of another is a function passed by cmd/mlx.
var strangers = []string{"internal/run", "internal/registry", "internal/image", "internal/train"}

const moduleRoot = "../.."

type goFile struct {
	path, dir string
	test      bool
	imports   []string
}

// TestImports checks every row of the house's rules and names the import that breaks one.
func TestImports(t *testing.T) {
	for _, f := range goFiles(t) {
		pkg := packageOf(f.dir)
		floor, known := floors[pkg]
		if !known && strings.HasPrefix(f.dir, "internal/") {
			t.Errorf("%s: package %s has no floor", f.path, pkg)
			continue
		}
		for _, imported := range f.imports {
			if problem := judge(f, pkg, floor, imported); problem != "" && known {
				t.Errorf("%s imports %s: %s", f.path, imported, problem)
			}
		}
	}
}

func judge(f goFile, pkg string, floor int, imported string) string {
	if own, ok := strings.CutPrefix(imported, "mlx/"); ok {
		return judgeOwn(pkg, floor, packageOf(own))
	}
	if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") {
		return "" // standard library
	}
	for module, allowed := range owners {
		if imported != module && !strings.HasPrefix(imported, module+"/") {
			continue
		}
		if slices.Contains(allowed, pkg) || f.test && slices.Contains(allowed, "tests") {
			return ""
		}
		return "it belongs to " + strings.Join(allowed, ", ")
	}
	return "a module without an owner"
}

func judgeOwn(pkg string, floor int, target string) string {
	switch {
	case target == pkg || slices.Contains(sameFloor[pkg], target):
		return ""
	case target == "internal/cli" || target == "internal/repo":
		if pkg != "cmd/mlx" {
			return "only cmd/mlx knows it"
		}
	case slices.Contains(strangers, pkg) && slices.Contains(strangers, target):
		return "the two are strangers"
	case floors[target] >= floor:
		return "it is no lower floor"
	}
	return ""
}

// packageOf returns the package that a folder belongs to: itself, or the one whose driver or private half it is.
func packageOf(dir string) string {
	parts := strings.Split(dir, "/")
	return path.Join(parts[:min(2, len(parts))]...)
}

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var all []goFile
	walk(t, func(p string, set *token.FileSet) {
		f, err := parser.ParseFile(set, filepath.Join(moduleRoot, p), nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		file := goFile{path: p, dir: path.Dir(p), test: strings.HasSuffix(p, "_test.go")}
		for _, spec := range f.Imports {
			file.imports = append(file.imports, strings.Trim(spec.Path.Value, `"`))
		}
		all = append(all, file)
	})
	if len(all) < 50 {
		t.Fatalf("found only %d Go files", len(all))
	}
	return all
}

// TestHabits holds the habits that a parser can see: short files and functions, no init, a comment on each package.
func TestHabits(t *testing.T) {
	commented := make(map[string]bool)
	walk(t, func(p string, set *token.FileSet) {
		f, err := parser.ParseFile(set, filepath.Join(moduleRoot, p), nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		dir := path.Dir(p)
		commented[dir] = commented[dir] || f.Doc != nil
		if strings.HasSuffix(p, "_test.go") {
			return
		}
		if lines := set.Position(f.FileEnd).Line; lines > 400 {
			t.Errorf("%s has %d lines, at most 400", p, lines)
		}
		for _, decl := range f.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if fn.Name.Name == "init" && fn.Recv == nil {
				t.Errorf("%s has an init function", p)
			}
			if lines := set.Position(fn.End()).Line - set.Position(fn.Pos()).Line + 1; lines > 60 {
				t.Errorf("%s: %s has %d lines, at most 60", p, fn.Name.Name, lines)
			}
		}
	})
	for dir, ok := range commented {
		if !ok {
			t.Errorf("package %s has no comment that names what it hides", dir)
		}
	}
}

// TestOneOutputSwitch holds that what a command prints has no branch of its own: Emit and its kin know whether it is JSON
// and whether it is a terminal. The places that ask for something else are counted here.
func TestOneOutputSwitch(t *testing.T) {
	allowed := map[string]int{
		"root.go":          3, // the flag itself, also where the command line is broken
		"run.go":           2, // the summary goes to stderr as an answer goes to stdout
		"help.go":          1, // how wide a line may be
		"log.go":           3, // a screenful by default; --raw needs --json
		"log_watch.go":     1, // a person is told that nothing was found
		"checkout.go":      1, // with --json a half answer is none
		"import.go":        1, // the same
		"log_select.go":    4, // rows as JSON need whole records, and so more is read; --json wins over --format
		"diff_sheet.go":    1, // the same
		"diff_rows_csv.go": 1, // the same: all differences go to stdout as they are found
		"show_family.go":   2, // whole runs are read for a person only
		"repro_view.go":    1, // a line a stage as it ends, or one document
		"job_list.go":      3, // a person is told that nothing runs; --watch draws on a terminal and lists changes elsewhere
		"job_logs.go":      1, // bytes as they came, or rows of lines
	}
	walk(t, func(p string, set *token.FileSet) {
		if path.Dir(p) != "cmd/mlx" || strings.HasSuffix(p, "_test.go") {
			return
		}
		f, err := parser.ParseFile(set, filepath.Join(moduleRoot, p), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			return
		}
		n := 0
		ast.Inspect(f, func(node ast.Node) bool {
			if s, ok := node.(*ast.SelectorExpr); ok && (s.Sel.Name == "JSON" || s.Sel.Name == "OutTTY") {
				n++
			}
			return true
		})
		if most := allowed[path.Base(p)]; n > most {
			t.Errorf("%s asks %d times for --json or the terminal, at most %d are known: an answer goes through Emit", p, n, most)
		}
	})
}

// walk calls visit for each Go file of the product, by its path from the root with slashes.
func walk(t *testing.T, visit func(string, *token.FileSet)) {
	t.Helper()
	set := token.NewFileSet()
	for _, top := range []string{"cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(moduleRoot, top), func(p string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return fs.SkipDir
			}
			if strings.HasSuffix(p, ".go") {
				rel, err := filepath.Rel(moduleRoot, p)
				if err != nil {
					return err
				}
				visit(filepath.ToSlash(rel), set)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
