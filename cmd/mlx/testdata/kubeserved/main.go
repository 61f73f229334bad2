// Command kubeserved is the model server of the tests on a cluster: it serves the model of a package as its file says. {"w": 2} multiplies;
// "fails" is which of ten requests fail, once it has answered 20; "dies" ends it. Who asks for /end ends it, and for /down for as long as its pod
// is there.
package main

import (
	"encoding/json"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// down is where somebody has noted that it is not to start: the folder outlives the container.
const down = "/tmp/down"

func main() {
	files, err := filepath.Glob(filepath.Join(os.Getenv("MLX_MODEL_DIR"), "*.json"))
	if err != nil || len(files) != 1 {
		log.Fatalf("there is no one model: %v %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		log.Fatal(err)
	}
	var m struct {
		W     float64
		Fails int64
		Dies  bool
	}
	if err := json.Unmarshal(text, &m); err != nil || m.Dies {
		log.Fatalf("this model cannot be read: %v", err)
	}
	if _, err := os.Stat(down); err == nil {
		log.Fatal("it was told not to start")
	}
	log.Printf("it serves %v", m.W)
	end := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("{}"))
		time.AfterFunc(100*time.Millisecond, func() { os.Exit(1) }) // whoever asked has the answer
	}
	http.HandleFunc("GET /end", end)
	http.HandleFunc("GET /down", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(down, nil, 0o600); err != nil {
			log.Print(err)
		}
		end(w, r)
	})
	var n atomic.Int64
	http.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("POST /{path...}", func(w http.ResponseWriter, r *http.Request) {
		var q struct{ Instances []float64 }
		asked := n.Add(1)
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || asked > 20 && asked%10 < m.Fails {
			http.Error(w, "no answer", http.StatusInternalServerError)
			return
		}
		for i := range q.Instances {
			q.Instances[i] *= m.W
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"predictions": q.Instances})
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
