package observe

import (
	"context"
	"runtime/pprof"
)

// label gives the goroutine the name of a call as a label. What the program has put
// into the context stays.
func (f *flight) label(ctx context.Context) context.Context {
	f.outer = ctx
	ctx = pprof.WithLabels(ctx, pprof.Labels("smrt", f.event.Name.String()))
	pprof.SetGoroutineLabels(ctx)
	return ctx
}

// unlabel gives the goroutine the labels of the program's context again, as pprof.Do
// does.
func (f *flight) unlabel() {
	if f.outer != nil {
		pprof.SetGoroutineLabels(f.outer)
		f.outer = nil
	}
}
