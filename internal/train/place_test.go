package train

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"mlx/internal/object"
)

func TestPlaceOf(t *testing.T) {
	run := object.Sum([]byte("run"))
	for _, c := range []struct {
		name    string
		environ []string
		nodes   int
		want    Place
		err     string
	}{
		{"alone", nil, 1, Place{Nodes: 1, Master: "127.0.0.1", Shared: true}, ""},
		{"alone in somebody else's allocation", []string{"SLURM_NODEID=3", "SLURM_JOB_NODELIST=n[1-4]"}, 1, Place{Nodes: 1, Master: "127.0.0.1", Shared: true}, ""},
		{"driver", []string{"MLX_NODE_RANK=1", "MLX_MASTER_ADDR=gpu-a", "MLX_MASTER_PORT=1234", "MLX_SHARED=1", "SLURM_NODEID=0"}, 2,
			Place{Node: 1, Nodes: 2, Master: "gpu-a", Port: 1234, Shared: true}, ""},
		{"driver, no common disk", []string{"MLX_NODE_RANK=1", "MLX_MASTER_ADDR=gpu-a"}, 2, Place{Node: 1, Nodes: 2, Master: "gpu-a"}, ""},
		{"slurm", []string{"SLURM_JOB_ID=7", "SLURM_NODEID=2", "SLURM_JOB_NODELIST=gpu[07-09],x"}, 4, Place{Node: 2, Nodes: 4, Master: "gpu07", Shared: true}, ""},
		{"kubernetes", []string{"JOB_COMPLETION_INDEX=1", "MLX_MASTER_ADDR=mlx-0.mlx"}, 2, Place{Node: 1, Nodes: 2, Master: "mlx-0.mlx"}, ""},
		{"sky", []string{"SKYPILOT_NODE_RANK=1", "SKYPILOT_NODE_IPS=10.0.0.1\n10.0.0.2"}, 2, Place{Node: 1, Nodes: 2, Master: "10.0.0.1"}, ""},
		{"mpi", []string{"OMPI_COMM_WORLD_RANK=1", "MLX_MASTER_ADDR=a"}, 2, Place{Node: 1, Nodes: 2, Master: "a"}, ""},
		{"nobody says which", nil, 2, Place{}, "which of 2 nodes"},
		{"too many", []string{"MLX_NODE_RANK=2", "MLX_MASTER_ADDR=a"}, 2, Place{}, "which of 2 nodes"},
		{"no master", []string{"MLX_NODE_RANK=1"}, 2, Place{}, "where node 0"},
		{"bad port", []string{"MLX_MASTER_PORT=70000"}, 1, Place{}, "is no port"},
	} {
		got, err := PlaceOf(c.environ, c.nodes, run)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if c.want.Port == 0 {
			if got.Port < 20000 || got.Port >= 30000 {
				t.Errorf("%s: port %d", c.name, got.Port)
			}
			c.want.Port = got.Port
		}
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.name, got, err)
		}
	}
}

func TestSeatEnv(t *testing.T) {
	p := Place{Node: 1, Nodes: 2, Master: "a", Port: 29000}
	if got := (Seat{Place: Place{Nodes: 1, Master: "a"}, Ranks: 1}).Env(nil); got != nil {
		t.Errorf("alone: %v", got)
	}
	two := (Seat{Place: p, Local: 1, Ranks: 2, GPUs: 2}).Env([]string{"SLURM_JOB_ID=1"})
	for _, want := range []string{"RANK=3", "WORLD_SIZE=4", "LOCAL_RANK=1", "LOCAL_WORLD_SIZE=2", "NODE_RANK=1", "GROUP_RANK=1", "NNODES=2", "MASTER_ADDR=a",
		"MASTER_PORT=29000", "PET_NNODES=2", "PET_NODE_RANK=1", "OMPI_COMM_WORLD_RANK=3", "OMPI_COMM_WORLD_SIZE=4", "OMPI_COMM_WORLD_LOCAL_RANK=1",
		"SLURM_PROCID=3", "SLURM_LOCALID=1", "SLURM_NTASKS=4"} {
		if !slices.Contains(two, want) {
			t.Errorf("%s is not in %v", want, two)
		}
	}
	launcher := (Seat{Place: p, Ranks: 1, GPUs: 8}).Env(nil)
	if !slices.Contains(launcher, "PET_NPROC_PER_NODE=8") || slices.ContainsFunc(launcher, func(v string) bool { return strings.HasPrefix(v, "LOCAL_RANK=") }) {
		t.Errorf("one process for 8 GPUs: %v", launcher)
	}
}

func TestExpandHosts(t *testing.T) {
	for list, want := range map[string][]string{
		"gpu1":              {"gpu1"},
		"a,b":               {"a", "b"},
		"gpu[1-3,07],login": {"gpu1", "gpu2", "gpu3", "gpu07", "login"},
		"n[098-101]-ib":     {"n098-ib", "n099-ib", "n100-ib", "n101-ib"},
		"a[1":               nil,
		"a[3-1]":            nil,
		"a[1-2]b[1-2]":      nil,
		"a[0-99999999]":     nil,
		"":                  nil,
		"a[x]":              nil,
	} {
		got, err := ExpandHosts(list)
		if diff := cmp.Diff(want, got); diff != "" || (err != nil) != (want == nil) {
			t.Errorf("%q: %v, %v", list, got, err)
		}
	}
}

func FuzzExpandHosts(f *testing.F) {
	f.Add("gpu[1-3,07],login")
	f.Fuzz(func(t *testing.T, list string) {
		if got, err := ExpandHosts(list); err == nil && (len(got) == 0 || len(got) > 2*maxNodes+len(list)) {
			t.Errorf("%d hosts", len(got))
		}
	})
}

func TestSecrets(t *testing.T) {
	all := []string{"A=one\ntwo", "B==", "TOKEN=x"}
	if got, err := ParseSecrets(FormatSecrets(all)); err != nil || !slices.Equal(got, all) {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := ParseSecrets(nil); err != nil || len(got) != 0 {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range []string{"no name\x00", "=x\x00", "A=1\x00\x00"} {
		if _, err := ParseSecrets([]byte(bad)); err == nil || strings.Contains(err.Error(), "no name\x00") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// What may be asked for is what a node executes: nothing is refused only when it is there.
func TestResourcesOfOrder(t *testing.T) {
	for _, n := range []int{1, 100, 1024, 1025, 10_000, 100_000, 100_001} {
		for _, r := range []Resources{{Nodes: 1, Ranks: n}, {Nodes: n, Ranks: 1}} {
			o := Order{
				Run: object.Sum([]byte("run")), Tree: object.Sum([]byte("tree")), Start: []byte("{}"), Ledger: "0123456789abcdef", Nodes: r.Nodes, Ranks: r.Ranks,
			}
			if asked, there := r.Check(), o.Check(); (asked == nil) != (there == nil) {
				t.Errorf("%d nodes, %d ranks: %v, on the node: %v", r.Nodes, r.Ranks, asked, there)
			}
		}
	}
	if err := (Resources{GPUs: 10_000, CPUs: 10_000}).Check(); err != nil {
		t.Error(err)
	}
}

func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"kind":"order/v1","run":"sha256:` + strings.Repeat("a", 64) + `","ledger":"0123456789abcdef","start":{},"tree":"` + strings.Repeat("b", 64) + `","nodes":1,"ranks":1,"models":[{"name":"../x","kind":"file"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		o, err := ParseOrder(text)
		if err != nil || o.Check() != nil {
			return
		}
		for _, m := range o.Models {
			if strings.Contains("/"+m.Name+"/", "/../") || strings.HasPrefix(m.Name, "/") {
				t.Errorf("model %q", m.Name)
			}
		}
	})
}

func FuzzTold(f *testing.F) {
	f.Add([]byte(`{"kind":"told/v1","state":"running","at":"2026-11-26T16:42:00.966Z"}`))
	f.Add([]byte(`{"kind":"result/v1","record":"","roots":[{"root":""}]}`))
	f.Fuzz(func(_ *testing.T, text []byte) {
		_, _ = ParseTold(text)
		_, _ = ParseResult(text)
		_, _ = ParseSecrets(text)
	})
}

func TestOrderCheck(t *testing.T) {
	good := Order{Kind: "order/v1", Run: object.Sum([]byte("r")), Tree: object.Sum([]byte("t")), Start: []byte("{}"), Ledger: "0123456789abcdef", Nodes: 1}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Order){
		"ledger":        func(o *Order) { o.Ledger = "../../../etc/pass" },
		"no tree":       func(o *Order) { o.Tree = object.Digest{} },
		"nodes":         func(o *Order) { o.Nodes = 0 },
		"many ranks":    func(o *Order) { o.Ranks = 1 << 20 },
		"variable":      func(o *Order) { o.Env = []string{"A B=1"} },
		"zero byte":     func(o *Order) { o.Env = []string{"A=1\x00B=2"} },
		"secret":        func(o *Order) { o.Secrets = []string{"A=1"} },
		"setup":         func(o *Order) { o.Setup = []string{"a\x00b"} },
		"model":         func(o *Order) { o.Models = []OrderModel{{Name: "../x", Kind: "file"}} },
		"model of .mlx": func(o *Order) { o.Models = []OrderModel{{Name: "a/.MLX", Kind: "file"}} },
		"model kind":    func(o *Order) { o.Models = []OrderModel{{Name: "x", Kind: "pipe"}} },
		"grace":         func(o *Order) { o.Grace = -1 },
	} {
		o := good
		if spoil(&o); o.Check() == nil {
			t.Errorf("%s: no word against it", name)
		}
	}
}
