package batch

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError is what the callers of a batch panic with when the batch panicked:
// it happened on a goroutine that is none of theirs.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // where it happened
}

// errExit is the value where the goroutine ended without a panic.
var errExit = errors.New("the batch function called runtime.Goexit")

func newPanicError(value any) *PanicError {
	if value == nil {
		value = errExit
	}
	return &PanicError{Value: value, Stack: debug.Stack()}
}

// Error gives the value and where it happened, as a crash would.
func (e *PanicError) Error() string {
	return fmt.Sprintf("panic in a batch: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap gives the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
