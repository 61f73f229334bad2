package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"mlx/internal/deploy"
	"mlx/internal/fault"
)

// newTFData answers the data source "external" of Terraform and OpenTofu.
func newTFData(a *app) *cobra.Command {
	return &cobra.Command{
		Use:    "tf-data",
		Short:  "Answer Terraform's data source external: what is in service",
		Hidden: true,
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			text, err := a.tfData(cmd.Context())
			if err != nil { // the protocol wants status 1, and the words on stderr
				a.streams.FailAs(err, int(no))
				a.answer(no)
				return nil
			}
			return a.streams.Raw(text)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
}

// maxTFQuery bounds a query.
const maxTFQuery = 64 << 10

// tfData reads a query, a JSON object of strings, and makes the answer: another one.
func (a *app) tfData(ctx context.Context) ([]byte, error) {
	query, err := readTFQuery(a.streams.In)
	if err != nil {
		return nil, fault.New(fault.Usage, "cannot answer Terraform: %w", err).Hint(`query = { service = "NAME", env = "production" }`)
	}
	name := query["service"]
	if err := inEnvironment(&name, query["env"]); err != nil {
		return nil, err
	}
	if _, err := a.serviceNamed(name); err != nil {
		return nil, err
	}
	l, err := a.ledger()
	if err != nil {
		return nil, err
	}
	known, err := deploy.Book{Ledger: l}.Service(ctx, name)
	if err != nil {
		return nil, err
	}
	if known.Current == nil {
		return nil, fault.New(fault.NotFound, "cannot tell Terraform of %s: nothing is in service by the records that are here", name).Hint("mlx pull --no-checkout")
	}
	text, err := json.Marshal(tfResult(*known.Current))
	return append(text, '\n'), err
}

// readTFQuery takes what Terraform writes, and nothing else.
func readTFQuery(r io.Reader) (map[string]string, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxTFQuery+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxTFQuery {
		return nil, errors.New("the query is too long")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	var values map[string]*string
	var kind *json.UnmarshalTypeError
	switch err := d.Decode(&values); {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, errors.New("the query is empty")
	case errors.As(err, &kind): // its own words name types of this program
		return nil, errors.New("the query is no JSON object of strings")
	case err != nil:
		return nil, fault.New(fault.Usage, "the query is no JSON object of strings: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("the query is followed by something else")
	}
	query := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		switch {
		case key != "service" && key != "env":
			return nil, fault.New(fault.Usage, "the query has %q, and only service and env mean something", key)
		case values[key] != nil: // null is what Terraform writes for what is not set
			query[key] = *values[key]
		}
	}
	if strings.TrimSpace(query["service"]) == "" {
		return nil, errors.New("the query names no service")
	}
	return query, nil
}

// tfResult is what is in service. The protocol knows strings only; what is not known is an empty one, so that each key is always there.
func tfResult(r deploy.Release) map[string]string {
	return map[string]string{"model": r.Model, "version": strconv.Itoa(r.Version), "digest": r.Digest.Hex(), "image": r.Image, "release": r.Key, "commit": r.Commit}
}

// tfKeys are the keys of it, sorted.
func tfKeys() []string { return slices.Sorted(maps.Keys(tfResult(deploy.Release{}))) }
