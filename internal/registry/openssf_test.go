package registry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mlx/internal/fault"
)

func TestModelTrust(t *testing.T) {
	file := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("internal", "openssf", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for _, name := range []string{"p256.pub", "p384.pub", "p521.pub"} {
		if by, err := ReadModelTrust(file(name)); err != nil || by.Key == nil || by.Roots != nil {
			t.Errorf("%s: %v %v", name, by, err)
		}
	}
	if by, err := ReadModelTrust(append(file("ca.pem"), file("other-ca.pem")...)); err != nil || by.Key != nil || len(by.Roots) != 2 {
		t.Errorf("certificates: %v %v", by, err)
	}
	ed, line := newKey(t)
	for name, text := range map[string]string{
		"both": string(file("p256.pub")) + string(file("ca.pem")), "ed25519": line, "nothing": "", "words": ed.Fingerprint(),
		"private": "-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n", "damaged": strings.Replace(string(file("p256.pub")), "M", "N", 1),
	} {
		if by, err := ReadModelTrust([]byte(text)); fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v %v", name, by, err)
		}
	}
}

func FuzzReadModelTrust(f *testing.F) {
	for _, name := range []string{"p256.pub", "ca.pem"} {
		b, err := os.ReadFile(filepath.Join("internal", "openssf", "testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBK k"))
	f.Fuzz(func(t *testing.T, text []byte) {
		by, err := ReadModelTrust(text)
		if err == nil && by.Key == nil && len(by.Roots) == 0 {
			t.Fatal("nobody is trusted, and that is no error")
		}
	})
}

func FuzzSignatureFields(f *testing.F) {
	f.Add([]byte(`{"inputs": "[{\"type\": \"double\", \"name\": \"x\"}]", "outputs": [{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		in, out := signatureFields(text)
		if len(in) > maxFields || len(out) > maxFields {
			t.Fatal("too many fields")
		}
	})
}

func TestSignatureFields(t *testing.T) {
	in, out := signatureFields([]byte(`{"inputs": "[{\"type\": \"double\", \"name\": \"x\"}]", "outputs": [{"type": "long"}]}`))
	if len(in) != 1 || in[0] != (CardField{"x", "double"}) || len(out) != 1 || out[0] != (CardField{"", "long"}) {
		t.Errorf("%v %v", in, out)
	}
}
