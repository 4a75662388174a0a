package testdb

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"github.com/jackc/pgx/v5"
)

// Schema is what a template database holds. Databases are copied from it, which takes a fraction of the time of
// migrating each.
type Schema struct {
	// Name identifies the schema within a test binary: two of the same name are taken to be the same.
	Name string

	// Title is what errors call it. Default: the name.
	Title string

	// Apply fills the empty database it is given. It runs once per server and
	// test binary, or once per server if there is a digest. Nil leaves the
	// database empty.
	Apply func(ctx context.Context, dsn string) error

	// Digest identifies what Apply makes in all test binaries, see [Digest].
	// Those that share a server share the template then. If it is empty, each
	// has one of its own.
	Digest string

	// Spares is how many copies are made before they are asked for. Default:
	// none, so that nothing runs beside what a test measures.
	Spares int
}

// SQL is a schema that one text of statements makes.
func SQL(name, text string) Schema {
	return Schema{Name: name, Digest: Digest(text), Apply: func(ctx context.Context, dsn string) error {
		conn, err := pgx.Connect(ctx, dsn)
		if err != nil {
			return err
		}
		_, err = conn.Exec(ctx, text, pgx.QueryExecModeSimpleProtocol)
		return errors.Join(err, conn.Close(ctx))
	}}
}

// Empty is the schema with nothing in it.
var Empty = Schema{Name: "empty"}

// Digest is a name for parts, short enough for the name of a database.
func Digest(parts ...string) string {
	h := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(h, "%d:%s", len(part), part)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

// DigestFiles is the digest of a name, and of the files that match the pattern
// as [fs.Glob] matches them.
func DigestFiles(name string, files fs.FS, pattern string) (string, error) {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return "", err
	}
	if len(names) == 0 {
		return "", fmt.Errorf("no file matches %s: it is looked for in the file system that was given, and tests run in the "+
			"directory of their package", pattern)
	}
	parts := []string{name}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return "", err
		}
		parts = append(parts, name, string(text))
	}
	return Digest(parts...), nil
}

// template is a database that a schema has filled, and the copies of it that
// were made before a test asked for them.
type template struct {
	host   *host
	schema Schema
	name   string // of the database

	once sync.Once
	err  error

	mu     sync.Mutex
	asked  int
	spares []*spare
}

// spare is a copy that no test has yet.
type spare struct {
	name string
	done chan struct{} // closed when it is made or err is set
	err  error
}

// newDatabase copies the schema's template, which it makes if this is the first copy, and returns the name.
func (h *host) newDatabase(ctx context.Context, schema Schema) (string, error) {
	if schema.Apply == nil {
		name := h.nextName()
		return name, h.CreateDatabase(ctx, name, "template0")
	}
	t := h.templateOf(schema)
	t.once.Do(func() { t.err = t.make(ctx) })
	if t.err != nil {
		return "", fmt.Errorf("schema %s: %w", cmp.Or(schema.Title, schema.Name), t.err)
	}
	if s := t.spare(); s != nil {
		<-s.done
		if s.err == nil {
			return s.name, nil
		} // an own attempt says why
	}
	name := h.nextName()
	return name, h.CreateDatabase(ctx, name, t.name)
}

func (h *host) nextName() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	return fmt.Sprintf("%s_%d", h.run, h.count)
}

func (h *host) templateOf(schema Schema) *template {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.templates[schema.Name]
	if t == nil {
		t = &template{host: h, schema: schema, name: h.run + "_template_" + Digest(schema.Name)[:16]}
		if h.lease != nil && schema.Digest != "" {
			t.name = templatePrefix + schema.Digest
		}
		h.templates[schema.Name] = t
	}
	return t
}

// make fills the template, unless another process has.
func (t *template) make(ctx context.Context) error {
	if t.host.lease != nil && t.schema.Digest != "" {
		return t.host.lease.share(ctx, t.name, t.fill)
	}
	return t.fill(ctx)
}

func (t *template) fill(ctx context.Context) error {
	if err := t.host.CreateDatabase(ctx, t.name, "template0"); err != nil {
		return err
	}
	if err := t.schema.Apply(ctx, t.host.DSN(t.name)); err != nil {
		return err
	}
	return t.host.sealTemplate(ctx, t.name)
}

// spare returns a copy that was made ahead, or is being made; nil if there is
// none. With each request one more is kept ahead, up to the schema's number, so
// that the only test of a schema has none made for nobody.
func (t *template) spare() *spare {
	t.mu.Lock()
	defer t.mu.Unlock()
	var first *spare
	if len(t.spares) > 0 {
		first, t.spares = t.spares[0], t.spares[1:]
	}
	for len(t.spares) < min(t.asked, t.schema.Spares) {
		t.spares = append(t.spares, t.copyAhead())
	}
	t.asked++
	return first
}

// copyAhead begins to make a copy.
func (t *template) copyAhead() *spare {
	s := &spare{name: t.host.nextName(), done: make(chan struct{})}
	t.host.copying.Go(func() {
		defer close(s.done)
		s.err = t.host.CreateDatabase(context.Background(), s.name, t.name)
	})
	return s
}
