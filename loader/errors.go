package loader

import (
	"fmt"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/batch"
)

// MissingError reports the keys of a LoadMany that have no value.
// errors.Is(err, smrt.ErrNotFound).
type MissingError struct {
	Indexes []int // in the slice of keys, ascending
}

// Error says how many there are, and never a key.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%d of the keys have no value, the first is key %d: %v", len(e.Indexes), e.Indexes[0], smrt.ErrNotFound)
}

// Unwrap gives smrt.ErrNotFound.
func (e *MissingError) Unwrap() error { return smrt.ErrNotFound }

// PanicError is the value that the callers of a batch panic with when the
// function panicked. The function runs on a goroutine that is none of theirs,
// so its stack is kept here. A call on its caller's goroutine panics with the
// function's own value.
type PanicError = batch.PanicError
