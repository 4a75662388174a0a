package slot_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/slot"
)

// TestSlotsThatDecide tells slots whose condition leaves out rows from those beside
// others that may let rows through.
func TestSlotsThatDecide(t *testing.T) {
	t.Parallel()
	const mark = " /* smrt:where orders o */"
	for sql, decides := range map[string]bool{
		"SELECT 1 FROM orders o WHERE true" + mark:                                                      true,
		"SELECT 1 FROM orders o WHERE o.id > 1 AND true" + mark + " AND (a OR b) ORDER BY o.id":         true,
		"SELECT 1 FROM orders o WHERE true" + mark + " GROUP BY a HAVING x OR y":                        true,
		"SELECT 1 FROM (SELECT 1 FROM orders o WHERE true" + mark + ") q WHERE a OR b":                  true,
		"SELECT 1 FROM orders o WHERE a OR true" + mark:                                                 false,
		"SELECT 1 FROM orders o WHERE a OR b AND true" + mark:                                           false,
		"SELECT 1 FROM orders o WHERE true" + mark + " OR a":                                            false,
		"SELECT 1 FROM orders o WHERE true" + mark + " AND a OR b":                                      false,
		"SELECT 1 FROM orders o WHERE (a OR true" + mark + ")":                                          false,
		"SELECT 1 FROM orders o WHERE (a AND true" + mark + ") OR b":                                    false,
		"SELECT 1 FROM orders o WHERE NOT true" + mark:                                                  false,
		"SELECT 1 FROM orders o WHERE a = true" + mark:                                                  false,
		"SELECT 1 FROM orders o WHERE true" + mark + " = a":                                             false,
		"SELECT 1 FROM orders o WHERE a BETWEEN false AND true" + mark:                                  false,
		"SELECT 1 FROM orders o WHERE CASE WHEN a AND true" + mark + " THEN b ELSE c END":               false,
		"SELECT 1 FROM orders o LEFT JOIN lines l ON l.id = o.id AND true" + mark:                       false,
		"SELECT count(*) FILTER (WHERE true" + mark + ") FROM orders o":                                 false,
		"SELECT count(*) FROM orders o GROUP BY o.id HAVING true" + mark:                                false,
		"UPDATE orders o SET a = 1 WHERE false" + mark + " RETURNING o.id":                              true,
		"SELECT 1 FROM orders o WHERE a BETWEEN 1 AND 2 AND true" + mark + " LIMIT 5":                   true,
		"SELECT 1 FROM lines WHERE EXISTS (SELECT 1 FROM orders o WHERE o.id = 1 AND true" + mark + ")": true,
	} {
		text := slot.Parse(sql)
		if text.Err != nil || len(text.Places) != 1 {
			t.Fatalf("%s: %v", sql, text.Err)
		}
		if text.Places[0].Beside == decides {
			t.Errorf("%s: decides: %t, want %t", sql, !decides, decides)
		}
	}
}
