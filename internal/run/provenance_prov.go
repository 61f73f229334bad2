package run

import (
	"fmt"
	"math"
	"net/url"
	"strconv"

	"mlx/internal/object"
)

// provDocument is a PROV-JSON document of the W3C: things by kind and identifier, each with its attributes.
type provDocument struct {
	Prefix            map[string]string `json:"prefix"`
	Entity            provThings        `json:"entity,omitempty"`
	Activity          provThings        `json:"activity"`
	Agent             provThings        `json:"agent"`
	WasGeneratedBy    provThings        `json:"wasGeneratedBy,omitempty"`
	Used              provThings        `json:"used,omitempty"`
	WasAssociatedWith provThings        `json:"wasAssociatedWith,omitempty"`
	WasAttributedTo   provThings        `json:"wasAttributedTo,omitempty"`
	WasDerivedFrom    provThings        `json:"wasDerivedFrom,omitempty"`
	WasInformedBy     provThings        `json:"wasInformedBy,omitempty"`
	WasInfluencedBy   provThings        `json:"wasInfluencedBy,omitempty"`
}

type provThings map[string]map[string]any

// provLiteral is a value with its type.
type provLiteral struct {
	Value string `json:"$"`
	Type  string `json:"type"`
}

// PROV writes the run as a PROV-JSON document: the run is an activity, what it read and wrote are entities, who started
// it is an agent. Every input counts as a source of every output.
func (a Account) PROV() ([]byte, error) {
	d := provDocument{
		Prefix: map[string]string{"mlx": "mlx:"},
		Entity: provThings{}, Used: provThings{}, WasGeneratedBy: provThings{}, WasDerivedFrom: provThings{},
	}
	run, who := "mlx:run/"+a.ID, "mlx:user/"+url.QueryEscape(a.By)
	d.Activity = provThings{run: a.activity()}
	d.Agent = provThings{who: {"prov:type": provName("prov:Person"), "prov:label": a.By}}
	d.WasAssociatedWith = provThings{"_:with": {"prov:activity": run, "prov:agent": who}}
	if a.Parent != nil {
		d.WasInformedBy = provThings{"_:parent": {"prov:informed": run, "prov:informant": "mlx:run/" + *a.Parent}}
	}
	if a.RerunOf != nil {
		d.WasInfluencedBy = provThings{"_:rerun": {"prov:influencee": run, "prov:influencer": "mlx:run/" + *a.RerunOf}}
	}
	var sources []string
	for _, in := range a.inputs() {
		d.add(in)
		d.Used[fmt.Sprintf("_:used%d", len(d.Used)+1)] = map[string]any{"prov:activity": run, "prov:entity": in.id, "prov:role": in.role}
		if in.role == "data" {
			sources = append(sources, in.id)
		}
	}
	for _, o := range a.Body.Outputs {
		out := provEntity{id: provContent(o.Digest), kind: "mlx:" + o.Kind, path: o.Path}
		d.add(out)
		made := map[string]any{"prov:activity": run, "prov:entity": out.id, "prov:role": o.Path}
		if a.EndedAt != nil {
			made["prov:time"] = rfc3339(*a.EndedAt)
		}
		d.WasGeneratedBy[fmt.Sprintf("_:made%d", len(d.WasGeneratedBy)+1)] = made
		for _, s := range sources {
			d.WasDerivedFrom[fmt.Sprintf("_:from%d", len(d.WasDerivedFrom)+1)] = map[string]any{
				"prov:generatedEntity": out.id, "prov:usedEntity": s, "prov:activity": run}
		}
	}
	return pretty(d)
}

// provEntity is something that a run read or wrote.
type provEntity struct {
	id, kind, path, role string
}

// provContent identifies bytes by their digest: the SHA-256 of a file, the root of a folder. The same bytes are one entity
// in the documents of all runs.
func provContent(d object.Digest) string { return "mlx:content/" + d.Hex() }

func provName(name string) provLiteral { return provLiteral{name, "prov:QUALIFIED_NAME"} }

// add describes an entity; bytes that lie at several paths are one entity with several locations.
func (d *provDocument) add(e provEntity) {
	known := d.Entity[e.id]
	if known == nil {
		known = map[string]any{"prov:type": provName(e.kind)}
		d.Entity[e.id] = known
	}
	if e.path == "" {
		return
	}
	places, _ := known["prov:location"].([]string)
	for _, p := range places {
		if p == e.path {
			return
		}
	}
	known["prov:location"] = append(places, e.path)
}

// inputs are what the run used, code first.
func (a Account) inputs() []provEntity {
	var all []provEntity
	if a.Commit != nil {
		all = append(all, provEntity{"mlx:git/" + *a.Commit, "mlx:commit", "", "code"})
	}
	if a.Body.Code.Patch != nil {
		all = append(all, provEntity{provContent(*a.Body.Code.Patch), "mlx:patch", "", "code"})
	}
	if a.Body.Code.Files != nil {
		all = append(all, provEntity{provContent(*a.Body.Code.Files), "mlx:directory", "", "code"})
	}
	known := make(map[string]bool)
	for _, d := range a.Body.Data {
		known[d.Path] = true
		all = append(all, provEntity{provContent(d.Root), "mlx:snapshot", d.Path, "data"})
	}
	if a.Stage != nil {
		for _, d := range a.Stage.Deps {
			if !known[d.Path] {
				all = append(all, provEntity{provContent(d.Digest), "mlx:dependency", d.Path, "data"})
			}
		}
	}
	if a.Environment == nil {
		return all
	}
	if p := a.Environment.Python; p != nil {
		all = append(all, provEntity{provContent(p.Lock), "mlx:packages", "", "environment"})
	}
	for _, l := range a.Environment.Locks {
		all = append(all, provEntity{provContent(l.Digest), "mlx:lock", l.Path, "environment"})
	}
	return all
}

// activity describes the run itself.
func (a Account) activity() map[string]any {
	all := map[string]any{
		"prov:type": provName("mlx:run"), "prov:label": a.job(), "mlx:command": word(a.Command), "mlx:folder": a.Folder,
		"mlx:state": string(a.State), "mlx:host": a.Machine.Host,
	}
	if a.StartedAt != nil {
		all["prov:startTime"] = rfc3339(*a.StartedAt)
	}
	if a.EndedAt != nil {
		all["prov:endTime"] = rfc3339(*a.EndedAt)
	}
	if a.ExitStatus != nil {
		all["mlx:exit_status"] = provLiteral{strconv.Itoa(*a.ExitStatus), "xsd:int"}
	}
	if a.Cause != nil {
		all["mlx:cause"] = *a.Cause
	}
	for name, v := range a.Params {
		all["mlx:params."+url.QueryEscape(name)] = provValue(v)
	}
	for name, n := range a.Metrics {
		all["mlx:metrics."+url.QueryEscape(name)] = provDouble(float64(n))
	}
	return all
}

func provValue(v any) any {
	switch v := v.(type) {
	case float64:
		return provDouble(v)
	case bool:
		return provLiteral{strconv.FormatBool(v), "xsd:boolean"}
	case string:
		return v
	}
	return word(v)
}

// provDouble writes a number as XML Schema does.
func provDouble(f float64) provLiteral {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	switch {
	case math.IsInf(f, 1):
		text = "INF"
	case math.IsInf(f, -1):
		text = "-INF"
	}
	return provLiteral{text, "xsd:double"}
}
