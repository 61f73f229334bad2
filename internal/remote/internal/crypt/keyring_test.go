package crypt

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"mlx/internal/fault"
)

// person is one who has a key.
type person struct {
	public  string
	private []byte
}

func agePerson(t testing.TB) person {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return person{id.Recipient().String(), []byte("# created: today\n# public key: x\n" + id.String() + "\n")}
}

func quantumPerson(t testing.TB) person {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return person{id.Recipient().String(), []byte(id.String())}
}

func sshPerson(t testing.TB, kind, passphrase string) person {
	t.Helper()
	file := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "a comment", "-f", file).CombinedOutput(); err != nil {
		t.Skipf("no ssh-keygen: %v: %s", err, out)
	}
	public, err := os.ReadFile(file + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	private, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return person{string(public), private}
}

func wrap(t testing.TB, r *Ring, all ...person) []byte {
	t.Helper()
	var to []string
	for _, p := range all {
		to = append(to, p.public)
	}
	body, err := r.Wrap(to)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func open(t testing.TB, bodies [][]byte, p person) *Ring {
	t.Helper()
	r, err := OpenRing(bodies, [][]byte{p.private})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rotate(t testing.TB, r *Ring, seed byte) *Ring {
	t.Helper()
	next, err := r.Rotate(noise(seed))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func TestRecipientsOpen(t *testing.T) {
	r := testRing(t, 1)
	sealed, err := r.SealBytes("log/0", []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	people := []person{agePerson(t), agePerson(t), sshPerson(t, "ed25519", ""), sshPerson(t, "rsa", "")}
	body := wrap(t, r, people...)
	for _, p := range people {
		got, err := open(t, [][]byte{body}, p).OpenBytes("log/0", sealed)
		if err != nil || string(got) != "hello" {
			t.Errorf("%.30s: %v", p.public, err)
		}
	}
	q := quantumPerson(t)
	open(t, [][]byte{wrap(t, r, q)}, q)
	to, err := Recipients(body)
	if err != nil || len(to) != len(people) || to[0] != people[0].public || strings.Contains(to[2], "comment") {
		t.Errorf("recipients %q, %v", to, err)
	}
}

func TestWrongKeysAreNamed(t *testing.T) {
	r := testRing(t, 1)
	in, out, locked := agePerson(t), agePerson(t), sshPerson(t, "ed25519", "secret words")
	body := wrap(t, r, in)
	_, err := OpenRing([][]byte{body}, [][]byte{out.private, locked.private, []byte("nonsense-AGE\n")})
	wantKind(t, err, fault.Denied)
	for _, want := range []string{in.public, out.public, "SSH key with a passphrase", "no private key of age"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	for _, secret := range []string{"AGE-SECRET", "nonsense", "BEGIN"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q is in %q", secret, err)
		}
	}
	_, err = OpenRing([][]byte{body}, nil)
	wantKind(t, err, fault.Denied)
	_, err = OpenRing(nil, [][]byte{in.private})
	wantKind(t, err, fault.Integrity)
}

// TestRemoval plays the life of a keyring: two recipients, one is removed, another comes.
func TestRemoval(t *testing.T) {
	stays, leaves, comes := agePerson(t), agePerson(t), agePerson(t)
	first := testRing(t, 1)
	before, err := first.SealBytes("log/1", []byte("old"))
	if err != nil {
		t.Fatal(err)
	}
	second := rotate(t, first, 2)
	after, err := second.SealBytes("log/2", []byte("new"))
	if err != nil {
		t.Fatal(err)
	}
	bodies := [][]byte{wrap(t, first, stays, leaves), wrap(t, second, stays), wrap(t, second, stays, comes)}
	for _, p := range []person{stays, comes} {
		r := open(t, bodies, p)
		for context, sealed := range map[string][]byte{"log/1": before, "log/2": after} {
			if _, err := r.OpenBytes(context, sealed); err != nil {
				t.Errorf("%s: %v", context, err)
			}
		}
		if keys := r.Keys(); len(keys) != 2 || keys[0] != first.Keys()[0] {
			t.Errorf("keys %v", keys)
		}
	}
	gone := open(t, bodies, leaves)
	if _, err := gone.OpenBytes("log/1", before); err != nil {
		t.Errorf("who left cannot read what there was: %v", err)
	}
	_, err = gone.OpenBytes("log/2", after)
	wantKind(t, err, fault.Integrity)
}

// TestForgedKeyrings holds that who can write to the bucket, or was removed, cannot make others use his key.
func TestForgedKeyrings(t *testing.T) {
	stays, leaves := agePerson(t), agePerson(t)
	first := testRing(t, 1)
	second := rotate(t, first, 2)
	bodies := [][]byte{wrap(t, first, stays, leaves), wrap(t, second, stays)}
	forged := map[string][]byte{
		"by a stranger":          wrap(t, testRing(t, 9), stays),
		"by who left":            wrap(t, rotate(t, open(t, bodies, leaves), 9), stays),
		"with an older state":    bodies[0],
		"with all keys reversed": wrap(t, &Ring{keys: []ringKey{second.keys[1], second.keys[0]}}, stays),
	}
	for name, body := range forged {
		_, err := OpenRing([][]byte{bodies[0], bodies[1], body}, [][]byte{stays.private})
		if err == nil {
			t.Errorf("a keyring written %s is taken", name)
			continue
		}
		wantKind(t, err, fault.Integrity)
	}
}

func TestChangedKeyrings(t *testing.T) {
	p := agePerson(t)
	body := wrap(t, testRing(t, 1), p)
	for i := range body {
		bad := bytes.Clone(body)
		bad[i] ^= 1
		if _, err := OpenRing([][]byte{bad}, [][]byte{p.private}); err == nil {
			t.Fatalf("byte %d changed, and it opens", i)
		}
	}
	for n := range body {
		if _, err := OpenRing([][]byte{body[:n]}, [][]byte{p.private}); err == nil {
			t.Fatalf("cut to %d bytes, and it opens", n)
		}
	}
}

func TestParseRecipients(t *testing.T) {
	p, q := agePerson(t), quantumPerson(t)
	secret := strings.Split(string(p.private), "\n")[2]
	cases := map[string]struct {
		to   []string
		want string
	}{
		"one":           {[]string{p.public}, ""},
		"twice":         {[]string{p.public, " " + p.public + "\n"}, ""},
		"none":          {nil, "0 recipients"},
		"private":       {[]string{secret}, "a private key"},
		"private, low":  {[]string{strings.ToLower(secret)}, "a private key"},
		"private, SSH":  {[]string{"-----BEGIN OPENSSH PRIVATE KEY-----"}, "a private key"},
		"damaged":       {[]string{p.public[:len(p.public)-1]}, "damaged"},
		"damaged SSH":   {[]string{"ssh-rsa AAAA"}, "damaged"},
		"SSH, no key":   {[]string{"ssh-rsa "}, "neither"},
		"ecdsa":         {[]string{"ecdsa-sha2-nistp256 AAAA"}, "only ssh-ed25519"},
		"name":          {[]string{"alice"}, "neither"},
		"quantum":       {[]string{q.public}, ""},
		"quantum mixed": {[]string{q.public, p.public}, "together"},
	}
	for name, c := range cases {
		err := ParseRecipients(c.to)
		if c.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		} else if strings.Contains(strings.ToUpper(err.Error()), "AGE-SECRET") {
			t.Errorf("%s: the message holds the key: %v", name, err)
		}
	}
}

func TestKeysEnd(t *testing.T) {
	r := testRing(t, 1)
	for i := 1; i < maxKeys; i++ {
		next, err := r.Rotate(bytes.NewReader(bytes.Repeat([]byte{byte(i)}, 32)))
		if err != nil {
			t.Fatal(err)
		}
		r = next
	}
	p := agePerson(t)
	if got := open(t, [][]byte{wrap(t, r, p)}, p); len(got.Keys()) != maxKeys {
		t.Errorf("%d keys", len(got.Keys()))
	}
	_, err := r.Rotate(noise(2))
	wantKind(t, err, fault.Conflict)
	_, err = NewRing(bytes.NewReader(nil))
	wantKind(t, err, fault.Unavailable)
	_, err = testRing(t, 1).Rotate(noise(1))
	wantKind(t, err, fault.Internal)
}

func FuzzOpenRing(f *testing.F) {
	p := agePerson(f)
	body := wrap(f, testRing(f, 1), p)
	f.Add(body, p.private)
	f.Add([]byte(`{"v":1,"keys":["00"],"to":["age1"]}`+"\nage-encryption.org/v1\n-> X25519 AA\nAA\n--- AA\n"), p.private)
	f.Add([]byte(`{"v":2}`+"\n"), []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, body, key []byte) {
		if r, err := OpenRing([][]byte{body}, [][]byte{key, p.private}); err == nil && len(r.Keys()) == 0 {
			t.Fatal("a ring without keys")
		}
	})
}
