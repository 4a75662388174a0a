package pgerr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/smrt-go/smrt/internal/pgerr"
)

// TestFaultOf gives each sort of error to the classification, wrapped.
func TestFaultOf(t *testing.T) {
	code := func(code string) error { return &pgconn.PgError{Code: code} }
	for what, c := range map[string]struct {
		err  error
		want pgerr.Fault
	}{
		"nil":                     {nil, pgerr.Permanent},
		"own":                     {errors.New("own"), pgerr.Permanent},
		"40001":                   {code("40001"), pgerr.Conflict},
		"40P01":                   {code("40P01"), pgerr.Conflict},
		"08006":                   {code("08006"), pgerr.Lost},
		"08P01":                   {code("08P01"), pgerr.Permanent},
		"57P01":                   {code("57P01"), pgerr.Lost},
		"57P03":                   {code("57P03"), pgerr.Lost},
		"25P03":                   {code("25P03"), pgerr.Idle},
		"25P04":                   {code("25P04"), pgerr.Permanent},
		"57P05":                   {code("57P05"), pgerr.Idle},
		"broken pipe":             {syscall.EPIPE, pgerr.Lost},
		"53300":                   {code("53300"), pgerr.Crowded},
		"25006":                   {code("25006"), pgerr.NotPrimary},
		"23505":                   {code("23505"), pgerr.Race},
		"23P01":                   {code("23P01"), pgerr.Race},
		"23503":                   {code("23503"), pgerr.Permanent},
		"28P01":                   {code("28P01"), pgerr.Permanent},
		"not supported":           {code("0A000"), pgerr.Permanent},
		"stale plan":              {&pgconn.PgError{Code: "0A000", Routine: "RevalidateCachedQuery"}, pgerr.StalePlan},
		"cancelled":               {context.Canceled, pgerr.Ended},
		"deadline":                {fmt.Errorf("%w: %w", context.DeadlineExceeded, io.EOF), pgerr.Ended},
		"end":                     {io.ErrUnexpectedEOF, pgerr.Lost},
		"reset":                   {syscall.ECONNRESET, pgerr.Lost},
		"network":                 {&net.OpError{Op: "read", Err: errors.New("odd")}, pgerr.Lost},
		"closed":                  {pgconn.ErrConnClosed, pgerr.Lost},
		"the server speaks first": {fmt.Errorf("%w: %w", code("23503"), io.EOF), pgerr.Permanent},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("outside: %w", err)
		}
		if got := pgerr.FaultOf(err); got != c.want {
			t.Errorf("%s: got %v, want %v", what, got, c.want)
		}
	}
}

// notSent is an error as pgconn reports it when nothing was sent.
type notSent struct{ err error }

func (n notSent) Error() string     { return "not sent" }
func (n notSent) SafeToRetry() bool { return true }
func (n notSent) Unwrap() error     { return n.err }

// TestIsCommitUnknown proves which answers to COMMIT leave its outcome open.
func TestIsCommitUnknown(t *testing.T) {
	for what, c := range map[string]struct {
		err  error
		want bool
	}{
		"conflict":              {&pgconn.PgError{Code: "40001", SeverityUnlocalized: "ERROR"}, false},
		"deferred constraint":   {&pgconn.PgError{Code: "23503", Severity: "ERROR"}, false},
		"completion unknown":    {&pgconn.PgError{Code: "40003", SeverityUnlocalized: "ERROR"}, true},
		"connection exception":  {&pgconn.PgError{Code: "08007", SeverityUnlocalized: "ERROR"}, true},
		"server stops":          {&pgconn.PgError{Code: "57P01", SeverityUnlocalized: "FATAL", Severity: "FATAL"}, true},
		"idle too long":         {&pgconn.PgError{Code: "25P03", SeverityUnlocalized: "FATAL", Severity: "FATAL"}, false},
		"network":               {io.ErrUnexpectedEOF, true},
		"not sent":              {notSent{io.EOF}, false},
		"connection closed now": {notSent{pgconn.ErrConnClosed}, true}, // which pgx says though it was sent
	} {
		if got := pgerr.IsCommitUnknown(fmt.Errorf("outside: %w", c.err)); got != c.want {
			t.Errorf("%s: got %v, want %v", what, got, c.want)
		}
	}
}
