package history

import "context"

func OpenWandb(ctx context.Context, place string, o Options) (*History, error) { return nil, nil }
