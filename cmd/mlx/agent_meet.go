package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"mlx/internal/fault"
)

// meetPatience is how long ranks wait for each other.
const meetPatience = time.Minute

// newAgentMeet is the smallest program in which ranks meet as those of torchrun do: rank 0 listens at the master address, all others come to it.
func newAgentMeet(a *app) *cobra.Command {
	var rank, ranks int
	cmd := &cobra.Command{
		Use:         "meet ADDRESS:PORT",
		Short:       "Let the ranks of a job meet, to try whether they can",
		Example:     "mlx agent meet --rank 1 127.0.0.1:23917",
		Args:        cobra.ExactArgs(1),
		Annotations: map[string]string{needsNothing: ""},
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), meetPatience)
			defer cancel()
			if rank > 0 {
				return visit(ctx, args[0], rank)
			}
			return a.receive(ctx, args[0], ranks)
		},
	}
	cmd.Flags().IntVar(&rank, "rank", 0, "`RANK` of this process; 0 waits for the others")
	cmd.Flags().IntVar(&ranks, "ranks", 2, "`NUMBER` of all ranks")
	return cmd
}

// receive waits until every other rank has come, and prints them in order.
func (a *app) receive(ctx context.Context, address string, ranks int) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return fault.New(fault.Unavailable, "cannot listen at %s: %w", address, err)
	}
	defer func() { _ = l.Close() }() // it only listened
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var met []int
	for len(met) < ranks-1 {
		c, err := l.Accept()
		if err != nil {
			return fault.New(fault.Unavailable, "%d of %d ranks came to %s: %w", len(met)+1, ranks, address, err)
		}
		line, err := bufio.NewReader(c).ReadString('\n')
		n, numberErr := strconv.Atoi(strings.TrimSpace(line))
		if err == nil && numberErr == nil && n > 0 && n < ranks && !slices.Contains(met, n) {
			met = append(met, n)
			_, err = fmt.Fprintln(c, "met", n)
		}
		_ = c.Close() // its answer is written, or it asks again
		if err != nil {
			continue
		}
	}
	slices.Sort(met)
	for _, n := range met {
		if err := a.streams.Raw([]byte(fmt.Sprintf("met %d\n", n))); err != nil {
			return err
		}
	}
	return nil
}

// visit comes to rank 0, again until it is there.
func visit(ctx context.Context, address string, rank int) error {
	for {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
		if err == nil {
			_ = c.SetDeadline(time.Now().Add(meetPatience)) // a connection that takes none ends with the process
			if _, err = fmt.Fprintln(c, rank); err == nil {
				var line string
				if line, err = bufio.NewReader(c).ReadString('\n'); err == nil && line == fmt.Sprintf("met %d\n", rank) {
					return c.Close()
				}
			}
			_ = c.Close() // tried again
		}
		select {
		case <-ctx.Done():
			return fault.New(fault.Unavailable, "rank %d cannot reach %s: %w", rank, address, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
