//go:build linux

package traffic

import (
	"io"
	"net/http"
	"time"
)

// Model thinks for a while and answers.
func Model(think time.Duration) http.Handler {
	reply := []byte(`{"model_name":"m","outputs":[{"name":"y","datatype":"FP64","shape":[1],"data":[0.5]}]}`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if think > 0 {
			time.Sleep(think)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(reply)
	})
}
