package smrt_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/smrt-go/smrt"
	"github.com/smrt-go/smrt/internal/check"
)

// sentinels has every sentinel with its name, and the other one that it also
// answers to, which may be of pgx.
var sentinels = map[error]struct {
	name string
	also error
}{
	smrt.ErrConflict: {name: "ErrConflict"}, smrt.ErrForeignKey: {name: "ErrForeignKey"}, smrt.ErrNotNull: {name: "ErrNotNull"},
	smrt.ErrCheck: {name: "ErrCheck"}, smrt.ErrRule: {name: "ErrRule"}, smrt.ErrZeroKey: {name: "ErrZeroKey"}, smrt.ErrNilEntity: {name: "ErrNilEntity"},
	smrt.ErrInvalidText: {name: "ErrInvalidText"}, smrt.ErrInvalidJSON: {name: "ErrInvalidJSON"},
	smrt.ErrOutOfRange: {name: "ErrOutOfRange"}, smrt.ErrNullValue: {name: "ErrNullValue"},
	smrt.ErrGenerated: {name: "ErrGenerated"}, smrt.ErrLeftOut: {name: "ErrLeftOut"},
	smrt.ErrWrongType: {name: "ErrWrongType"}, smrt.ErrNoPartition: {name: "ErrNoPartition"}, smrt.ErrQueryCanceled: {name: "ErrQueryCanceled"},

	smrt.ErrNotFound:    {name: "ErrNotFound", also: pgx.ErrNoRows},
	smrt.ErrTooManyRows: {name: "ErrTooManyRows", also: pgx.ErrTooManyRows},
	smrt.ErrStale:       {name: "ErrStale"}, smrt.ErrUnboundedWrite: {name: "ErrUnboundedWrite"}, smrt.ErrReadOnly: {name: "ErrReadOnly"},
	smrt.ErrNoTenant: {name: "ErrNoTenant"}, smrt.ErrTenantMismatch: {name: "ErrTenantMismatch"},
	smrt.ErrRowSecurity: {name: "ErrRowSecurity"},
	smrt.ErrNoKey:       {name: "ErrNoKey"}, smrt.ErrNilContext: {name: "ErrNilContext"}, smrt.ErrDuplicateInBatch: {name: "ErrDuplicateInBatch"},
	smrt.ErrBadQuery: {name: "ErrBadQuery"}, smrt.ErrBadPage: {name: "ErrBadPage"}, smrt.ErrBadCursor: {name: "ErrBadCursor"},

	smrt.ErrCommitUnknown: {name: "ErrCommitUnknown"}, smrt.ErrAlreadyApplied: {name: "ErrAlreadyApplied"},
	smrt.ErrRetriesExhausted: {name: "ErrRetriesExhausted"}, smrt.ErrTxBypass: {name: "ErrTxBypass"}, smrt.ErrTxManaged: {name: "ErrTxManaged"},
	smrt.ErrTxConcurrentUse: {name: "ErrTxConcurrentUse"}, smrt.ErrTxDone: {name: "ErrTxDone", also: pgx.ErrTxClosed},
	smrt.ErrTxAborted: {name: "ErrTxAborted"}, smrt.ErrNoTx: {name: "ErrNoTx"}, smrt.ErrTxOpen: {name: "ErrTxOpen"},
	smrt.ErrNoReserve: {name: "ErrNoReserve"}, smrt.ErrTxTimedOut: {name: "ErrTxTimedOut"},
	smrt.ErrStatementTimeout: {name: "ErrStatementTimeout"}, smrt.ErrLockTimeout: {name: "ErrLockTimeout"},
	smrt.ErrBadOptions: {name: "ErrBadOptions"}, smrt.ErrNotRun: {name: "ErrNotRun"},

	smrt.ErrWriteOnReplica: {name: "ErrWriteOnReplica", also: smrt.ErrReadOnly},
	smrt.ErrNoFreshReplica: {name: "ErrNoFreshReplica"}, smrt.ErrNoPrimary: {name: "ErrNoPrimary"}, smrt.ErrBadToken: {name: "ErrBadToken"},
	smrt.ErrPoolExhausted: {name: "ErrPoolExhausted"}, smrt.ErrConnectTimeout: {name: "ErrConnectTimeout"},
	smrt.ErrPoolClosed: {name: "ErrPoolClosed"}, smrt.ErrPoolerMode: {name: "ErrPoolerMode"},

	smrt.ErrLimit:           {name: "ErrLimit"},
	smrt.ErrRowLimit:        {name: "ErrRowLimit", also: smrt.ErrLimit},
	smrt.ErrLoadLimit:       {name: "ErrLoadLimit", also: smrt.ErrLimit},
	smrt.ErrDepthLimit:      {name: "ErrDepthLimit", also: smrt.ErrLimit},
	smrt.ErrListLimit:       {name: "ErrListLimit", also: smrt.ErrLimit},
	smrt.ErrTextLimit:       {name: "ErrTextLimit", also: smrt.ErrLimit},
	smrt.ErrWriteLimit:      {name: "ErrWriteLimit", also: smrt.ErrLimit},
	smrt.ErrTimeLimit:       {name: "ErrTimeLimit", also: smrt.ErrLimit},
	smrt.ErrByteLimit:       {name: "ErrByteLimit", also: smrt.ErrLimit},
	smrt.ErrStatementLimit:  {name: "ErrStatementLimit", also: smrt.ErrLimit},
	smrt.ErrRateLimit:       {name: "ErrRateLimit", also: smrt.ErrLimit},
	smrt.ErrPlanLimit:       {name: "ErrPlanLimit", also: smrt.ErrLimit},
	smrt.ErrComplexityLimit: {name: "ErrComplexityLimit", also: smrt.ErrLimit},
}

// TestSentinelsAreDistinct proves that a sentinel answers to itself, to the one
// that it is documented to answer to, and to no other.
func TestSentinelsAreDistinct(t *testing.T) {
	texts := map[string]string{}
	for sentinel, s := range sentinels {
		if s.also != nil && !errors.Is(sentinel, s.also) {
			t.Errorf("%s does not answer to %v", s.name, s.also)
		}
		for other, o := range sentinels {
			if other != sentinel && errors.Is(sentinel, other) != (other == s.also) { //nolint:errorlint // the sentinels themselves
				t.Errorf("%s answers to %s: %v", s.name, o.name, errors.Is(sentinel, other))
			}
		}
		if before, ok := texts[sentinel.Error()]; ok {
			t.Errorf("%s and %s say the same", s.name, before)
		}
		texts[sentinel.Error()] = s.name
	}
}

// TestSentinelsOfPgx proves what the sentinels that are also pgx's say.
func TestSentinelsOfPgx(t *testing.T) {
	for sentinel, text := range map[error]string{
		smrt.ErrNotFound:    "not found",
		smrt.ErrTooManyRows: "more than one row matches",
		smrt.ErrTxDone:      "the transaction has ended: its handle is valid only until the closure returns",
	} {
		check.Same(t, "text", sentinel.Error(), text)
		check.Error(t, text, fmt.Errorf("outside: %w", sentinel), sentinel, sentinels[sentinel].also)
	}
}

// TestTextsOfSentinels proves that they can be wrapped by other texts: they begin
// with a small letter or an acronym, and have neither a point nor a new line.
func TestTextsOfSentinels(t *testing.T) {
	for sentinel, s := range sentinels {
		text := sentinel.Error()
		first, _, _ := strings.Cut(text, " ")
		if unicode.IsUpper(rune(text[0])) && first != strings.ToUpper(first) {
			t.Errorf("%s begins with a capital letter: %q", s.name, text)
		}
		if strings.HasSuffix(text, ".") || strings.Contains(text, "\n") {
			t.Errorf("%s is not a part of a sentence: %q", s.name, text)
		}
	}
}

// declared returns the sentinels and the types of errors that the package
// declares.
func declared(t *testing.T) (errs, types []string) {
	t.Helper()
	for _, path := range check.Value(filepath.Glob("*.go"))(t) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file := check.Value(parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution))(t)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Name.Name == "Error" && d.Recv != nil {
					if star, ok := d.Recv.List[0].Type.(*ast.StarExpr); ok && ast.IsExported(star.X.(*ast.Ident).Name) {
						types = append(types, star.X.(*ast.Ident).Name)
					}
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if v, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.VAR && strings.HasPrefix(v.Names[0].Name, "Err") {
						errs = append(errs, v.Names[0].Name)
					}
				}
			}
		}
	}
	return errs, types
}

// TestEveryErrorIsTried proves that the tables of these tests leave out no
// sentinel and no type that the package declares.
func TestEveryErrorIsTried(t *testing.T) {
	errs, types := declared(t)
	named, tried := map[string]bool{}, map[string]bool{}
	for _, s := range sentinels {
		named[s.name] = true
	}
	for _, c := range errorTypes {
		tried[reflect.TypeOf(c.err).Elem().Name()] = true
	}
	for _, name := range errs {
		if !named[name] {
			t.Errorf("%s is not in the table of sentinels", name)
		}
	}
	for _, name := range types {
		if !tried[name] {
			t.Errorf("%s is not in the table of types", name)
		}
	}
	check.Same(t, "sentinels", len(errs), len(sentinels))
	check.Same(t, "types of errors", len(types), len(tried))
}
