package otelsmrt_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	otelsmrt "github.com/smrt-go/smrt/contrib/otel"
	"github.com/smrt-go/smrt/internal/check"
	"github.com/smrt-go/smrt/internal/shop"
	"github.com/smrt-go/smrt/observe"
	"github.com/smrt-go/smrt/pool"
	"github.com/smrt-go/smrt/preload"
	"github.com/smrt-go/smrt/query"
	"github.com/smrt-go/smrt/repo"
	"github.com/smrt-go/smrt/txn"
	"github.com/smrt-go/smrt/unit"
)

// step is a call, and the spans that it makes: a line each of its name, and its
// attributes.
type step struct {
	what string
	do   func() error
	want string
}

// repositoryLine is the span of a call of a repository.
func repositoryLine(operation, verb string) string {
	s := operation + " categories"
	return s + ": collection.name=categories operation.name=" + operation + " query.summary=" + s + " query.text=" + verb
}

// steps are calls of as many kinds as there are.
func steps(ctx context.Context, p *pool.Pool) []step {
	categories, products := repo.New(p, shop.Categories, alone), repo.New(p, shop.Products, alone)
	c, d := category("c"), category("d")
	type shelf struct {
		shop.Category
		Products []shop.Product
	}
	shelves := repo.View(categories, func(v *shelf) *shop.Category { return &v.Category })
	run := func(_ any, err error) error { return err }
	batch := func(texts ...string) func() error {
		return func() error {
			var b pgx.Batch
			for _, sql := range texts {
				b.Queue(sql)
			}
			return p.SendBatch(ctx, &b).Close()
		}
	}
	return append([]step{
		{"create", func() error { return categories.Create(ctx, &c) }, repositoryLine("create", "INSERT")},
		{"bulk", func() error {
			return categories.CreateMany(ctx, []shop.Category{category("e"), category("f")})
		}, repositoryLine("create", "INSERT")},
		{"get", func() error { return run(categories.Get(ctx, c.ID)) }, repositoryLine("get", "SELECT")},
		{"get many", func() error { return run(categories.GetMany(ctx, []int64{c.ID, 7})) }, repositoryLine("get", "SELECT")},
		{"find", func() error { return run(categories.Find(ctx, query.Where(shop.CategorySlug.Eq("c")))) }, repositoryLine("find", "SELECT")},
		{"count", func() error { return run(categories.Count(ctx, query.Query[shop.Category]{})) }, repositoryLine("count", "SELECT")},
		{"exists", func() error { return run(categories.Exists(ctx, query.Where(shop.CategorySlug.Eq("c")))) }, repositoryLine("exists", "SELECT")},
		{"update", func() error { return categories.Update(ctx, &c) }, repositoryLine("update", "UPDATE")},
		{"patch", func() error { return categories.Patch(ctx, c.ID, shop.CategorySlug.Set("c2")) }, repositoryLine("update", "UPDATE")},
		{"upsert", func() error { return run(categories.Upsert(ctx, &d, query.OnConflict(shop.CategorySlug))) }, repositoryLine("upsert", "INSERT")},
		{"delete", func() error { return categories.Delete(ctx, d.ID) }, repositoryLine("delete", "DELETE")},
		{"stream", func() error {
			for _, err := range categories.Stream(ctx, query.Query[shop.Category]{}) {
				if err != nil {
					return err
				}
			}
			return nil
		}, repositoryLine("find", "SELECT")},
		{"preload", func() error {
			many := preload.Many(shop.CategoryProducts, func(v *shelf) *[]shop.Product { return &v.Products })
			return run(shelves.Find(ctx, query.Where(shop.CategorySlug.Eq("c2")), many))
		}, repositoryLine("find", "SELECT") + "\npreload products: collection.name=products operation.name=preload query.summary=preload products query.text=SELECT"},
		{"duplicate", func() error {
			if err := categories.Create(ctx, &shop.Category{Slug: "c2", Name: "secret"}); err == nil {
				return context.Canceled // it must fail
			}
			return nil
		}, strings.Replace(repositoryLine("create", "INSERT"), ": ", "!23505: ", 1) + " response.status_code=23505"},
		{"foreign key", func() error {
			if err := products.Create(ctx, &shop.Product{CategoryID: -1, SKU: "s", Name: "s"}); err == nil {
				return context.Canceled
			}
			return nil
		}, "create products!23503: collection.name=products operation.name=create query.summary=create products query.text=INSERT response.status_code=23503"},
		{"unit", func() error {
			u := unit.New()
			g, h := category("g"), category("h")
			unit.Create(u, shop.Categories, &g)
			unit.Create(u, shop.Categories, &h)
			return run(u.Flush(ctx, p))
		}, "transaction: smrt.tx.outcome=committed\nBATCH categories: collection.name=categories operation.batch.size=3 operation.name=BATCH query.summary=BATCH categories"},
		{"transaction", func() error {
			return txn.Run(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
				return run(categories.With(tx).Get(ctx, c.ID))
			})
		}, "begin: operation.name=begin query.summary=begin query.text=begin\n" + repositoryLine("get", "SELECT") + "\ncommit: operation.name=commit query.summary=commit query.text=commit\ntransaction: smrt.tx.outcome=committed"},
		{"batch", batch("SELECT 1", "-- name: Two :one\nSELECT 2"), "BATCH: operation.batch.size=2 operation.name=BATCH query.summary=BATCH"},
		{"batch of a query", batch("-- name: Two :one\nSELECT 2", "-- name: Two :one\nSELECT 2"), "BATCH Two: operation.batch.size=2 operation.name=BATCH query.summary=BATCH Two query.text=--"},
		{"batch of one", batch("-- name: Two :one\nSELECT 2"), "Two: query.summary=Two query.text=--"},
		{"copy", func() error {
			rows := pgx.CopyFromRows([][]any{{"i", "i"}})
			return run(p.CopyFrom(ctx, pgx.Identifier{"categories"}, []string{"slug", "name"}, rows))
		}, repositoryLine("copy", "COPY")},
		{"sqlc", func() error { return run(p.Exec(ctx, "-- name: TouchAll :exec\nSELECT 1")) }, "TouchAll: query.summary=TouchAll query.text=--"},
		{"transaction that is given up", func() error {
			if err := txn.Run(ctx, p, func(context.Context, pgx.Tx) error { return errStop }); !errors.Is(err, errStop) {
				return err
			}
			return nil
		}, "begin: operation.name=begin query.summary=begin query.text=begin\nrollback: operation.name=rollback query.summary=rollback query.text=rollback\ntransaction: smrt.tx.outcome=rolled_back"},
		{"savepoint", func() error {
			return pgx.BeginFunc(ctx, p, func(tx pgx.Tx) error { return pgx.BeginFunc(ctx, tx, func(pgx.Tx) error { return nil }) })
		}, "begin: operation.name=begin query.summary=begin query.text=begin\n" +
			"savepoint: operation.name=savepoint query.summary=savepoint query.text=savepoint\nsavepoint: operation.name=savepoint query.summary=savepoint query.text=release\n" +
			"commit: operation.name=commit query.summary=commit query.text=commit\ntransaction: smrt.tx.outcome=committed"},
		{"update by query", func() error {
			return run(categories.UpdateWhere(ctx, query.Where(shop.CategorySlug.Eq("none")), shop.CategorySlug.Set("some")))
		}, repositoryLine("update", "UPDATE")},
		{"delete by query", func() error { return run(categories.DeleteWhere(ctx, query.Where(shop.CategorySlug.Eq("none")))) }, repositoryLine("delete", "DELETE")},
		{"raw", func() error { return run(p.Exec(ctx, "SELECT 3")) }, "raw: query.text=SELECT"},
	}, failing(ctx, p)...)
}

// failing are calls that fail otherwise than by a constraint.
func failing(ctx context.Context, p *pool.Pool) []step {
	fails := func(call func() error) func() error {
		return func() error {
			if call() == nil {
				return context.Canceled
			}
			return nil
		}
	}
	exec := func(ctx context.Context, sql string) error { _, err := p.Exec(ctx, sql); return err }
	return []step{
		{"syntax", fails(func() error { return exec(ctx, "SELEC 1") }), "raw!42601: query.text=SELEC response.status_code=42601"},
		{"division", fails(func() error { return exec(ctx, "SELECT 1/0") }), "raw!22012: query.text=SELECT response.status_code=22012"},
		{"timeout", fails(func() error {
			ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
			defer cancel()
			return exec(ctx, "SELECT pg_sleep(30)")
		}), "raw!timeout: query.text=SELECT"},
		{"cancelled", fails(func() error {
			ctx, cancel := context.WithCancel(ctx)
			defer time.AfterFunc(20*time.Millisecond, cancel).Stop()
			defer cancel()
			return exec(ctx, "SELECT pg_sleep(30)")
		}), "raw!cancelled: query.text=SELECT"},
	}
}

// TestSpans compares the spans of each kind of call with what they should be.
func TestSpans(t *testing.T) {
	t.Parallel()
	b := newBackend()
	p := open(t, observe.Config{Hooks: []observe.Hook{b.hook(t, otelsmrt.Config{})}}, 1)
	server := p.Config().ConnConfig
	ctx, parent := b.tracer.Tracer("test").Start(t.Context(), "request")
	defer parent.End()
	all := steps(ctx, p)
	check.Same(t, "there are thirty kinds", len(all) >= 30, true)
	for _, s := range all {
		b.take()
		if err := s.do(); err != nil {
			t.Errorf("%s: %v", s.what, err)
		}
		var got []string
		for _, span := range b.take() {
			name, attrs := span.Name, listed(span.Attributes)
			if kind := valueOf(span.Attributes, "error.type"); kind != "" {
				name += "!" + kind
				attrs = strings.ReplaceAll(attrs, "error.type="+kind+" ", "")
				check.Same(t, s.what+": status", span.Status.Code, codes.Error)
				check.Same(t, s.what+": what the status says", span.Status.Description, kind)
				if kind == "timeout" || kind == "cancelled" { // the server may still have answered
					attrs = strings.TrimSuffix(attrs, " response.status_code=57014")
				}
			} else {
				check.Same(t, s.what+": status", span.Status.Code, codes.Unset)
			}
			got = append(got, name+": "+attrs)
			check.Same(t, s.what+": system", valueOf(span.Attributes, "db.system.name"), "postgresql")
			check.Same(t, s.what+": namespace", valueOf(span.Attributes, "db.namespace"), server.Database)
			if at := valueOf(span.Attributes, "server.address"); !strings.HasPrefix(at, server.Host) {
				t.Errorf("%s: server.address is %q, want %q", s.what, at, server.Host)
			}
			kind := trace.SpanKindClient
			if span.Name == "transaction" {
				kind = trace.SpanKindInternal
			}
			check.Same(t, s.what+": kind", span.SpanKind, kind)
			check.Same(t, s.what+": parent", span.Parent.SpanID(), parent.SpanContext().SpanID())
		}
		check.Same(t, s.what, strings.Join(got, "\n"), s.want)
	}
}

// TestNoValuesInSpans: what a program writes into a text, what it gives as an argument
// and what an error says are nowhere in a span.
func TestNoValuesInSpans(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := newBackend()
	p := open(t, observe.Config{Args: true, Hooks: []observe.Hook{b.hook(t, otelsmrt.Config{})}}, 1)
	categories := repo.New(p, shop.Categories, alone)
	for range 2 {
		_ = categories.Create(ctx, &shop.Category{Slug: "secret", Name: "secret"}) // the second has an error that names it
	}
	for _, sql := range []string{
		"SELECT 'secret'", "SELECT 'secret'::int", "SELECT $q$secret$q$ -- secret", "/* secret */ SELECT 1",
		"SELECT 'secret' || repeat('x', 10) || '" + strings.Repeat("secret", 5000) + "'",
	} {
		_, _ = p.Exec(ctx, sql)
	}
	_, _ = p.Exec(ctx, "SELECT $1::text", "secret")
	spans := b.take()
	check.Same(t, "spans", len(spans), 8)
	for _, s := range spans {
		for _, a := range s.Attributes {
			if strings.Contains(a.Value.String(), "secret") {
				t.Errorf("%s: %s has a value: %.200s", s.Name, a.Key, a.Value.String())
			}
		}
		check.Same(t, s.Name+": events", len(s.Events), 0)
		if strings.Contains(s.Status.Description, "secret") {
			t.Errorf("%s: the status has a value: %s", s.Name, s.Status.Description)
		}
	}
}

// TestOnRequest: rows and arguments are in spans if they are asked for.
func TestOnRequest(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	b := newBackend()
	h := b.hook(t, otelsmrt.Config{Rows: true, Parameters: true, NoText: true})
	p := open(t, observe.Config{Args: true, Hooks: []observe.Hook{h}}, 1)
	categories := repo.New(p, shop.Categories, alone)
	check.NoError(t, categories.CreateMany(ctx, []shop.Category{category("a"), category("b"), category("c")}))
	b.take()
	check.Value(categories.Find(ctx, query.Where(shop.CategorySlug.Ne("a"))))(t)
	_, err := p.Exec(ctx, "SELECT $1::text, $2::int", pgx.QueryExecModeExec, "x", 7)
	check.NoError(t, err)
	spans := b.take()
	check.Same(t, "spans", len(spans), 2)
	check.Same(t, "rows of a read", valueOf(spans[0].Attributes, "db.response.returned_rows"), "2")
	check.Same(t, "rows of raw SQL", valueOf(spans[1].Attributes, "db.response.returned_rows"), "")
	check.Same(t, "attributes of raw SQL", listed(spans[1].Attributes), "query.parameter.0=x query.parameter.1=7")
}
