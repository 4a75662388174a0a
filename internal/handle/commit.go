package handle

import (
	"context"

	"github.com/smrt-go/smrt"
)

// CommitKeeper is a handle that wants to know the positions of commits made on it.
type CommitKeeper interface {
	// KeepCommits returns where the positions of commits made under ctx go, nil if they are not wanted.
	KeepCommits(ctx context.Context) func(smrt.Position)
}

// KeepCommits returns where the positions of commits made on db under ctx go, nil if they are not wanted.
func KeepCommits(ctx context.Context, db any) func(smrt.Position) {
	if k, ok := db.(CommitKeeper); ok {
		return k.KeepCommits(ctx)
	}
	return nil
}
