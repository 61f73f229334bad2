package train

import "testing"

// The hint has to work when it is pasted: ssh-keygen finds a key only under the name under which ssh keeps it.
func TestForgetKey(t *testing.T) {
	said := func(file, name string) string {
		return "@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r\nAdd correct host key in /a/known_hosts to get rid of this message.\r\n" +
			"Offending ED25519 key in " + file + ":12\r\nHost key for " + name + " has changed and you have requested strict checking.\r\nHost key verification failed.\r\n"
	}
	for _, c := range []struct{ said, want string }{
		{said("/home/a/.ssh/known_hosts", "10.0.0.7"), "ssh-keygen -f /home/a/.ssh/known_hosts -R 10.0.0.7"},
		{said("/home/a/.ssh/known_hosts", "[127.0.0.1]:2222"), "ssh-keygen -f /home/a/.ssh/known_hosts -R '[127.0.0.1]:2222'"},
		{said("/etc/ssh/known hosts", "node-alias"), "ssh-keygen -f '/etc/ssh/known hosts' -R node-alias"},
		{"RSA host key for bastion has changed and you have requested strict checking.\n", "ssh-keygen -R bastion"},
		{"@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\n", "ssh-keygen -R box"},
	} {
		if got := forgetKey(c.said, "box"); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
