package train

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mlx/internal/fault"
)

// Variables that an agent gets of a job with several nodes.
const (
	NodeRankVariable   = "MLX_NODE_RANK"
	NodesVariable      = "MLX_NODES"
	MasterVariable     = "MLX_MASTER_ADDR"
	MasterPortVariable = "MLX_MASTER_PORT"
	SharedVariable     = "MLX_SHARED" // 1: the folder of the job is that of the first node; 0: it is not
)

// submitMany starts the agents of a job with several nodes. The first is started last: a submit that was cut short has not begun.
func (f *Fleet) submitMany(ctx context.Context, hosts []*Host, j Job, start startQuestion) (string, error) {
	first, err := hosts[0].ask(ctx, jobsQuestion{Prepare: &prepareQuestion{Run: j.ID}})
	if err != nil {
		return "", err
	}
	master, shared, err := f.prepareOthers(ctx, hosts, j, first.Prepared)
	if err != nil {
		return "", err
	}
	handles := make([]string, len(hosts))
	begin := func(rank int) error {
		q := start
		q.Rank = rank
		q.Env = append(slices.Clone(start.Env), NodeRankVariable+"="+strconv.Itoa(rank), NodesVariable+"="+strconv.Itoa(start.Nodes),
			MasterVariable+"="+master, MasterPortVariable+"="+strconv.Itoa(first.Prepared.Port))
		if shared[rank] {
			q.Env = append(q.Env, SharedVariable+"=1")
		} else {
			q.Env = append(q.Env, SharedVariable+"=0")
		}
		said, err := hosts[rank].ask(ctx, jobsQuestion{Start: &q})
		if err == nil {
			handles[rank] = handleOf(hosts[rank], said)
		}
		return err
	}
	if err := eachOther(hosts, begin); err != nil {
		return "", err
	}
	if err := begin(0); err != nil {
		return "", err
	}
	return strings.Join(handles, handleComma), nil
}

// eachOther does something on all hosts but the first, at once.
func eachOther(hosts []*Host, do func(rank int) error) error {
	errs := make([]error, len(hosts))
	var wait sync.WaitGroup
	for rank := 1; rank < len(hosts); rank++ {
		wait.Go(func() { errs[rank] = do(rank) })
	}
	wait.Wait()
	return errors.Join(errs...)
}

// prepareOthers finds out how the other hosts reach the first, and brings them what the job needs if they do not share its folder.
func (f *Fleet) prepareOthers(ctx context.Context, hosts []*Host, j Job, first *prepared) (master string, shared []bool, err error) {
	if first == nil {
		return "", nil, fault.New(fault.Integrity, "%s does not say how it is prepared", hosts[0].label())
	}
	addresses := first.Addresses
	if s, err := hosts[0].settings(ctx); hosts[0].Name != "" && err == nil && !net.ParseIP(s.address).IsLoopback() && s.address != "localhost" {
		addresses = append([]string{s.address}, addresses...)
	}
	shared = make([]bool, len(hosts))
	shared[0] = true
	reach := make([][]string, len(hosts))
	err = eachOther(hosts, func(rank int) error {
		said, err := hosts[rank].ask(ctx, jobsQuestion{Prepare: &prepareQuestion{
			Run: j.ID, Rank: rank, Mark: first.Mark, Machine: first.Machine, Addresses: addresses,
		}})
		if err == nil && said.Prepared == nil {
			err = fault.New(fault.Integrity, "%s does not say how it is prepared", hosts[rank].label())
		}
		if err != nil {
			return err
		}
		shared[rank], reach[rank] = said.Prepared.Shared, said.Prepared.Addresses
		if shared[rank] {
			return nil
		}
		return f.bring(ctx, hosts[0], hosts[rank], j)
	})
	if err != nil {
		return "", nil, err
	}
	for _, a := range append([]string{"127.0.0.1"}, addresses...) {
		if !slices.ContainsFunc(reach[1:], func(those []string) bool { return !slices.Contains(those, a) }) {
			return a, shared, nil
		}
	}
	return "", nil, fault.New(fault.Unavailable, "the hosts of the run have no address of %s in common: they know %v", hosts[0].label(), reach[1:]).
		Hint("edit mlx.yaml   # hosts: the first by a name that the others can reach")
}
