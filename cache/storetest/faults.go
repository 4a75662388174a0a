package storetest

import (
	"context"
	"errors"
	"slices"

	"github.com/smrt-go/smrt/cache"
)

// Sequence implements [cache.Store].
func (s *Store) Sequence(ctx context.Context) (cache.Sequence, error) {
	defer s.mu.Unlock()
	if s.mu.Lock(); s.away != nil {
		return cache.Sequence{}, s.away
	}
	s.stream()
	return s.data.sequence, ctx.Err()
}

// buffered is how many messages a subscriber may be behind before it is cut off.
const buffered = 1 << 12

// publish hands a message to the subscribers.
func (s *Store) publish(m cache.Notice) {
	s.stream()
	s.data.sequence.Number++
	m.Sequence = s.data.sequence
	m.Keys, m.Generations = slices.Clone(m.Keys), slices.Clone(m.Generations)
	if s.drop != nil && s.drop(m) {
		return
	}
	for sub := range s.subscribers {
		select {
		case sub.messages <- m:
		default:
			s.end(sub)
		}
	}
}

func (s *Store) end(sub *subscriber) {
	close(sub.cut)
	delete(s.subscribers, sub)
}

var errCut = errors.New("the subscription was cut")

// Subscribe implements [cache.Store].
func (s *Store) Subscribe(ctx context.Context, ready func(), receive func(cache.Notice)) error {
	sub := &subscriber{make(chan cache.Notice, buffered), make(chan struct{})}
	s.mu.Lock()
	if err := s.away; err != nil {
		s.mu.Unlock()
		return err
	}
	s.subscribers[sub] = true
	s.mu.Unlock()
	defer func() {
		defer s.mu.Unlock()
		if s.mu.Lock(); s.subscribers[sub] {
			s.end(sub)
		}
	}()
	ready()
	for {
		select {
		case m := <-sub.messages:
			receive(m)
		case <-sub.cut:
			return errCut
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Cut ends all subscriptions, as a network does.
func (s *Store) Cut() {
	defer s.mu.Unlock()
	s.mu.Lock()
	for sub := range s.subscribers {
		s.end(sub)
	}
}

// Drop decides from now on which messages are lost. nil: none.
func (s *Store) Drop(lost func(cache.Notice) bool) {
	defer s.mu.Unlock()
	s.mu.Lock()
	s.drop = lost
}

// Away makes all methods return an error, until it is called with nil. Subscriptions
// end.
func (s *Store) Away(err error) {
	s.Cut()
	defer s.mu.Unlock()
	s.mu.Lock()
	s.away = err
}

// Save keeps what the store has, for Restart.
func (s *Store) Save() error {
	defer s.mu.Unlock()
	s.mu.Lock()
	s.saved = s.data.copied()
	return nil
}

// Restart begins a new run with what was there at the last Save, or with nothing.
func (s *Store) Restart() error {
	s.Cut()
	defer s.mu.Unlock()
	s.mu.Lock()
	s.data, s.run = s.saved.copied(), random("run")
	return nil
}

// Lose removes something, as a limit of memory does.
func (s *Store) Lose(kind Kind, name string) error {
	defer s.mu.Unlock()
	s.mu.Lock()
	switch kind {
	case AnEntry:
		delete(s.data.entries, name)
	case AFloor:
		delete(s.data.floors, name)
	case AGeneration:
		delete(s.data.generations, name)
	case TheSequence:
		s.data.sequence = cache.Sequence{}
	}
	return nil
}
