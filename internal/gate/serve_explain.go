package gate

import (
	"fmt"
	"strings"
)

// explainServe says what a check of these kinds is and needs; false for a rule of another kind.
func explainServe(r Rule) (string, bool) {
	switch {
	case r.Kind == "command":
		return "runs the command in the project: status 0 passes, 1 fails, 3 cannot tell, any other says that it could not judge; " +
			"a JSON object on stdout may give verdict, value, text, interval and metrics", true
	case r.Kind != "measure":
		return "", false
	case r.Under != nil && r.Under.Attack != "":
		return fmt.Sprintf("runs an attack on the model, and compares %s under attack with %s of the same rows as they are", r.Name, r.Name), true
	case r.Under != nil && r.Name == "changed":
		what := "the share of rows whose decision changes"
		if r.Stat == "mean" {
			what = "how far the answers move in the mean"
		}
		return what + " when the model is asked " + r.Under.words() + "; " + needsModel, true
	case r.Under != nil:
		return fmt.Sprintf("%s of rows %s against %s of the same rows as they are; %s, and the labels", r.Name, r.Under.words(), r.Name, needsModel), true
	}
	text, ok := map[string]string{
		"throughput": "predictions a second that the served model answers",
		"errors":     "share of the requests that failed: by status, time, connection, or with an answer that cannot be read",
		"cpu":        "CPU seconds that the server takes for 1000 predictions; needs serve:",
		"memory":     "most memory that the server and all that it started hold; needs serve:",
		"gpu":        "highest use of a GPU of the machine under load; needs nvidia-smi",
		"gpu_memory": "highest memory in use on the GPUs of the machine under load; needs nvidia-smi",
		"size":       "bytes of the model",
		"cost":       "price of 1000 predictions: CPU time of the server at the price of a CPU hour in model: {price: …}",
		"scan":       "whether code would run when the model is loaded, as mlx model scan says of exactly these bytes",
	}[r.Name]
	if strings.HasPrefix(r.Name, "latency_") {
		return "latency of the served model under load, from when a request was meant to be sent; a request that failed counts as never answered", true
	}
	return text, ok
}

const needsModel = "needs model: and a table with the columns that it reads"
