package limit_test

import (
	"context"
	"testing"

	"github.com/smrt-go/smrt/internal/limit"
)

func BenchmarkEnter(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for name, most := range map[string][limit.Kinds]int64{"without time": {limit.Rows: 10}, "with time": {limit.Rows: 10, limit.Time: 1 << 40}} {
		b.Run(name, func(b *testing.B) {
			s := limit.New(limit.Enforce, most, 0, nil)
			b.ReportAllocs()
			for b.Loop() {
				on := ctx
				var err error
				c := limit.Enter(&on, s, "get", "t")
				c.End(&err)
			}
		})
	}
}
