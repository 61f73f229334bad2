package run

import "syscall"

// SignalNumber is the number of a signal by its name as records have it, SIGKILL; 0 of one that this system does not know.
func SignalNumber(name string) int {
	const last = 64
	for n := 1; n <= last; n++ {
		if signalName(syscall.Signal(n)) == name {
			return n
		}
	}
	return 0
}
