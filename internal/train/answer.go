package train

// Answer is how a command on a node ended, and what it said.
type Answer struct {
	Stdout, Stderr []byte
	Status         int // exit status
}
