package main

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
)

// InputError reports a part of a request that cannot be used.
type InputError struct {
	Field  string
	Reason string // what it must be
	Err    error  // nil, or what was found
}

// Error returns the part and what it must be.
func (e *InputError) Error() string { return e.Field + " " + e.Reason }

// Unwrap returns what was found.
func (e *InputError) Unwrap() error { return e.Err }

// errNoTenant means that a request has no valid X-Tenant.
var errNoTenant = errors.New("a request without a tenant")

// statuses are looked through in this order.
var statuses = []struct {
	err    error
	status int
}{
	{errNoTenant, http.StatusUnauthorized},
	{smrt.ErrNotFound, http.StatusNotFound},
	{smrt.ErrTenantMismatch, http.StatusNotFound}, // whether it exists is the other tenant's business

	{smrt.ErrStale, http.StatusConflict},
	{smrt.ErrConflict, http.StatusConflict},
	{smrt.ErrForeignKey, http.StatusConflict},

	{smrt.ErrRule, http.StatusUnprocessableEntity},
	{smrt.ErrCheck, http.StatusUnprocessableEntity},
	{smrt.ErrInvalidText, http.StatusUnprocessableEntity},
	{smrt.ErrOutOfRange, http.StatusUnprocessableEntity},

	{smrt.ErrBadCursor, http.StatusBadRequest},
	{smrt.ErrBadPage, http.StatusBadRequest},
	{smrt.ErrBadQuery, http.StatusBadRequest},
	{smrt.ErrWrongType, http.StatusBadRequest},

	{smrt.ErrConnectTimeout, http.StatusServiceUnavailable},
	{smrt.ErrPoolClosed, http.StatusServiceUnavailable},
	{smrt.ErrNoPrimary, http.StatusServiceUnavailable},
	{smrt.ErrNoFreshReplica, http.StatusServiceUnavailable},
	{smrt.ErrRetriesExhausted, http.StatusServiceUnavailable},
	{smrt.ErrCommitUnknown, http.StatusServiceUnavailable}, // the client sends the same key again
	{smrt.ErrStatementTimeout, http.StatusGatewayTimeout},
}

// Problem is the body of an answer to a request that failed.
type Problem struct {
	Title  string  `json:"title"`
	Fields []Field `json:"fields,omitempty"`
}

// Field is what is wrong with a part of the request.
type Field struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// statusOf returns the status for err, and sets Retry-After where trying again may help.
func statusOf(header http.Header, err error) int {
	if status := guard.HTTPStatus(header, err); status != 0 {
		return status // limits, rates, full pools
	}
	for _, known := range statuses {
		if errors.Is(err, known.err) {
			if known.status == http.StatusServiceUnavailable {
				header.Set("Retry-After", "1")
			}
			return known.status
		}
	}
	return http.StatusInternalServerError
}

// problemOf returns status and body of an answer. The text of an error names tables and columns: it
// is for the log, and a client gets only what it can act upon.
func problemOf(header http.Header, err error) (int, Problem) {
	var input *InputError
	var soldOut *SoldOutError
	var broken *smrt.RuleError
	var violated *smrt.ConstraintError
	var tooLarge *http.MaxBytesError
	status := 0
	var fields []Field
	switch {
	case errors.As(err, &tooLarge): // inside of an InputError
		status = http.StatusRequestEntityTooLarge
	case errors.As(err, &input):
		status, fields = http.StatusUnprocessableEntity, []Field{{input.Field, input.Reason}}
	case errors.Is(err, smrt.ErrBadCursor):
		status, fields = http.StatusBadRequest, []Field{{"after", "must be the next of a page of the same list"}}
	case errors.As(err, &soldOut):
		status, fields = http.StatusConflict, []Field{{"lines", soldOut.Error()}}
	default:
		status = statusOf(header, err)
	}
	switch {
	case errors.As(err, &broken):
		for _, v := range broken.Violations {
			fields = append(fields, Field{strings.Join(v.Columns, ", "), strings.TrimSpace(v.Rule + " " + v.Limit)})
		}
	case errors.As(err, &violated):
		for _, column := range violated.Columns {
			fields = append(fields, Field{column, violated.Kind.String()})
		}
	}
	return status, Problem{Title: http.StatusText(status), Fields: fields}
}

// fail answers a request that failed.
func fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		// The client has gone, or was too slow to send its request. If it still reads, it must not take
		// silence for success: without a status net/http would answer 200.
		w.WriteHeader(http.StatusRequestTimeout)
		return
	}
	status, problem := problemOf(w.Header(), err)
	if status >= http.StatusInternalServerError {
		slog.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	write(w, status, problem)
}

// succeed answers with a value.
func succeed(w http.ResponseWriter, status int, v any) error {
	w.Header().Set("Content-Type", "application/json")
	return write(w, status, v)
}

// write encodes before it begins to answer, so that what cannot be encoded is still an error.
func write(w http.ResponseWriter, status int, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone
	return nil
}
