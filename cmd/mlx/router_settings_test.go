package main

import (
	"math"
	"testing"
	"time"

	"mlx/internal/deploy/router"
	"mlx/internal/repo"
)

// TestLimitsOfAService: what mlx.yaml says of one server holds for all servers of a version, and what may wait for both queues.
func TestLimitsOfAService(t *testing.T) {
	s, err := routerSettings(repo.Service{Replicas: 3, Limits: repo.Limits{InFlight: 4, Queue: 10}})
	if l := s.Limits; err != nil || l.Arm != 12 || l.ArmQueue != 10 || l.AllQueue != 10 {
		t.Errorf("%+v, %v", l, err)
	}
	s, err = routerSettings(repo.Service{})
	if l := s.Limits; err != nil || l.Arm != 0 || l.ArmQueue != 0 || l.AllQueue != 0 {
		t.Errorf("what nobody says is the router's to know: %+v, %v", l, err)
	}
}

func TestCostOfAnAnswer(t *testing.T) {
	money := func(v float64) repo.Money { return repo.Money{Amount: v, Currency: "EUR"} }
	asked := router.Answered{Key: "k", Latency: 2 * time.Second}
	for name, c := range map[string]struct {
		service  repo.Service
		answered router.Answered
		want     float64
		currency string
	}{
		"no price":            {repo.Service{}, asked, 0, ""},
		"by the request":      {repo.Service{Price: repo.ServicePrice{Request: money(0.02)}}, asked, 0.02, "EUR"},
		"by the hour":         {repo.Service{Price: repo.ServicePrice{Hour: money(1.80)}}, asked, 0.001, "EUR"},
		"both":                {repo.Service{Price: repo.ServicePrice{Request: money(0.02), Hour: money(1.80)}}, asked, 0.021, "EUR"},
		"several at a time":   {repo.Service{Price: repo.ServicePrice{Hour: money(1.80)}, Limits: repo.Limits{InFlight: 4}}, asked, 0.00025, "EUR"},
		"of the router alone": {repo.Service{Price: repo.ServicePrice{Request: money(0.02)}}, router.Answered{Latency: time.Second}, 0, ""},
	} {
		if got, currency := costOfAnswer(c.service, c.answered); math.Abs(got-c.want) > 1e-12 || currency != c.currency {
			t.Errorf("%s: %v %q, not %v %q", name, got, currency, c.want, c.currency)
		}
	}
}
