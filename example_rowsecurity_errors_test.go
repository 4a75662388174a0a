package smrt_test

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/smrt-go/smrt"
)

// A row that policies refuse is the fault of a request; a role that they do not hold is
// that of the operator.
func ExampleRowSecurityError() {
	status := func(err error) int {
		var refused *smrt.RowSecurityError
		switch {
		case errors.As(err, &refused) && refused.Role != "":
			return http.StatusInternalServerError
		case errors.Is(err, smrt.ErrRowSecurity), errors.Is(err, smrt.ErrTenantMismatch):
			return http.StatusForbidden
		}
		return http.StatusOK
	}
	fmt.Println(status(&smrt.RowSecurityError{Table: "tickets", Reason: "a row is none that the policies allow"}))
	fmt.Println(status(&smrt.RowSecurityError{Role: "postgres", Reason: "it is a superuser"}))

	// Output:
	// 403
	// 500
}
