package haproxy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"mlx/internal/deploy"
	"mlx/internal/deploy/router"
)

const head = "<134>Nov 27 11:39:13 localhost haproxy[13385]: "

func TestLines(t *testing.T) {
	line := func(server, at, status, waited, end string) string {
		return head + "mlx1 13385 flights " + server + " " + at + " " + status + " " + waited + " 1000000 1012345 " + end + " 0 146 116\n"
	}
	for _, c := range []struct {
		name, text   string
		formed, mine bool
		want         said
	}{
		{"an answer", line("s1", "127.0.0.1:9001", "200", "0 0", "----"), true, true, said{"s1", "127.0.0.1:9001", router.Outcome{Latency: 12345 * time.Microsecond}, false}},
		{"one that waited", line("s1", "127.0.0.1:9001", "200", "5 2", "----"), true, true, said{"s1", "127.0.0.1:9001", router.Outcome{Latency: 5345 * time.Microsecond}, false}},
		{"an error of the server", line("s1", "127.0.0.1:9001", "500", "0 0", "----"), true, true,
			said{"s1", "127.0.0.1:9001", router.Outcome{Failed: true, Latency: 12345 * time.Microsecond}, false}},
		{"cut off", line("s1", "127.0.0.1:9001", "200", "0 0", "SD--"), true, true,
			said{"s1", "127.0.0.1:9001", router.Outcome{Failed: true, Broke: true, Latency: 12345 * time.Microsecond}, false}},
		{"too late", line("s1", "127.0.0.1:9001", "504", "0 0", "sH--"), true, true,
			said{"s1", "127.0.0.1:9001", router.Outcome{Failed: true, Latency: 12345 * time.Microsecond}, false}},
		{"the client went", line("s1", "127.0.0.1:9001", "-1", "0 0", "CH--"), true, true,
			said{"s1", "127.0.0.1:9001", router.Outcome{Left: true, Latency: 12345 * time.Microsecond}, false}},
		{"nobody", line("<NOSRV>", "-:-", "503", "-1 -1", "SC--"), true, true,
			said{"", "", router.Outcome{Failed: true, Broke: true, Latency: 12345 * time.Microsecond}, false}},
		{"no request", line("<NOSRV>", "-:-", "400", "-1 -1", "PR--"), true, true, said{"", "", router.Outcome{Latency: 12345 * time.Microsecond}, true}},
		{"another backend", head + "mlx1 1 other s1 127.0.0.1:1 200 0 0 1 2 ---- 0 1 1", true, false, said{}},
		{"more before it", "<134>1 2026-11-27T11:39:13Z host haproxy 1 - - 10.0.0.1:5000 \"x\" " + line("s1", "127.0.0.1:9001", "200", "0 0", "----")[len(head):], true, true,
			said{"s1", "127.0.0.1:9001", router.Outcome{Latency: 12345 * time.Microsecond}, false}},
		{"without its time", head + "mlx1 1 flights s1 127.0.0.1:9001 200 0 0 - 1012345 ---- 0 146 116", true, true, said{"s1", "127.0.0.1:9001", router.Outcome{}, false}},
		{"something else", head + "Server flights/s1 is DOWN", false, false, said{}},
		{"cut short", head + "mlx1 13385 flights s1 127.0.0.1:9001 200 0", false, false, said{}},
	} {
		l, formed, mine := parseLine([]byte(c.text), "flights")
		if got := (said{l.server, l.address, l.outcome, l.refused}); formed != c.formed || mine != c.mine || mine && got != c.want {
			t.Errorf("%s: %v %v %+v", c.name, formed, mine, got)
		}
	}
}

type said struct {
	server, address string
	outcome         router.Outcome
	refused         bool
}

func FuzzLine(f *testing.F) {
	f.Add([]byte(head+"mlx1 13385 flights s1 127.0.0.1:9001 200 0 0 1000000 1012345 ---- 0 146 116\n"), "flights")
	f.Add([]byte("mlx1 a b c d -9 99999999999999999999 -1 9223372036854775807 9223372036854775807 SC +9 1 1"), "b")
	f.Fuzz(func(t *testing.T, text []byte, backend string) {
		l, formed, mine := parseLine(text, backend)
		if l.outcome.Latency < 0 || l.outcome.Latency > longest || mine && !formed {
			t.Errorf("%q: %+v", text, l)
		}
	})
}

const stateHead = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight srv_time_since_last_change srv_check_status " +
	"srv_check_result srv_check_health srv_check_state srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord\n"

func stateLine(n int, address, flags string) string {
	return fmt.Sprintf("3 flights %d s%d %s 2 %s 1 1 5 6 3 2 6 0 0 0 - 9001 -\n", n, n, address, flags)
}

func TestStates(t *testing.T) {
	got, err := parseState(stateHead + stateLine(1, "127.0.0.1", "4") + stateLine(2, "::1", "5") + stateLine(3, "127.0.0.1", "12"))
	if err != nil || len(got) != 3 || got[0].state != ready || got[1].state != empty || got[2].state != draining || got[1].address != "[::1]:9001" || !got[0].up {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "Can't find backend.\n", "Permission denied\n", stateHead + "3 flights 1 s1 127.0.0.1 x\n", "1\n3 flights 1 s1 127.0.0.1 2 4\n"} {
		if got, err := parseState(text); err == nil && len(got) > 0 {
			t.Errorf("%q is understood: %+v", text, got)
		}
	}
}

func FuzzState(f *testing.F) {
	f.Add(stateHead + stateLine(1, "127.0.0.1", "4"))
	f.Add("# a,b\n# pxname,svname,qcur,scur,stot,wretr,wredis\nflights,s1,0,1,2,3,4\nPid: 7\n")
	f.Fuzz(func(t *testing.T, text string) {
		if all, err := parseState(text); err == nil && len(all) > maxServers {
			t.Error("too many servers")
		}
		for name, l := range parseStat(text) {
			if l.underWay < 0 && l.given < 0 {
				t.Errorf("%s: %+v", name, l)
			}
		}
		_, _, _ = columnOf(text, "mode"), infoOf(text, "Pid"), refusal(text)
		_ = recent(text)
	})
}

// TestAServerKeepsItsSlot has a plane that knows only what HAProxy says: it comes to what the one before it did.
func TestAServerKeepsItsSlot(t *testing.T) {
	now := []slot{{name: "s1", state: empty, address: "127.0.0.1:1"}, {name: "s2", state: ready, address: "127.0.0.1:20", weight: 99, up: true},
		{name: "s3", state: ready, address: "127.0.0.1:30", weight: 1, up: true}, {name: "s4", state: draining, address: "127.0.0.1:40"}}
	to := router.Route{Arms: []router.RouteArm{{Key: "one", Role: deploy.Stable, Share: 9900}, {Key: "two", Role: deploy.Candidate, Share: 100}},
		Servers: map[string]router.RouteServers{"one": {Addresses: []string{"127.0.0.1:20"}}, "two": {Addresses: []string{"127.0.0.1:30"}}}}
	if got := planOf(now, to, map[string]load{"s4": {underWay: 1}}).commands(now, "b"); len(got) != 0 {
		t.Errorf("nothing is to be changed: %q", got)
	}
	if got := planOf(now, to, nil).commands(now, "b"); strings.Join(got, ";") != "set server b/s4 state maint" {
		t.Errorf("one that is empty is freed: %q", got)
	}
	to.Servers["two"] = router.RouteServers{Addresses: []string{"127.0.0.1:31"}} // of before the machine was started, perhaps
	if got := planOf(now, to, map[string]load{"s3": {underWay: 1}, "s4": {underWay: 1}}).commands(now, "b"); strings.Join(got, ";") !=
		"set server b/s2 weight 1;set server b/s3 weight 0;set server b/s3 state drain" {
		t.Errorf("what nobody has told gets no slot: %q", got)
	}
	to.Servers["two"] = router.RouteServers{Addresses: []string{"127.0.0.1:31"}, Told: true}
	if got := planOf(now, to, map[string]load{"s3": {underWay: 1}, "s4": {underWay: 1}}).commands(now, "b"); strings.Join(got, ";") !=
		"set server b/s1 addr 127.0.0.1 port 31;set server b/s1 weight 1;set server b/s1 state ready;set server b/s3 weight 0;set server b/s3 state drain" {
		t.Errorf("another server of the candidate: %q", got)
	}
}
