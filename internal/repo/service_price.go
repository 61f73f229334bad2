package repo

import "mlx/internal/fault"

// ServicePrice is what answers cost.
type ServicePrice struct {
	Request Money `yaml:"request" doc:"Of one request that a server got."`
	Hour    Money `yaml:"hour" doc:"Of one server for one hour: a request costs its share of it, by the time that it took and limits.in_flight."`

	At fault.Position `yaml:"-"`
}

// check refuses what cannot be added up.
func (p ServicePrice) check(name string) error {
	if r, h := p.Request.Currency, p.Hour.Currency; r != "" && h != "" && r != h {
		return failPosition(p.At, "service %s has prices in %s and in %s, which cannot be added up", name, r, h)
	}
	return nil
}
