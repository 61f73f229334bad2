package local

// Probes are the paths at which servers say that they can work, in the order in which they are tried: Open Inference Protocol v2
// (KServe, MLServer, Triton), Kubernetes's words (BentoML), MLflow and TorchServe, vLLM and TGI, TensorFlow Serving.
func Probes(model string) []string {
	return []string{"/v2/health/ready", "/v2/models/" + model + "/ready", "/readyz", "/ping", "/health", "/v1/models/" + model}
}
