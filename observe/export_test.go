package observe

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// What this package reads in the text of a statement.
var (
	RelationsFor = relationsFor
	Trim         = trim
	Counted      = counted
)

// Classify names the kind of a frame.
func Classify(function, file string) string {
	return [...]string{"user", "library", "neutral", "handle", "sender"}[classify(function, file)]
}

// Search returns the positions of the frames that make the site of a stack,
// whose frames are given by the first letters of their kinds.
func Search(kinds string) string {
	s := callSites{kinds: map[uintptr]kind{}}
	var stack []uintptr
	for i, letter := range kinds {
		pc := uintptr(i + 1)
		s.kinds[pc] = map[rune]kind{'u': user, 'l': library, 'n': neutral, 'h': wrapper, 's': sender}[letter]
		stack = append(stack, pc)
	}
	at, found := s.search(stack)
	text := ""
	for _, pc := range at[:found] {
		text += strconv.Itoa(int(pc) - 1)
	}
	return text
}

// Kept returns how many statements and loops the scope of a context holds,
// whichever are more.
func Kept(ctx context.Context) int {
	s := scopeOf(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return max(len(s.statements), len(s.loops))
}

// FramesNamed returns how many frames a tracer has seen on the stacks it walked.
func FramesNamed(t pgx.QueryTracer) int {
	p := &t.(*tracer).callSites
	p.mu.RLock()
	defer p.mu.RUnlock()
	return len(p.kinds)
}
