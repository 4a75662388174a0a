package mark_test

import (
	"context"
	"testing"

	"github.com/smrt-go/smrt/internal/mark"
)

func TestDeliberate(t *testing.T) {
	t.Parallel()
	plain := t.Context()
	marked := mark.Deliberate(plain)
	below, cancel := context.WithCancel(marked)
	defer cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		want bool
	}{
		"plain":          {plain, false},
		"marked":         {marked, true},
		"below":          {below, true},
		"renewed":        {mark.Renew(below), false},
		"marked again":   {mark.Deliberate(mark.Renew(below)), true},
		"renewed, plain": {mark.Renew(plain), false},
	} {
		if got := mark.IsDeliberate(c.ctx); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestRenewOfAPlainContextIsFree(t *testing.T) {
	ctx := t.Context()
	if mark.Renew(ctx) != ctx {
		t.Error("a context without a mark was wrapped")
	}
	if n := testing.AllocsPerRun(100, func() { mark.IsDeliberate(ctx) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
