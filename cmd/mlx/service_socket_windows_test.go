package main

// holdingMain needs signals that this system does not have.
func holdingMain() {}
