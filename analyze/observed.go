package analyze

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/smrt-go/smrt/internal/analysis"
	"github.com/smrt-go/smrt/internal/verify"
	"github.com/smrt-go/smrt/observe"
)

// Observed returns the statements that an observer has seen, with what was counted of
// them. Texts that the program made itself have parameters in place of their values, see
// [observe.Snapshot.WithoutValues].
func Observed(snapshots ...observe.Snapshot) Workload {
	var w Workload
	for _, s := range joined(snapshots).Shapes {
		if isStatement(s) {
			w = append(w, observed(s))
		}
	}
	return w
}

// joined returns one snapshot of several, such as those of the processes of a service. What
// they have of one text, or of one name where the text had no room, is added up.
func joined(snapshots []observe.Snapshot) (all observe.Snapshot) {
	for _, s := range snapshots {
		all.Shapes = append(all.Shapes, s.Shapes...)
		all.Others = append(all.Others, s.Others...)
		all.Findings = append(all.Findings, s.Findings...)
	}
	return all.WithoutValues()
}

// isStatement reports whether a shape is a statement of the program that has a plan, and
// none of what smrt asks for itself.
func isStatement(s observe.Shape) bool {
	switch verb, _, _ := strings.Cut(strings.TrimLeft(s.SQL, "( \n\t"), " "); {
	case s.SQL == "", s.Name.Table == "" && s.Name.Operation != "", s.Name.Operation == "copy":
		return false
	case s.Name.Table != "", s.Name.Query != "":
		return true
	default:
		verb, _, _ = strings.Cut(verb, "\n")
		return slices.Contains([]string{"select", "with", "insert", "update", "delete", "merge", "values", "table"}, strings.ToLower(verb))
	}
}

// observed returns the statement of a shape. Its name is that in the metrics and the logs
// of the observer.
func observed(s observe.Shape) Statement {
	one := Statement{SQL: s.SQL, Calls: int64(s.Calls), Rows: int64(s.Rows), Total: s.Total(), MaxOffset: s.MaxOffset}
	if s.Name != (observe.Name{}) {
		one.Name = s.Name.String()
	}
	return one
}

// From where on what was observed is a finding. A program that has just begun has prepared
// each statement on each connection, and a few calls say nothing.
const (
	equalTexts     = 20      // but for their values: a handful may be constants of the program
	leftCalls      = 20      // with rows that were left
	leftPart       = 0.5     // of the calls: some searches end early
	unreadRows     = 10_000  // in all
	wideBytes      = 1 << 20 // of a column, in all
	wideValue      = 1 << 10 // bytes, on average
	widePart       = 0.5     // of what was read
	wideColumns    = 4       // that a result has at least: of two the wide one is what it is for
	idleTimes      = 3       // one may be a pause of the machine
	preparedPart   = 0.1     // of the calls
	preparedCalls  = 1000    // before which each connection prepares each statement
	conflictsPart  = 0.05    // of the calls
	conflictsCalls = 100     // before which one conflict is a large part
)

// checkObserved looks at what was counted while the program ran.
func (r *run) checkObserved() {
	if len(r.options.Snapshots) == 0 {
		return
	}
	all := joined(r.options.Snapshots)
	r.titles = map[string]string{}
	for _, s := range r.options.Workload.with(r.options.Snapshots) {
		r.titles[s.SQL] = s.Title()
	}
	for _, f := range all.Findings {
		r.checkFinding(f)
	}
	for _, s := range all.Shapes {
		r.checkTexts(s)
		r.checkUnread(s)
		r.checkWidth(s, all.Shapes)
	}
	for _, s := range all.ByName() {
		r.checkPrepared(s)
		r.checkConflicts(s)
	}
}

// title names a statement that was observed.
func (r *run) title(s observe.Shape) string {
	return cmp.Or(r.titles[s.SQL], observed(s).statement().Title())
}

// seen adds a finding of what was observed. One object is found once by each check: of a
// function with several loops that send one statement the first is.
func (r *run) seen(f analysis.Finding) {
	f.Level = max(f.Level, verify.Warning)
	r.note(f)
}

// note adds a finding with its own level.
func (r *run) note(f analysis.Finding) {
	if !slices.ContainsFunc(r.Found, func(g analysis.Finding) bool { return g.ID == f.ID && g.Object == f.Object }) {
		r.Found = append(r.Found, f)
	}
}

// checkFinding looks at a place that an observer has remembered.
func (r *run) checkFinding(s observe.Finding) {
	function := "a goroutine of smrt"
	if s.Site.Function != "" {
		function = path.Base(s.Site.Function)
	}
	f := analysis.Finding{Object: function, Site: site(s.Site)}
	switch {
	case s.Open > 0:
		if s.Times < idleTimes {
			return
		}
		f.ID = "R5"
		f.Evidence = fmt.Sprintf("%d transactions that %s ended were open for %s, and did nothing for %s of that", s.Times, s.Site, round(s.Open), round(s.Idle))
		f.Follows, f.Go = "their locks and their connection are held meanwhile, and VACUUM keeps old rows for them", s.Instead
	case s.Calls > 0:
		f.ID = "R6"
		f.Evidence = fmt.Sprintf("more than 100 statements were sent under one scope %s; %s sent the 101st", times(s.Times), s.Site)
		f.Follows, f.Go = "a request takes as long as its round trips, and holds its connection for them", s.Instead
	default:
		f.ID, f.Object = "R1", r.title(observe.Shape{Name: s.Name, SQL: s.SQL})+" in "+function
		f.Evidence = fmt.Sprintf("%s sends it again and again, as was seen %s: %s", s.Site, times(s.Times), short(s.SQL))
		f.Follows, f.Go = "each call is a round trip", s.Instead
	}
	r.seen(f)
}

// site writes where a frame is, as editors take it.
func site(f observe.Frame) string {
	if f.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", f.File, f.Line)
}

// times writes how often something was seen.
func times(n uint64) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// round leaves out of a time what nobody wants to read.
func round(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

// short returns a text on one line, without its end if it is long.
func short(sql string) string {
	const most = 120
	text := []rune(strings.Join(strings.Fields(sql), " "))
	if len(text) <= most {
		return string(text)
	}
	return string(text[:most]) + " ..."
}

// checkTexts looks for texts that are the same but for their values.
func (r *run) checkTexts(s observe.Shape) {
	if s.Texts < equalTexts {
		return
	}
	r.seen(analysis.Finding{
		ID: "R2", Object: r.title(s), Evidence: fmt.Sprintf("%d texts are the same but for the values in them: %s", s.Texts, short(s.SQL)),
		Follows: "the server parses and plans each anew, statistics cannot tell what is slow, and a value from outside may be SQL",
		Go:      "pass values as arguments: $1 and so on",
	})
}

// checkUnread looks for rows that were asked for and not read.
func (r *run) checkUnread(s observe.Shape) {
	f := analysis.Finding{ID: "R3", Object: r.title(s), Follows: "the server finds rows that nobody wants", Go: "ask for as many rows as are read, with Limit, and put what ends the loop into the condition"}
	switch {
	case s.Left >= leftCalls && float64(s.Left) > leftPart*float64(s.Calls):
		f.Evidence = fmt.Sprintf("%d of %d calls left their rows before the end: %s", s.Left, s.Calls, short(s.SQL))
	case s.Unread >= unreadRows && s.Unread > s.Rows/2:
		f.Evidence = fmt.Sprintf("%d of %d rows that came were not read: %s", s.Unread, s.Rows, short(s.SQL))
	default:
		return
	}
	r.seen(f)
}

// checkWidth looks for a column that most of what was read is. It is a note unless another
// statement reads the same table without it, so that not all need it.
func (r *run) checkWidth(s observe.Shape, all []observe.Shape) {
	sum := uint64(0)
	for _, bytes := range s.Columns {
		sum += bytes
	}
	for column, bytes := range s.Columns {
		if len(s.Columns) < wideColumns || bytes < wideBytes || bytes < wideValue*s.Rows || float64(bytes) <= widePart*float64(sum) {
			continue
		}
		f := analysis.Finding{
			ID: "R4", Level: verify.Note, Object: r.title(s) + ": " + column,
			Evidence: fmt.Sprintf("%d of %d bytes that were read are of the column %s", bytes, sum, column),
			Follows:  "each call carries them and keeps them in memory", Go: "read the columns that are needed, with query.Select, where this one is not",
		}
		if s.Name.Table != "" && slices.ContainsFunc(all, func(o observe.Shape) bool { return o.Name.Table == s.Name.Table && without(o, column) }) {
			f.Level = verify.Warning
			f.Evidence += ", and other statements read the table without it"
		}
		r.note(f)
	}
}

// without reports whether a statement reads columns, and not one of them.
func without(s observe.Shape, column string) bool {
	_, reads := s.Columns[column]
	return len(s.Columns) > 1 && !reads
}

// checkPrepared looks for statements that are prepared far too often.
func (r *run) checkPrepared(s observe.Shape) {
	if s.Calls < preparedCalls || float64(s.Prepared) <= preparedPart*float64(s.Calls) {
		return
	}
	r.seen(analysis.Finding{
		ID: "R7", Object: s.Name.String(), Evidence: fmt.Sprintf("%d of %d calls had to prepare their statement first, or to ask for its types", s.Prepared, s.Calls),
		Follows: "that is a round trip more, and the server parses the text anew",
		Go:      "pass values as arguments and lists as one array, keep connections for longer, or have more statements kept: statement_cache_capacity in the connection string",
	})
}

// checkConflicts looks for calls that meet others too often.
func (r *run) checkConflicts(s observe.Shape) {
	conflicts := s.Errors["40001"] + s.Errors["40P01"]
	if s.Calls < conflictsCalls || float64(conflicts) <= conflictsPart*float64(s.Calls) {
		return
	}
	r.seen(analysis.Finding{
		ID: "R8", Object: s.Name.String(), Evidence: fmt.Sprintf("%d of %d calls failed because of another transaction: %d could not be serialized, %d were deadlocks", conflicts, s.Calls, s.Errors["40001"], s.Errors["40P01"]),
		Follows: "their transactions are run again from the start, the more often the more there are at a time",
		Go:      "lock the row at the start (FOR UPDATE, in one order), change it in one statement, as with query.Add, or spread a row that all change",
	})
}
