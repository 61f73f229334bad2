//go:build interop

package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// interopPlaces are the places that stories are told at, by the variable that names each: .ci/servers sets them.
func interopPlaces() map[string]string {
	return map[string]string{"s3": "MLX_TEST_S3", "gcs": "MLX_TEST_GCS", "azure": "MLX_TEST_AZURE", "folder": ""}
}

// TestInterop tells each story of testdata/interop/data at each place, with mlx as a real process. $PLACE is empty there, $ELSEWHERE
// also; $SECRET is a key that must not appear anywhere.
func TestInterop(t *testing.T) {
	for name, variable := range interopPlaces() {
		t.Run(name, func(t *testing.T) {
			testscript.Run(t, testscript.Params{
				Dir: "testdata/interop/data", RequireExplicitExec: true, Cmds: interopCommands(), Condition: interopCondition(name),
				Setup: func(env *testscript.Env) error { return interopSetup(env, variable) },
			})
		})
	}
}

// TestInteropRecords does the same for records that travel on a reference of a bare git repository.
func TestInteropRecords(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/interop/records", RequireExplicitExec: true, Cmds: interopCommands(), Setup: isolate,
	})
}

// interopPython is the Python that a variable names: one that has exactly the packages of a file of requirements. Without it the
// test fails: whoever asks for it wants it run.
func interopPython(t *testing.T, variable, requirements string) string {
	t.Helper()
	python := os.Getenv(variable)
	if python == "" {
		t.Fatalf("%s is not set: export %s=$(.ci/python %s)", variable, variable, requirements)
	}
	return python
}

// interopCondition makes [place] true for the name of the place.
func interopCondition(place string) func(string) (bool, error) {
	return func(word string) (bool, error) {
		if _, known := interopPlaces()[word]; !known {
			return false, fmt.Errorf("unknown condition %q", word)
		}
		return word == place, nil
	}
}

func interopSetup(env *testscript.Env, variable string) error {
	if err := isolate(env); err != nil {
		return err
	}
	env.Setenv("MLX_PROGRESS", "false")
	if variable == "" {
		env.Setenv("PLACE", "file://"+filepath.Join(env.WorkDir, "place"))
		env.Setenv("ELSEWHERE", "file://"+filepath.Join(env.WorkDir, "elsewhere"))
		env.Setenv("SECRET", "nothing is secret in a folder")
		return nil
	}
	url := os.Getenv(variable)
	if url == "" {
		return fmt.Errorf("%s is not set: eval \"$(.ci/servers up)\"", variable)
	}
	place, query, _ := strings.Cut(url, "?")
	unique := fmt.Sprintf("%s/%d-%d", place, os.Getpid(), time.Now().UnixNano())
	env.Setenv("PLACE", unique+"/a?"+query)
	env.Setenv("ELSEWHERE", unique+"/b?"+query)
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_EC2_METADATA_DISABLED", "STORAGE_EMULATOR_HOST",
		"AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY"} {
		env.Setenv(name, os.Getenv(name))
	}
	env.Setenv("SECRET", map[string]string{"MLX_TEST_S3": os.Getenv("AWS_SECRET_ACCESS_KEY"), "MLX_TEST_AZURE": os.Getenv("AZURE_STORAGE_KEY")}[variable])
	if env.Getenv("SECRET") == "" {
		env.Setenv("SECRET", "the server of this protocol knows no secret")
	}
	return nil
}

// interopCommands are the commands of these scripts beside those of testscript.
func interopCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"make-files":    makeFiles,
		"make-identity": makeIdentity,
		"same-files":    sameFiles,
		"no-secret":     noSecret,
	}
}

func need(ts *testscript.TestScript, neg bool, args []string, usage string) {
	if neg || len(args) != len(strings.Fields(usage))-1 {
		ts.Fatalf("usage: %s", usage)
	}
}

// makeFiles makes a folder of small files and one large one.
func makeFiles(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, "make-files DIR COUNT MIB")
	count, err := strconv.Atoi(args[1])
	ts.Check(err)
	mib, err := strconv.Atoi(args[2])
	ts.Check(err)
	dir := ts.MkAbs(args[0])
	write := func(name string, data []byte) {
		ts.Check(os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		ts.Check(os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	for i := range count {
		write(fmt.Sprintf("part-%02d/%04d.csv", i%10, i), fmt.Appendf(nil, "flight,delay\n%d,%d\n", i, i*i%97))
	}
	write("large.bin", seeded(count+mib, mib<<20))
}

// makeIdentity makes an SSH key in a file and sets a variable to its public half.
func makeIdentity(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, "make-identity FILE VARIABLE")
	public, private, err := ed25519.GenerateKey(rand.Reader)
	ts.Check(err)
	der, err := x509.MarshalPKCS8PrivateKey(private)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	const name = "ssh-ed25519"
	var b []byte
	for _, part := range [][]byte{[]byte(name), public} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(part))), part...)
	}
	ts.Setenv(args[1], name+" "+base64.StdEncoding.EncodeToString(b))
}

// sameFiles compares two folders, byte for byte.
func sameFiles(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, "same-files DIR DIR")
	read := func(dir string) map[string][]byte {
		all := map[string][]byte{}
		ts.Check(eachFile(ts.MkAbs(dir), func(name string, data []byte) { all[name] = data }))
		return all
	}
	one, two := read(args[0]), read(args[1])
	if len(one) != len(two) || len(one) == 0 {
		ts.Fatalf("%s has %d files, %s %d", args[0], len(one), args[1], len(two))
	}
	for name, data := range one {
		if got, ok := two[name]; !ok || !bytes.Equal(got, data) {
			ts.Fatalf("%s: %s is another one", args[1], name)
		}
	}
}

// noSecret fails if the secret, or a signature made with it, stands in what the last command printed, or in a file below a folder.
func noSecret(ts *testscript.TestScript, neg bool, args []string) {
	need(ts, neg, args, "no-secret DIR")
	secret := []byte(ts.Getenv("SECRET"))
	look := func(name string, data []byte) {
		for _, bad := range [][]byte{secret, []byte("Signature="), []byte("SharedKey ")} {
			if bytes.Contains(data, bad) && !strings.HasSuffix(name, ".gitconfig") {
				ts.Fatalf("%s holds a secret: %.8s…", name, bad)
			}
		}
	}
	look("stdout", []byte(ts.ReadFile("stdout")))
	look("stderr", []byte(ts.ReadFile("stderr")))
	ts.Check(eachFile(ts.MkAbs(args[0]), look))
}

// eachFile reads every regular file below a folder.
func eachFile(dir string, visit func(name string, data []byte)) error {
	return fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, name))
		visit(name, data)
		return err
	})
}
