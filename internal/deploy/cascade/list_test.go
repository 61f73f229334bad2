package cascade

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestListsHaveWhatTheyWereMadeOf(t *testing.T) {
	for _, n := range []int{1, 2, 31, 5000, 70_000} {
		for _, alike := range []bool{false, true} {
			var text strings.Builder
			text.WriteString("# known\r\n\n")
			var all [][]byte
			for i := range n {
				sum := sha256.Sum256(fmt.Append(nil, i))
				if alike { // all of them begin with the same bytes
					copy(sum[:], "same")
				}
				all = append(all, sum[:])
				fmt.Fprintf(&text, "%X  file of a name\n", sum)
				if i%3 == 0 {
					fmt.Fprintf(&text, "%x\n", sum) // twice
				}
			}
			l := listOf(t, text.String())
			if l.Len() != int64(n) || l.Width() != 32 || l.Source() != [32]byte{7} {
				t.Fatalf("%d of %d, width %d, of %v", l.Len(), n, l.Width(), l.Source())
			}
			if err := l.Verify(); err != nil {
				t.Fatal(err)
			}
			for i, hash := range all {
				has, err := l.Has(hash)
				other := bytes.Clone(hash)
				other[31] ^= 1
				hasOther, otherErr := l.Has(other)
				if !has || hasOther || err != nil || otherErr != nil {
					t.Fatalf("%d of %d, alike %v: %v %v, another %v %v", i, n, alike, has, err, hasOther, otherErr)
				}
			}
			for _, hash := range [][]byte{{}, make([]byte, 32), bytes.Repeat([]byte{255}, 32), make([]byte, 16)} {
				if has, err := l.Has(hash); has || err != nil {
					t.Errorf("%x: %v %v", hash, has, err)
				}
			}
		}
	}
}

// listOf makes a list of a text.
func listOf(t testing.TB, text string) *List {
	t.Helper()
	l, err := Open(fileOf(t, text))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func textIn(name string) Text {
	return Text{name, func() (io.ReadCloser, error) { return os.Open(name) }}
}

func fileOf(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "known.hashes"), filepath.Join(dir, "known.list")
	if err := os.WriteFile(from, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Build(t.Context(), textIn(from), to, [32]byte{7}); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if len(left) > 0 || err != nil {
		t.Errorf("it leaves %v, %v", left, err)
	}
	return to
}

func TestListsOfWhatIsNoHash(t *testing.T) {
	sum := md5.Sum(nil)
	good := hex.EncodeToString(sum[:])
	for name, c := range map[string]struct{ text, want string }{
		"empty":       {"# nothing\n", "it has 0 hashes"},
		"short":       {good + "\nabc\n", `line 2: "abc" is no hash of 32 digits, as the first one`},
		"no digits":   {strings.Repeat("x", 64) + "\n", "line 1: .* is no hash in hexadecimal digits"},
		"odd":         {"abcde\n", "is no hash of 16, 32, 40, 64 or 128 digits"},
		"two lengths": {good + "\n" + good + good + "\n", "line 2: "},
		"long":        {strings.Repeat("a", maxListLine+1), "a line of more than"},
	} {
		dir := t.TempDir()
		from := filepath.Join(dir, "known")
		if err := os.WriteFile(from, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := Build(t.Context(), textIn(from), filepath.Join(dir, "list"), [32]byte{})
		want, _, _ := strings.Cut(c.want, ".*")
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
		if checked := Check(t.Context(), textIn(from)); checked == nil || err == nil || checked.Error() != err.Error() {
			t.Errorf("%s: it is checked as %v, and made as %v", name, checked, err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("%s leaves %v", name, left)
		}
	}
	if err := Build(t.Context(), textIn(filepath.Join(t.TempDir(), "none")), filepath.Join(t.TempDir(), "list"), [32]byte{}); err == nil {
		t.Error("a list of no file")
	}
}

// TestDamagedListsAreFound flips every bit of the head and some of the rest.
func TestDamagedListsAreFound(t *testing.T) {
	var text strings.Builder
	for i := range 300 {
		fmt.Fprintf(&text, "%x\n", md5.Sum(fmt.Append(nil, i)))
	}
	whole, err := os.ReadFile(fileOf(t, text.String()))
	if err != nil {
		t.Fatal(err)
	}
	open := func(b []byte) error {
		l, err := newList(bytes.NewReader(b), int64(len(b)))
		if err == nil {
			err = l.Verify()
		}
		return err
	}
	if err := open(whole); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at++ {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1 << (at % 8)
		if open(damaged) == nil {
			t.Errorf("byte %d changed, and nobody sees it", at)
		}
	}
	for _, n := range []int{0, 1, 63, 64, 100, len(whole) - 1} {
		if open(whole[:n]) == nil {
			t.Errorf("%d bytes of %d are a list", n, len(whole))
		}
	}
}

func FuzzList(f *testing.F) {
	text := fmt.Sprintf("%x\n%x\n", md5.Sum([]byte("a")), md5.Sum([]byte("b")))
	whole, err := os.ReadFile(fileOf(f, text))
	if err != nil {
		f.Fatal(err)
	}
	sum := md5.Sum([]byte("a"))
	f.Add(whole, sum[:])
	f.Add([]byte(listMagic), []byte{})
	f.Fuzz(func(_ *testing.T, file, hash []byte) {
		l, err := newList(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		_ = l.Verify()
		_, _ = l.Has(hash) // an error is an answer
	})
}
