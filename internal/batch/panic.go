package batch

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// PanicError is what a caller panics with when what it waits for panicked: a
// batch, or one of several loads. It happened on another goroutine.
type PanicError struct {
	Value any    // what was given to panic
	Stack []byte // where it happened
}

// errExit is the value where the goroutine ended without a panic.
var errExit = errors.New("the function called runtime.Goexit")

// NewPanicError is for the goroutine that panicked, where it recovered value. A
// panic that came from another goroutine remains what it was there.
func NewPanicError(value any) *PanicError {
	if e, ok := value.(*PanicError); ok {
		return e
	}
	if value == nil {
		value = errExit
	}
	return &PanicError{Value: value, Stack: debug.Stack()}
}

// Error gives the value and where it happened, as a crash would.
func (e *PanicError) Error() string {
	return fmt.Sprintf("panic in another goroutine: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap gives the value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
