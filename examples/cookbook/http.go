package cookbook

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/guard"
)

// StatusOf returns the HTTP status of an answer to a call that failed. What is refused for a time
// gets a Retry-After header.
func StatusOf(header http.Header, err error) int {
	if status := guard.HTTPStatus(header, err); status != 0 {
		return status // limits, rates, full pools
	}
	for _, known := range statuses {
		if errors.Is(err, known.err) {
			return known.status
		}
	}
	return http.StatusInternalServerError
}

// statuses are in the order in which they are looked for.
var statuses = []struct {
	err    error
	status int
}{
	{smrt.ErrNotFound, http.StatusNotFound},
	{smrt.ErrTenantMismatch, http.StatusNotFound}, // whether it exists is the other tenant's business

	{smrt.ErrStale, http.StatusConflict},      // changed since it was read
	{smrt.ErrConflict, http.StatusConflict},   // a unique value that another row has
	{smrt.ErrForeignKey, http.StatusConflict}, // what it refers to is gone, or something refers to it

	{smrt.ErrRule, http.StatusUnprocessableEntity}, // values that break declared rules
	{smrt.ErrCheck, http.StatusUnprocessableEntity},
	{smrt.ErrNotNull, http.StatusUnprocessableEntity},
	{smrt.ErrInvalidText, http.StatusUnprocessableEntity},
	{smrt.ErrInvalidJSON, http.StatusUnprocessableEntity},
	{smrt.ErrOutOfRange, http.StatusUnprocessableEntity},

	{smrt.ErrBadCursor, http.StatusBadRequest},
	{smrt.ErrBadPage, http.StatusBadRequest},
	{smrt.ErrBadQuery, http.StatusBadRequest},  // of query.Fields: no such field
	{smrt.ErrWrongType, http.StatusBadRequest}, // of query.Fields: no value of the field's type
	{smrt.ErrBadToken, http.StatusBadRequest},  // a consistency token that was damaged

	{smrt.ErrConnectTimeout, http.StatusServiceUnavailable},
	{smrt.ErrPoolClosed, http.StatusServiceUnavailable},
	{smrt.ErrNoPrimary, http.StatusServiceUnavailable},
	{smrt.ErrNoFreshReplica, http.StatusServiceUnavailable},
	{smrt.ErrRetriesExhausted, http.StatusServiceUnavailable},
	{smrt.ErrCommitUnknown, http.StatusServiceUnavailable}, // the client sends the same key again
	{smrt.ErrStatementTimeout, http.StatusGatewayTimeout},
	{smrt.ErrLockTimeout, http.StatusServiceUnavailable},
}

// Problem is the body of an answer: what is wrong with which field.
type Problem struct {
	Title  string  `json:"title"`
	Fields []Field `json:"fields,omitempty"`
}

// Field is one of them.
type Field struct {
	Name   string `json:"name"`
	Reason string `json:"reason"`
}

// Answer writes an error. Texts of errors name tables, columns and constraints, but no values: they
// go to the log, and to the client only what it can act upon.
func Answer(w http.ResponseWriter, r *http.Request, err error) {
	status := StatusOf(w.Header(), err)
	problem := Problem{Title: http.StatusText(status)}
	var broken *smrt.RuleError
	var violated *smrt.ConstraintError
	switch {
	case errors.As(err, &broken):
		for _, v := range broken.Violations {
			problem.Fields = append(problem.Fields, Field{strings.Join(v.Columns, ", "), strings.TrimSpace(v.Rule + " " + v.Limit)})
		}
	case errors.As(err, &violated):
		for _, column := range violated.Columns {
			problem.Fields = append(problem.Fields, Field{column, violated.Kind.String()})
		}
	}
	if status >= http.StatusInternalServerError {
		slog.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(problem) // the client may have gone
}
