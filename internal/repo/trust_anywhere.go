package repo

import (
	"path/filepath"

	"mlx/internal/fault"
)

// AllowedAnywhere says whether the user has allowed a value of a kind for any clone of his, under any name. It is for what
// is asked about an address, and not for commands: what a command does depends on the clone it runs in.
func AllowedAnywhere(userDir, kind, value string) (bool, error) {
	if userDir == "" || value == "" {
		return false, nil
	}
	files, err := filepath.Glob(filepath.Join(globQuote(userDir), "mlx", "trusted", "*.json"))
	if err != nil {
		return false, fault.New(fault.Internal, "cannot list what you have allowed: %w", err)
	}
	for _, file := range files {
		all, err := readTrust(file)
		if err != nil {
			return false, err
		}
		for a := range all {
			if a.Kind == kind && a.Value == value {
				return true, nil
			}
		}
	}
	return false, nil
}
