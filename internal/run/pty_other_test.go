//go:build unix && !linux

package run

import "os"

func playScreen(<-chan os.Signal) {}
