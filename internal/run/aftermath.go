package run

import "context"

// Aftermath is what whoever started a command knows of its results, beside what the command wrote to MLX_METRICS.
type Aftermath struct {
	Metrics   map[string]Number // where the command wrote the same name, its own counts
	Cause     string            // why it did not do what it should although it ended with 0; empty if it did
	Disturbed []string          // inputs of its stage that changed while it ran
}

// ask asks whoever started the command. A command that failed has its cause already.
func (b *Body) ask(ctx context.Context, s Spec) Aftermath {
	if s.After == nil {
		return Aftermath{}
	}
	found := s.After(ctx)
	if found.Cause != "" && b.State == Succeeded {
		b.State, b.Cause = Failed, text(found.Cause)
	}
	if len(found.Disturbed) > 0 && b.Stage != nil {
		stage := *b.Stage
		stage.Disturbed = found.Disturbed
		b.Stage = &stage
	}
	return found
}

// add adds the metrics, as many as a record may hold.
func (b *Body) add(found Aftermath) {
	for name, n := range found.Metrics {
		if _, own := b.Metrics[name]; own || len(b.Metrics) >= maxMetrics {
			continue
		}
		if b.Metrics == nil {
			b.Metrics = map[string]any{}
		}
		b.Metrics[text(name)] = n.stored()
	}
}
