package main

import (
	"strings"
	"testing"

	"mlx/internal/repo"
)

func TestServicesOfAClusterAreApart(t *testing.T) {
	at := func(gateway, hostname, path string) repo.Kubernetes {
		return repo.Kubernetes{Gateway: gateway, Hostname: hostname, Path: path}
	}
	in := func(path, branch string) repo.Kubernetes {
		k := at("infra/public", path+branch+".example", "")
		k.GitOps = repo.GitOps{Path: path, Branch: branch}
		return k
	}
	knative := at("infra/public", "a.example", "")
	knative.Form = repo.FormKnative
	for _, tt := range []struct {
		a, b repo.Kubernetes
		what string
	}{
		{at("infra/public", "a.example", ""), at("infra/public", "a.example", "/"), "hostname and path of Gateway infra/public"},
		{at("infra/public", "a.example", ""), at("infra/public", "b.example", ""), ""},
		{at("infra/public", "a.example", "/v1"), at("infra/public", "a.example", "/v2"), ""},
		{at("infra/public", "a.example", ""), at("infra/private", "a.example", ""), ""},
		{at("", "", ""), at("", "", ""), ""},
		{knative, at("infra/public", "a.example", ""), ""},
		{in("deploy/flights.yaml", ""), in("deploy/flights.yaml", ""), "file deploy/flights.yaml"},
		{in("deploy/flights.yaml", ""), in("deploy/flights.yaml", "staging"), ""},
	} {
		if what, hint := shared(tt.a, tt.b); !strings.Contains(what, tt.what) || (what == "") != (tt.what == "") || (what == "") != (hint == "") {
			t.Errorf("%+v and %+v: %q %q, want %q", tt.a, tt.b, what, hint, tt.what)
		}
	}
}
