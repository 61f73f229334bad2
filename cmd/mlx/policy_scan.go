package main

// scanRules names the rules by which models are scanned now; empty: this version has none, so that every scan counts.
func scanRules() string { return "" }
