package otelsmrt_test

import (
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// TestRulesAreGuarded breaks rules on purpose, and expects a test to notice.
func TestRulesAreGuarded(t *testing.T) {
	check.Guarded(t, []check.Mutant{
		{
			"a span is ended by its own handle", "hook.go",
			"	c.span.End()", "	trace.SpanFromContext(ctx).End()",
			"TestTwoTracersWithSpans",
		},
		{
			"a span is not put into the context", "hook.go",
			"context.WithValue(ctx, callKey{h}, &call{span: span})", "context.WithValue(trace.ContextWithSpan(ctx, span), callKey{h}, &call{span: span})",
			"TestTwoTracersWithSpans",
		},
		{
			"literals are taken out of raw SQL", "hook.go",
			"if e.Name == (observe.Name{}) {", "if false {",
			"TestNoValuesInSpans",
		},
		{
			"a status has no text of an error", "hook.go",
			"c.span.SetStatus(codes.Error, errorType(ctx, e))", "c.span.SetStatus(codes.Error, e.Err.Error())",
			"TestNoValuesInSpans",
		},
		{
			"arguments are shown on request", "hook.go",
			"	if !h.config.Parameters {", "	if false {",
			"TestNoValuesInSpans",
		},
		{
			"a batch of one is no batch", "hook.go",
			"if e.Kind == observe.Batch && e.Size != 1 {", "if e.Kind == observe.Batch {",
			"TestSpans",
		},
		{
			"no label has a value", "metrics.go",
			"k := seriesKey{name: n, node: e.Node, database: e.Database}\n	if e.Outcome", "k := seriesKey{name: n, node: e.Node, database: e.Database + e.SQL}\n	if e.Outcome",
			"TestLabelsAreBounded",
		},
		{
			"calls that wait for their class wait for a connection", "pool.go",
			"		pending += int64(c.Waiting)\n", "",
			"TestPool",
		},
		{
			"a pool that is unregistered is watched no more", "pool.go",
			"	r.stop()\n", "",
			"TestConnectionTimes",
		},
		{
			"series have a limit", "metrics.go",
			"if len(s.sets) >= MaxSeries-1 {", "if false {",
			"TestSeriesHaveALimit",
		},
		{
			"a transaction is not a call", "hook.go",
			"	if e.Kind == observe.Transaction {\n		h.transaction(ctx, e)\n		return\n	}\n", "	if e.Kind == observe.Transaction {\n		h.transaction(ctx, e)\n	}\n",
			"TestTransactionsAreMeasured",
		},
		{
			"callers of shared reads are linked", "hook.go",
			"		c.span.AddLink(trace.Link{SpanContext: span.SpanContext()})\n", "",
			"TestSharedReadsAreLinked",
		},
		{
			"rows are those of reads", "name.go",
			`case "get", "find",`, `case "create", "get", "find",`,
			"TestMetrics",
		},
	})
}
