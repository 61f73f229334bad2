package registry

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// bomFormulation tells the run that made the model: its command, code, what it read and wrote.
func (c Card) bomFormulation(data, files []string) *[]cdx.Formula {
	r := c.Run
	if r == nil {
		return nil
	}
	var inputs []cdx.TaskInput
	for _, ref := range data {
		inputs = append(inputs, cdx.TaskInput{Resource: &cdx.ResourceReferenceChoice{Ref: ref}})
	}
	var outputs []cdx.TaskOutput
	for _, ref := range files {
		outputs = append(outputs, cdx.TaskOutput{Type: cdx.TaskOutputTypeArtifact, Resource: &cdx.ResourceReferenceChoice{Ref: ref}})
	}
	props := []cdx.Property{property("code", c.code()), property("machine", r.Machine), property("dirty", strconv.FormatBool(r.Dirty))}
	if r.Commit != nil {
		props = append(props, property("commit", *r.Commit))
	}
	if c.Environment != nil && c.Environment.Python != nil {
		props = append(props, property("python", *c.Environment.Python))
	}
	flow := cdx.Workflow{BOMRef: bomRun, UID: r.ID, Name: "mlx run " + r.ID[:min(12, len(r.ID))], TaskTypes: &[]cdx.TaskType{cdx.TaskTypeBuild},
		Steps:  &[]cdx.TaskStep{{Name: "command", Commands: &[]cdx.TaskCommand{{Executed: strings.Join(r.Command, " ")}}}},
		Inputs: pointTo(inputs), Outputs: pointTo(outputs), Properties: &props}
	if r.Started != nil {
		flow.TimeStart = r.Started.UTC().Format(time.RFC3339)
	}
	if r.Ended != nil {
		flow.TimeEnd = r.Ended.UTC().Format(time.RFC3339)
	}
	return &[]cdx.Formula{{Workflows: &[]cdx.Workflow{flow}}}
}

// claims collects what somebody says of the model, with the records that say it.
type claims struct {
	assess  []cdx.Assessor
	attests []cdx.Attestation
	claims  []cdx.Claim
	proofs  []cdx.DeclarationEvidence
}

func (k *claims) assessor(name string) cdx.BOMReference {
	for _, a := range k.assess {
		if a.Organization.Name == name {
			return a.BOMRef
		}
	}
	ref := cdx.BOMReference("assessor:" + strconv.Itoa(len(k.assess)))
	k.assess = append(k.assess, cdx.Assessor{BOMRef: ref, Organization: &cdx.OrganizationalEntity{Name: name}})
	return ref
}

// claim is one thing that is said: by whom, what of, on which record, and how far it is true.
type claim struct {
	by, predicate, record, text string
	at                          time.Time
	score                       float64
}

func (k *claims) add(c claim) {
	n := strconv.Itoa(len(k.claims))
	proof, said := cdx.BOMReference("evidence:"+n), cdx.BOMReference("claim:"+n)
	k.proofs = append(k.proofs, cdx.DeclarationEvidence{BOMRef: string(proof), PropertyName: "mlx:record", Description: c.text + " (record " + c.record + ")",
		Created: c.at.UTC().Format(time.RFC3339)})
	k.claims = append(k.claims, cdx.Claim{BOMRef: string(said), Target: bomModel, Predicate: c.predicate, Evidence: &[]cdx.BOMReference{proof}})
	score := c.score
	k.attests = append(k.attests, cdx.Attestation{Summary: c.text, Assessor: k.assessor(c.by),
		Map: &[]cdx.AttestationMap{{Claims: &[]cdx.BOMReference{said}, Conformance: &cdx.AttestationConformance{Score: &score, Rationale: c.text}}}})
}

// bomDeclarations tells the verdicts of gates, what the scan found, and the sign-offs.
func (c Card) bomDeclarations() *cdx.Declarations {
	k := &claims{}
	yes := func(is bool) float64 {
		if is {
			return 1
		}
		return 0
	}
	for _, g := range c.Gates {
		k.add(claim{by: "mlx gate", predicate: "passes gate " + g.Gate, record: g.Record, text: "gate " + g.Gate + ": " + g.Verdict, at: g.At, score: yes(g.Verdict == string(Pass))})
	}
	if s := c.Scan; s != nil {
		k.add(claim{by: "mlx model scan", predicate: "holds no code that runs on loading", record: s.Record,
			text: fmt.Sprintf("scan by rules %s: %s, %d found", s.Rules, s.Verdict, s.Findings), at: s.At, score: yes(s.Verdict == string(Pass))})
	}
	for _, s := range c.SignOffs {
		text := "sign-off " + s.Kind + " by " + s.By + " (" + s.Fingerprint + ")"
		if !s.Counts {
			text += " does not count: " + orEmpty(s.Why)
		}
		k.add(claim{by: s.By, predicate: "signed off: " + s.Kind, record: s.Record, text: text, at: s.SignedAt, score: yes(s.Counts)})
	}
	if len(k.claims) == 0 {
		return nil
	}
	out := &cdx.Declarations{Assessors: &k.assess, Attestations: &k.attests, Claims: &k.claims, Evidence: &k.proofs}
	target := cdx.Component{Type: cdx.ComponentTypeMachineLearningModel, Name: c.Model, Version: strconv.Itoa(c.Version), BOMRef: "target"}
	if c.Type == "file" && c.Digest != nil {
		target.Hashes = sha(*c.Digest)
	}
	for i := range k.claims {
		k.claims[i].Target = "target"
	}
	out.Targets = &cdx.Targets{Components: &[]cdx.Component{target}}
	return out
}
