package main

import (
	"encoding/json"
	"log"
	"math"
	"net/http"
	"os"
	"time"
)

// modelServerMain serves a model on $PORT as programs do that mlx gate starts: modelserver [late|dies|garbage|busy]. It decides by x, and
// takes two off for the zip code C.
func modelServerMain() {
	how := ""
	if len(os.Args) > 1 {
		how = os.Args[1]
	}
	if how == "dies" {
		log.Fatal("no model in " + os.Getenv("MLX_GATE_MODEL"))
	}
	began := time.Now()
	http.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) {
		if how == "late" && time.Since(began) < 300*time.Millisecond {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	http.HandleFunc("POST /predict", func(w http.ResponseWriter, r *http.Request) {
		for until := time.Now().Add(20 * time.Millisecond); how == "busy" && time.Now().Before(until); {
		}
		var q struct{ Instances []map[string]any }
		if err := json.NewDecoder(r.Body).Decode(&q); err != nil || how == "garbage" {
			http.Error(w, "no rows in it", http.StatusBadRequest)
			return
		}
		out := []float64{}
		for _, row := range q.Instances {
			x, _ := row["x"].(float64)
			if row["zip"] == "C" {
				x -= 2
			}
			out = append(out, 1/(1+math.Exp(-x)))
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"predictions": out})
	})
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
