//go:build interop && unix

package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestInteropTerraform has a parser of Terraform's language read what mlx writes, and asks the programs that stand in it as Terraform does: a JSON
// object of strings in, one out, and every value that the file names is in it.
func TestInteropTerraform(t *testing.T) {
	python := os.Getenv("MLX_TEST_TERRAFORM")
	if python == "" {
		t.Fatal("MLX_TEST_TERRAFORM is not set: .ci/interop sets it")
	}
	script, err := os.ReadFile("testdata/python/terraform.py")
	if err != nil {
		t.Fatal(err)
	}
	h := newSomebody(t).hosts("flights", map[string]string{"one.json": `{"w": 1}`, "mlx.yaml": `
services:
  flights: {model: flights, cmd: exec servedmodel, ready: /health, replicas: 2}
  7.days: {model: flights, cmd: exec servedmodel, ready: /health}
environments:
  staging: {services.flights.replicas: 1}
`})
	h.write(script, "read.py")
	h.register("flights", "one.json")
	h.name = "flights@staging"
	h.start()
	h.mlx("deploy", "flights", "flights@v1", "--env", "staging")
	for _, words := range [][]string{{}, {"--env", "staging"}, {"service:7.days"}, {"service:flights@staging"}} {
		h.mlx(append([]string{"export", "terraform", "-o", "mlx.tf"}, words...)...)
		file := decoded[struct {
			Asks map[string]struct {
				Kind, Folder string
				Program      []string
				Query        map[string]string
			}
			Locals    map[string]map[string]string
			Providers map[string]any
		}](t, h.do("project", python, h.path("read.py"), "mlx.tf"))
		if file.Providers["external"] == nil || len(file.Asks) == 0 || !slices.Equal(slices.Sorted(maps.Keys(file.Asks)), slices.Sorted(maps.Keys(file.Locals))) {
			t.Errorf("%v: it reads %+v", words, file)
		}
		for label, ask := range file.Asks {
			if ask.Kind != "external" || ask.Folder != "${path.module}" {
				t.Errorf("%v: %s is %+v", words, label, ask)
			}
			query, err := json.Marshal(ask.Query)
			if err != nil {
				t.Fatal(err)
			}
			cmd := h.command("project", ask.Program...)
			cmd.Stdin = strings.NewReader(string(query))
			out, err := cmd.Output()
			if ask.Query["env"] != "staging" || ask.Query["service"] != "flights" {
				if cmd.ProcessState.ExitCode() != 1 || len(out) > 0 {
					t.Errorf("%s: nothing is in service, and it answers %d %s", query, cmd.ProcessState.ExitCode(), out)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %v", query, err)
			}
			said := decoded[map[string]string](t, string(out))
			for key, from := range file.Locals[label] {
				if _, is := said[key]; !is || from != "${data.external."+label+".result."+key+"}" {
					t.Errorf("%s is %s, of %v", key, from, said)
				}
			}
			if len(said) != len(file.Locals[label]) || said["version"] != "1" {
				t.Errorf("%s gives %v, and the file has %v", query, said, file.Locals[label])
			}
		}
	}
}
