package guard

import (
	"errors"
	"strconv"
	"time"

	"github.com/smrt-go/smrt"
)

// Status codes of HTTP, without which net/http would be a part of every program.
const (
	statusUnprocessable = 422
	statusTooMany       = 429
	statusUnavailable   = 503
	statusTimeout       = 504
)

// HTTPStatus returns the status of an answer to a call that a limit or a pool refused,
// and 0 for any other error:
//
//	429  of a rate: header gets Retry-After, in seconds, rounded up
//	503  of a pool without a free connection: header gets a Retry-After of a second
//	504  of Timeout
//	422  of other limits, and of a rate that will never have as many points: another
//	     try is of no use
//
// The header of an http.ResponseWriter is one:
//
//	if status := guard.HTTPStatus(w.Header(), err); status != 0 {
//		http.Error(w, http.StatusText(status), status)
//		return
//	}
//	if err != nil { // another error
//		http.Error(w, http.StatusText(500), 500)
//		return
//	}
func HTTPStatus(header interface{ Set(key, value string) }, err error) int {
	var rate *smrt.RateError
	switch {
	case errors.Is(err, smrt.ErrPoolExhausted):
		header.Set("Retry-After", "1")
		return statusUnavailable
	case !errors.Is(err, smrt.ErrLimit):
		return 0
	case errors.Is(err, smrt.ErrTimeLimit):
		return statusTimeout
	case errors.As(err, &rate) && rate.RetryAfter > 0:
		seconds := int64((rate.RetryAfter + time.Second - 1) / time.Second)
		header.Set("Retry-After", strconv.FormatInt(seconds, 10))
		return statusTooMany
	}
	return statusUnprocessable
}
