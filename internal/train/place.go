package train

import (
	"cmp"
	"strconv"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/object"
)

// Place says which of the nodes of a job a process is on.
type Place struct {
	Node   int    // counts from 0
	Nodes  int    // of the job
	Master string // where node 0 can be reached by the others
	Port   int    // free there, and the same for all
	Shared bool   // the folder of the job is one folder for all nodes
}

// PlaceOf finds the place of this process in its environment: what a driver of mlx says wins over what Slurm, Kubernetes, SkyPilot
// or MPI say. nodes is how many the job has.
func PlaceOf(environ []string, nodes int, run object.Digest) (Place, error) {
	env := variables(environ)
	p := Place{Nodes: max(1, nodes), Master: env[MasterVariable], Port: firstPort + (int(run[0])<<8|int(run[1]))%ports}
	if p.Nodes == 1 {
		p.Master = cmp.Or(p.Master, "127.0.0.1")
	}
	number := nodeNumber(env)
	if p.Nodes > 1 && number == "" {
		return p, fault.New(fault.Usage, "cannot tell which of %d nodes this is: none of MLX_NODE_RANK, SLURM_NODEID, JOB_COMPLETION_INDEX, "+
			"SKYPILOT_NODE_RANK, OMPI_COMM_WORLD_RANK is set", p.Nodes)
	}
	var err error
	if p.Nodes > 1 {
		if p.Node, err = strconv.Atoi(number); err != nil || p.Node < 0 || p.Node >= p.Nodes {
			return p, fault.New(fault.Usage, "cannot tell which of %d nodes this is: its number is %.20q", p.Nodes, number)
		}
	}
	if port := env[MasterPortVariable]; port != "" {
		if p.Port, err = strconv.Atoi(port); err != nil || p.Port < 1 || p.Port > 65535 {
			return p, fault.New(fault.Usage, "cannot use MLX_MASTER_PORT: %.20q is no port", port)
		}
	}
	if list := cmp.Or(env["SLURM_STEP_NODELIST"], env["SLURM_JOB_NODELIST"]); p.Master == "" && list != "" {
		hosts, err := ExpandHosts(list)
		if err != nil {
			return p, err
		}
		p.Master = hosts[0]
	}
	if p.Master == "" {
		p.Master, _, _ = strings.Cut(env["SKYPILOT_NODE_IPS"], "\n")
	}
	if p.Master == "" {
		return p, fault.New(fault.Usage, "cannot tell where node 0 of %d is: MLX_MASTER_ADDR is not set", p.Nodes)
	}
	p.Shared = p.Nodes == 1 || env[SharedVariable] == "1" || env[SharedVariable] == "" && env["SLURM_JOB_ID"] != ""
	return p, nil
}

func nodeNumber(env map[string]string) string {
	return cmp.Or(env[NodeRankVariable], env["SLURM_NODEID"], env["JOB_COMPLETION_INDEX"], env["SKYPILOT_NODE_RANK"], env["OMPI_COMM_WORLD_RANK"])
}

// MayFollow says whether this may be another node than node 0 of a job: only the order says how many there are.
func MayFollow(environ []string) bool {
	n, err := strconv.Atoi(nodeNumber(variables(environ)))
	return err == nil && n > 0
}

func variables(environ []string) map[string]string {
	all := make(map[string]string, len(environ))
	for _, v := range environ {
		name, value, _ := strings.Cut(v, "=")
		all[name] = value
	}
	return all
}

// Seat is one process of a job.
type Seat struct {
	Place
	Local int // its number on the node
	Ranks int // processes on each node, as mlx starts them
	GPUs  int // of each node
}

// Rank is its number among all.
func (s Seat) Rank() int { return s.Node*s.Ranks + s.Local }

// World is how many there are.
func (s Seat) World() int { return s.Nodes * s.Ranks }

// Env is what frameworks for distributed training expect in the environment of a process, NAME=VALUE; docs/distributed.md says who
// reads what. Nothing where the process is the only one. within is the environment that it adds to.
func (s Seat) Env(within []string) []string {
	if s.World() == 1 {
		return nil
	}
	var all []string
	set := func(value string, names ...string) {
		for _, name := range names {
			all = append(all, name+"="+value)
		}
	}
	rank, world, node, nodes := strconv.Itoa(s.Rank()), strconv.Itoa(s.World()), strconv.Itoa(s.Node), strconv.Itoa(s.Nodes)
	set(rank, "RANK", "OMPI_COMM_WORLD_RANK")
	set(world, "WORLD_SIZE", "OMPI_COMM_WORLD_SIZE")
	set(node, "NODE_RANK", "GROUP_RANK", "PET_NODE_RANK")
	set(nodes, "NNODES", "PET_NNODES")
	set(s.Master, "MASTER_ADDR", "PET_MASTER_ADDR")
	set(strconv.Itoa(s.Port), "MASTER_PORT", "PET_MASTER_PORT")
	local, ranks := strconv.Itoa(s.Local), strconv.Itoa(s.Ranks)
	if s.Ranks > 1 || s.GPUs < 2 {
		set(local, "LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_RANK")
		set(ranks, "LOCAL_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE")
	} else { // the command starts a process for each GPU itself, which it would not if it found LOCAL_RANK
		set(strconv.Itoa(s.GPUs), "PET_NPROC_PER_NODE")
	}
	if variables(within)["SLURM_JOB_ID"] != "" { // Slurm knows of one process on each node, mlx itself
		set(rank, "SLURM_PROCID")
		set(local, "SLURM_LOCALID")
		set(world, "SLURM_NTASKS", "SLURM_NPROCS", "SLURM_STEP_NUM_TASKS")
		set(ranks, "SLURM_NTASKS_PER_NODE")
	}
	return all
}

// ExpandHosts lists the hosts of a list as Slurm writes it: gpu[1-3,07],login.
func ExpandHosts(list string) ([]string, error) {
	const most = maxNodes
	bad := fault.New(fault.Usage, "cannot read the list of hosts %.80q", list)
	var all []string
	for list != "" {
		var part string
		if end := outsideComma(list); end < 0 {
			part, list = list, ""
		} else {
			part, list = list[:end], list[end+1:]
		}
		before, rest, ranged := strings.Cut(part, "[")
		inside, after, closed := strings.Cut(rest, "]")
		if !ranged {
			all = append(all, part)
			continue
		}
		if !closed || strings.Contains(after, "[") {
			return nil, bad
		}
		for numbers := range strings.SplitSeq(inside, ",") {
			from, to, isRange := strings.Cut(numbers, "-")
			if !isRange {
				to = from
			}
			a, errA := strconv.Atoi(from)
			b, errB := strconv.Atoi(to)
			if errA != nil || errB != nil || a < 0 || b < a || b-a+len(all) > most {
				return nil, bad
			}
			for n := a; n <= b; n++ {
				digits := strconv.Itoa(n)
				all = append(all, before+strings.Repeat("0", max(0, len(from)-len(digits)))+digits+after)
			}
		}
	}
	if len(all) == 0 || all[0] == "" {
		return nil, bad
	}
	return all, nil
}

// outsideComma finds the first comma that is in no brackets, -1 for none.
func outsideComma(s string) int {
	depth := 0
	for i, c := range s {
		switch {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			return i
		}
	}
	return -1
}
