package main

import (
	"context"
	"strings"

	"mlx/internal/fault"
	"mlx/internal/pipeline/export"
	"mlx/internal/repo"
)

const formTerraform = "terraform"

// exportTerraform writes a file that gives Terraform what is in service: of one service, or of all, in an environment or as they stand.
func (a *app) exportTerraform(_ context.Context, o exportOptions, v *exportView) error {
	if o.schedule != "" || o.image != "" || len(o.secrets) > 0 {
		return fault.New(fault.Usage, "cannot export as terraform with --schedule, --image or --secret: it asks mlx what is in service")
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	names := cfg.Services.Names()
	switch {
	case len(o.refs) > 1:
		return fault.New(fault.Usage, "cannot export %d things as terraform: one service, or all", len(o.refs)).Hint("mlx export terraform")
	case len(o.refs) == 1:
		name, is := strings.CutPrefix(o.refs[0], refService+":")
		if !is {
			return fault.New(fault.Usage, "cannot export %s as terraform: it is no service", o.refs[0]).Hint("mlx export terraform service:NAME")
		}
		names = []string{name}
	}
	file := tfFile{labels: map[string]string{}}
	for _, name := range names {
		if err := inEnvironment(&name, o.env); err != nil {
			return err
		}
		if _, err := a.serviceNamed(name); err != nil {
			return err
		}
		if err := file.add(name); err != nil {
			return err
		}
		v.Of = append(v.Of, fault.Ref{Kind: refService, Name: name})
	}
	if len(names) == 0 {
		return fault.New(fault.NotFound, "cannot export as terraform: %s has no services", repo.ConfigName)
	}
	v.Files = []export.File{{Name: "mlx.tf", Text: file.text(o)}}
	return nil
}

// tfFile is a file of Terraform.
type tfFile struct {
	labels map[string]string // services by what Terraform calls them
	data   strings.Builder
	locals strings.Builder
}

// add adds a service.
func (f *tfFile) add(name string) error {
	label := tfLabel(name)
	if other, taken := f.labels[label]; taken {
		return fault.New(fault.Conflict, "cannot export as terraform: services %s and %s are both called %s there", other, name, label).
			Hint("mlx export terraform service:%s", shellWord(name))
	}
	f.labels[label] = name
	service, environment := repo.SplitService(name)
	query := "service = " + tfText(service)
	if environment != "" {
		query += ", env = " + tfText(environment)
	}
	f.data.WriteString("\ndata \"external\" \"" + label + "\" {\n  program     = [\"mlx\", \"tf-data\"]\n  working_dir = path.module\n  query       = { " + query + " }\n}\n")
	f.locals.WriteString("    " + label + " = {\n")
	for _, key := range tfKeys() {
		f.locals.WriteString("      " + key + strings.Repeat(" ", max(len("release")-len(key), 0)) + " = data.external." + label + ".result." + key + "\n")
	}
	f.locals.WriteString("    }\n")
	return nil
}

func (f *tfFile) text(o exportOptions) string {
	command := "terraform"
	for _, ref := range o.refs {
		command += " " + ref
	}
	if o.env != "" {
		command += " --env " + o.env
	}
	return "# Written by: mlx export " + command + ". This file lies in the repository: mlx is asked in its folder.\n" +
		"terraform {\n  required_providers {\n    external = {\n      source  = \"hashicorp/external\"\n      version = \">= 2.0\"\n    }\n  }\n}\n" +
		f.data.String() + "\n# What is in service: local.mlx." + tfLabel(f.first()) + ".digest\nlocals {\n  mlx = {\n" + f.locals.String() + "  }\n}\n"
}

// first is a service of the file.
func (f *tfFile) first() string {
	least := ""
	for _, name := range f.labels {
		if least == "" || name < least {
			least = name
		}
	}
	return least
}

// tfLabel makes a name of Terraform: letters, digits, _ and -, and no digit or - first.
func tfLabel(name string) string {
	label := strings.Map(func(c rune) rune {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return '_'
		}
		return c
	}, name)
	if label == "" || label[0] == '-' || label[0] >= '0' && label[0] <= '9' {
		label = "_" + label
	}
	return label
}

// tfText is a text in quotes, in which nothing is put in by Terraform.
func tfText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", "$${", "%{", "%%{", "\n", `\n`).Replace(s) + `"`
}
