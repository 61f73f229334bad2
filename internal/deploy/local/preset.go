package local

import (
	_ "embed" // the server for ONNX
	"strings"
)

// Preset is a server that mlx knows how to start.
type Preset struct {
	Command  string
	Ready    string // NAME in it is that of the model
	Protocol string // v2, mlflow, json or raw
}

//go:embed preset_onnxruntime.py
var onnxruntimeServer string

// OnnxruntimeName is the file in the folder of a release that holds the server for ONNX, OnnxruntimeServer its text.
const OnnxruntimeName = "mlx-onnxruntime.py"

// OnnxruntimeServer serves an ONNX model by the Open Inference Protocol v2.
func OnnxruntimeServer() string { return onnxruntimeServer }

// PresetOf is the preset of a name; false for one that there is none of. All listen on this machine alone where their words allow it:
// KServe's own server does not.
func PresetOf(name, model string) (Preset, bool) {
	const v2 = "/v2/health/ready"
	presets := map[string]Preset{
		"onnxruntime": {Command: `exec python3 "$MLX_RELEASE_DIR/` + OnnxruntimeName + `"`, Ready: v2, Protocol: "v2"},
		"mlflow": {Command: `exec mlflow models serve --env-manager local --host 127.0.0.1 --port "$PORT" --model-uri "$MLX_MODEL"`,
			Ready: "/ping", Protocol: "mlflow"},
		"kserve": {Command: `exec python3 -m sklearnserver --model_dir "$MLX_MODEL_DIR" --model_name "$MLX_MODEL_NAME" --http_port "$PORT" --enable_grpc false`,
			Ready: "/v2/models/NAME/ready", Protocol: "v2"},
		"mlserver": {Command: `MLSERVER_HOST=127.0.0.1 MLSERVER_HTTP_PORT="$PORT" MLSERVER_GRPC_PORT=0 MLSERVER_METRICS_PORT=0 exec mlserver start "$MLX_MODEL_DIR"`,
			Ready: "/v2/models/NAME/ready", Protocol: "v2"}, // by its word for all of them it is ready before it has read one
		"bentoml": {Command: `exec bentoml serve "$MLX_MODEL_DIR" --host 127.0.0.1 --port "$PORT"`, Ready: "/readyz", Protocol: "json"},
		"triton": {Command: `exec tritonserver --model-repository="$MLX_MODEL_DIR" --http-address=127.0.0.1 --http-port="$PORT"` +
			` --allow-grpc=false --allow-metrics=false`, Ready: v2, Protocol: "v2"},
		"vllm": {Command: `exec vllm serve "$MLX_MODEL_DIR" --host 127.0.0.1 --port "$PORT" --served-model-name "$MLX_MODEL_NAME"`,
			Ready: "/health", Protocol: "raw"},
		"tgi": {Command: `exec text-generation-launcher --model-id "$MLX_MODEL_DIR" --hostname 127.0.0.1 --port "$PORT"`,
			Ready: "/health", Protocol: "raw"},
		"tfserving": {Command: `exec tensorflow_model_server --port=0 --rest_api_port="$PORT" --model_name="$MLX_MODEL_NAME" --model_base_path="$MLX_MODEL_DIR"`,
			Ready: "/v1/models/NAME", Protocol: "json"},
		"torchserve": {Command: `export TS_INFERENCE_ADDRESS="http://127.0.0.1:$PORT" TS_MANAGEMENT_ADDRESS=http://127.0.0.1:0 TS_METRICS_ADDRESS=http://127.0.0.1:0
exec torchserve --foreground --disable-token-auth --model-store "$MLX_MODEL_DIR" --models all`, Ready: "/ping", Protocol: "raw"},
	}
	p, ok := presets[name]
	p.Ready = strings.ReplaceAll(p.Ready, "NAME", model)
	return p, ok
}
