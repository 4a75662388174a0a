package analysis

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/smrt-go/smrt/internal/catalog"
	"github.com/smrt-go/smrt/internal/verify"
)

// What of a table may be old. Autovacuum begins at a tenth and a fifth of the rows, so what
// is above that for long is not looked after.
const (
	deadPart     = 0.2
	modifiedPart = 0.2
	fewRows      = 1000 // of which parts say nothing
)

// checkStore looks for tables that autovacuum does not keep up with.
func (a *Analysis) checkStore(s *catalog.Store) {
	if s.Kind == catalog.Partitioned {
		return // its partitions are looked at
	}
	level := verify.Warning
	if s.Pages < a.Limits.Pages {
		level = verify.Note
	}
	switch {
	case s.Rows < 0 && s.Pages > 0:
		a.add(Finding{
			ID: "C7", Table: s.OID, Level: level, Object: s.Name, SQL: "ANALYZE " + s.Name,
			Evidence: fmt.Sprintf("its %s were never analysed", bytes(s.Pages*8192)), Follows: "the planner guesses, and so would any advice",
		})
	case s.Rows >= 0 && stale(s):
		a.add(Finding{
			ID: "C7", Table: s.OID, Level: level, Object: s.Name, SQL: "ANALYZE " + s.Name,
			Evidence: fmt.Sprintf("%d of %d rows were changed since it was analysed", s.Modified, s.Live), Follows: "the planner knows what was there before",
		})
	}
	if s.Dead > fewRows && float64(s.Dead) > deadPart*float64(s.Dead+s.Live) {
		a.add(Finding{
			ID: "C7", Table: s.OID, Level: level, Object: s.Name, SQL: "VACUUM (ANALYZE) " + s.Name,
			Evidence: fmt.Sprintf("%d of %d rows are dead", s.Dead, s.Dead+s.Live), Follows: "scans read them too: look for what keeps autovacuum from its work",
		})
	}
}

// stale reports whether the statistics of a table are not worth relying on.
func stale(s *catalog.Store) bool {
	return s.Rows < 0 || s.Modified > fewRows && float64(s.Modified) > modifiedPart*float64(max(s.Live, 1))
}

// checkHolder looks for what keeps deleted rows from being removed. An active slot and a
// transaction that is young do their work.
func (a *Analysis) checkHolder(h *catalog.Holder) {
	open := time.Duration(h.Seconds * float64(time.Second))
	if h.Kind != "slot" && open < a.Limits.OpenFor {
		return
	}
	f := Finding{
		ID: "C7", Level: verify.Warning, Object: h.Kind + " " + h.Name,
		Evidence: "it is open for " + days(open), Follows: "VACUUM keeps all rows that were deleted or replaced since",
	}
	switch h.Kind {
	case "transaction":
		f.Object = "transaction of " + cmp.Or(h.Program, "an unnamed program")
		f.Evidence = fmt.Sprintf("the session %s is %q, and its transaction is open for %s", h.Name, h.State, days(open))
		f.SQL, f.Go = "SELECT pg_terminate_backend("+h.Name+")", "end transactions before anything slow; idle_in_transaction_session_timeout ends those that forget to"
	case "prepared transaction":
		f.SQL = "ROLLBACK PREPARED '" + strings.ReplaceAll(h.Name, "'", "''") + "'"
	case "slot":
		f.Evidence, f.Follows = "it is inactive", "the server keeps its log for it until the disk is full, and deleted rows too"
		f.SQL = "SELECT pg_drop_replication_slot('" + strings.ReplaceAll(h.Name, "'", "''") + "')"
	}
	a.add(f)
}
