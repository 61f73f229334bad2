package repo

import "mlx/internal/fault"

// ParseMoney reads "20 EUR".
func ParseMoney(text string) (m Money, err error) {
	if err := m.setScalar(scalar{text: text}); err != nil {
		return m, fault.New(fault.Usage, "cannot read an amount of money: %w", err).Hint("write a number and a currency: '20 EUR'")
	}
	return m, nil
}
