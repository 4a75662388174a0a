package storetest_test

import (
	"errors"
	"testing"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/cache"
	"github.com/smrt-go/smrt/cache/storetest"
)

func subject(s *storetest.Store) storetest.Subject {
	return storetest.Subject{Stores: []cache.Store{s, s}, Save: s.Save, Restart: s.Restart, Lose: s.Lose}
}

// TestStoreInMemory: the store in memory keeps to the rules, and one of which only the methods
// are known as well.
func TestStoreInMemory(t *testing.T) {
	t.Parallel()
	storetest.Run(t, subject(storetest.NewStore()))
	storetest.Run(t, storetest.Subject{Stores: []cache.Store{storetest.NewStore()}})
}

// TestAway: a store that is away answers nothing.
func TestAway(t *testing.T) {
	t.Parallel()
	s, away := storetest.NewStore(), errors.New("away")
	s.Away(away)
	for _, rule := range storetest.Rules() {
		err := rule.Test(t.Context(), subject(s))
		if rule.Name != "what cannot be asked is refused" && !errors.Is(err, away) {
			t.Errorf("%s: %v", rule.Name, err)
		}
	}
	if err := s.Subscribe(t.Context(), func() {}, func(cache.Notice) {}); !errors.Is(err, away) {
		t.Errorf("it can be followed: %v", err)
	}
	s.Away(nil)
	if err := storetest.Rules()[0].Test(t.Context(), subject(s)); err != nil {
		t.Errorf("after it came back: %v", err)
	}
	if err := storetest.Rules()[0].Test(t.Context(), storetest.Subject{}); !errors.Is(err, smrt.ErrBadOptions) {
		t.Errorf("without a store: %v", err)
	}
}
