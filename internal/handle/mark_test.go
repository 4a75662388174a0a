package handle_test

import (
	"context"
	"testing"

	"github.com/smrt-go/smrt/internal/handle"
)

func TestWithoutCounting(t *testing.T) {
	t.Parallel()
	plain := t.Context()
	marked := handle.WithoutCounting(plain)
	below, cancel := context.WithCancel(marked)
	defer cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		want bool
	}{
		"plain":          {plain, false},
		"marked":         {marked, true},
		"below":          {below, true},
		"renewed":        {handle.WithCounting(below), false},
		"marked again":   {handle.WithoutCounting(handle.WithCounting(below)), true},
		"renewed, plain": {handle.WithCounting(plain), false},
	} {
		if got := handle.IsUncounted(c.ctx); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestRenewOfAPlainContextIsFree(t *testing.T) {
	ctx := t.Context()
	if handle.WithCounting(ctx) != ctx {
		t.Error("a context without a mark was wrapped")
	}
	if n := testing.AllocsPerRun(100, func() { handle.IsUncounted(ctx) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
