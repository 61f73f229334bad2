package main

import "os"

// sampleScratch is a copy of the project in which samples stand for inputs.
type sampleScratch struct{ dir string }

func (s *sampleScratch) remove() { _ = os.RemoveAll(s.dir) }
