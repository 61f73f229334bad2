package main

import (
	modelscan "mlx/internal/scan"
)

// scanRules names the rules by which models are scanned now. Scans by others say nothing.
func scanRules() string { return modelscan.RulesVersion }
