package analysis

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestConditions reads expressions as the server writes them in plans.
func TestConditions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]condition{
		`(o.status = $1)`: {{text: `o.status = $1`, column: "o.status", operator: "=", value: "$1"}},
		`((o.status = $1) AND (o.placed_at >= $2))`: {
			{text: `(o.status = $1)`, column: "o.status", operator: "=", value: "$1"}, {text: `(o.placed_at >= $2)`, column: "o.placed_at", operator: ">=", value: "$2"},
		},
		`(o.id = ANY ($1))`:                    {{text: `o.id = ANY ($1)`, column: "o.id", operator: "= ANY", value: "$1"}},
		`(o."Order By" = ($2)::bigint)`:        {{text: `o."Order By" = ($2)::bigint`, column: `o."Order By"`, operator: "=", value: "$2"}},
		`(o.deleted_at IS NULL)`:               {{text: `o.deleted_at IS NULL`, column: "o.deleted_at", operator: "IS NULL"}},
		`(lower(c.email) = $1)`:                {{text: `lower(c.email) = $1`, within: "c.email", operator: "=", value: "$1"}},
		`((c.id)::text = $1)`:                  {{text: `(c.id)::text = $1`, within: "c.id", cast: true, operator: "=", value: "$1"}},
		`(c.name ~~ 'a) AND (b'::text)`:        {{text: `c.name ~~ 'a) AND (b'::text`, column: "c.name", operator: "~~", value: `'a) AND (b'::text`}},
		`((c.a = $1) OR (c.b = $1))`:           {{text: `(c.a = $1) OR (c.b = $1)`}},
		`(NOT c.active)`:                       {{text: `NOT c.active`}},
		`((c.a = $1) AND ((c.b = 1) OR c.d))`:  {{text: `(c.a = $1)`, column: "c.a", operator: "=", value: "$1"}, {text: `((c.b = 1) OR c.d)`}},
		`((c.a + c.b) = $1)`:                   {{text: `(c.a + c.b) = $1`, operator: "=", value: "$1"}},
		`(c.at < (now() - '1 day'::interval))`: {{text: `c.at < (now() - '1 day'::interval)`, column: "c.at", operator: "<", value: `(now() - '1 day'::interval)`}},
	} {
		check.Equal(t, text, conditions(text), want)
	}
}
