package query_test

import (
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// exports opens the compiled form of a package, which the go command knows.
func exports(t *testing.T, packages ...string) types.Importer {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}"}, packages...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		files[path] = file
	}
	return importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) { return os.Open(files[path]) })
}

// TestMistakesDoNotCompile type-checks programs with one mistake each.
func TestMistakesDoNotCompile(t *testing.T) {
	t.Parallel()
	imports := exports(t, "github.com/smrt-go/smrt/query", "github.com/smrt-go/smrt/repo", "github.com/smrt-go/smrt/internal/shop")
	for code, want := range map[string]string{
		// Right, so that the others fail for their mistake and nothing else.
		`orders.Find(ctx, query.Where(shop.Total.Gt(5)))`:                                           "",
		`products.Find(ctx, query.Where(shop.Price.Lt(10_00), query.Raw[shop.Product]("a=$1", 1)))`: "",

		`products.Patch(ctx, 1, query.Add(shop.Price, -1))`:               "",
		`products.Patch(ctx, 1, query.Add(shop.ProductName, "x"))`:        "does not match",
		`products.Patch(ctx, 1, query.Add(shop.ProductName.Column, "x"))`: "does not satisfy",
		`products.Patch(ctx, 1, query.Add(shop.Price, 1.5))`:              "truncated",
		`shop.ProductName.Add("x")`:                                       "Add undefined",

		`shop.Price.Lt("x")`:                              `cannot use "x"`,
		`shop.Price.Lt(1.5)`:                              "truncated",
		`shop.Price.In("x")`:                              `cannot use "x"`,
		`shop.Price.Set("x")`:                             `cannot use "x"`,
		`shop.Price.HasPrefix("x")`:                       "HasPrefix undefined",
		`shop.Price.Has(1)`:                               "Has undefined",
		`shop.Weight.Eq(nil)`:                             "cannot use nil",
		`shop.ProductName.Contains(5)`:                    "cannot use 5",
		`shop.Tags.Has(5)`:                                "cannot use 5",
		`orders.Find(ctx, query.Where(shop.Price.Lt(5)))`: "cannot use",
		`orders.Find(ctx, query.Where(shop.Total.Gt(5)).OrderBy(shop.Price.Asc()))`: "cannot use",
		`query.Where(shop.Total.Gt(5), shop.Price.Gt(5))`:                           "does not match",
		`query.And(shop.Total.Gt(5), shop.Price.Gt(5))`:                             "does not match",
		`products.Patch(ctx, 1, shop.Total.Set(5))`:                                 "cannot use",
		`products.Get(ctx, "1")`:                                                    `cannot use "1"`,
		`query.OnConflict[shop.Product](shop.OrderID)`:                              "does not implement",
		`query.Raw[shop.Product](input)`:                                            "cannot use input",
		`query.Raw[shop.Product]("a = " + input)`:                                   "cannot use",
		`query.Raw[shop.Product](fmt.Sprintf("a = %s", input))`:                     "cannot use",
		`query.Raw[shop.Product](query.constant(input))`:                            "not exported",
		`shop.Price.SetExpr(input)`:                                                 "cannot use input",
		`query.All[shop.Product]().Comment(input)`:                                  "cannot use input",
		`query.All[shop.Product]().Hint(input)`:                                     "cannot use input",
		`query.OnConflict[shop.Product](shop.SKU).Where(input)`:                     "cannot use input",
		`query.SearchCol(input, func(p *shop.Product) *string { return &p.Name })`:  "cannot use input",
		`query.TextCol(func(p *shop.Product) *int64 { return &p.PriceCents })`:      "does not satisfy",
		`query.NewTable("x", func(p *shop.Product) int64 { return p.ID })`:          "does not match",
		`products.Find(ctx, query.Where(query.SQL[int64]("$1 * $2", shop.Price, 2).Gt(5)).OrderBy(query.SQL[string]("lower($1)", shop.ProductName).Asc()))`:                                                "",
		`repo.GroupBy(ctx, orders, query.All[shop.Order](), query.Where(query.Sum[int64](shop.Total).Gt(5)), query.Into(query.Sum[int64](shop.Total), func(v *struct{ N int64 }) *int64 { return &v.N }))`: "",
		`products.Find(ctx, query.Where(query.Compare(shop.Price, "<", query.SQL[int64]("$1 * 2", shop.Price))))`:                                                                                          "",

		`orders.Find(ctx, query.Where(query.SQL[int64]("$1", shop.Price).Gt(5)))`:                     "cannot use",
		`orders.Find(ctx, query.All[shop.Order]().OrderBy(query.SQL[int64]("$1", shop.Price).Asc()))`: "cannot use",
		`query.SQL[int64](input, shop.Price)`:                                                         "cannot use input",
		`query.SQL[int64]("$1", 5)`:                                                                   "cannot infer T",
		`query.SQL("$1", shop.Price)`:                                                                 "cannot infer V",
		`query.SQL[int64]("$1", shop.Price).Gt("x")`:                                                  `cannot use "x"`,
		`query.SQL[int64]("$1", shop.Price).Set(5)`:                                                   "Set undefined",
		`query.SQL[string]("$1", shop.ProductName).Name()`:                                            "Name undefined",
		`query.OnConflict[shop.Product](query.SQL[string]("$1", shop.SKU))`:                           "does not implement",
		`query.Compare(shop.Price, "<", shop.ProductName)`:                                            "does not match",
		`query.Compare(shop.Price, "<", shop.Total)`:                                                  "does not match",
		`query.Compare(shop.Price, input, shop.Price)`:                                                "cannot use input",
		`products.Patch(ctx, 1, shop.Price.SetTo(shop.ProductName))`:                                  "does not implement",
		`products.Patch(ctx, 1, shop.Price.SetTo(shop.Total))`:                                        "does not implement",
		`products.Patch(ctx, 1, shop.Price.SetTo(query.Sum[int64](shop.Price)))`:                      "does not implement",
		`products.Find(ctx, query.Where(query.Sum[int64](shop.Price).Gt(5)))`:                         "cannot use",
		`products.Find(ctx, query.All[shop.Product]().OrderBy(query.Count[shop.Product]().Desc()))`:   "cannot use",
		`query.Sum[int64](shop.ProductName)`:                                                          "does not satisfy",
		`query.Sum[string](shop.Price)`:                                                               "does not satisfy",
		`query.Sum(shop.Price)`:                                                                       "cannot infer R",
		`query.Sum[int64](query.Sum[int64](shop.Price), shop.Price.Gt(1))`:                            "does not match",
		`query.Sum[int64](shop.Price, shop.Total.Gt(5))`:                                              "does not match",
		`query.Into(shop.Price, func(v *struct{ N string }) *string { return &v.N })`:                 "does not match",
		`repo.Aggregate(ctx, products, shop.Price, query.All[shop.Product]())`:                        "does not match",
		`repo.Aggregate(ctx, orders, query.Sum[int64](shop.Price), query.All[shop.Order]())`:          "does not match",
		`repo.GroupBy(ctx, orders, query.All[shop.Order](), query.Where(shop.Total.Gt(5)), query.Into(query.Count[shop.Order](), func(v *struct{ N int64 }) *int64 { return &v.N }))`: "does not match",

		`products.Find(ctx, query.Where(query.InSelect(shop.ProductID, shop.Orders, shop.OrderID, query.Where(shop.Total.Gt(5)))))`: "",
		`products.Find(ctx, query.Where(query.InSelect(shop.ProductName, shop.Orders, shop.OrderID, query.All[shop.Order]())))`:     "does not match",
		`products.Find(ctx, query.Where(query.InSelect(shop.ProductID, shop.Orders, shop.ProductID, query.All[shop.Order]())))`:     "does not match",
		`products.Find(ctx, query.Where(query.InSelect(shop.ProductID, shop.Orders, shop.OrderID, query.All[shop.Product]())))`:     "does not match",
		`query.All[shop.Product]().OrderBy(query.Collate(shop.ProductName, "C").Asc())`:                                             "",
		`query.Collate(shop.Price, "C")`:                          "does not satisfy",
		`query.Collate(shop.ProductName, input)`:                  "cannot use input",
		`repo.Select[struct{ ID int64 }](products).Get(ctx, 1)`:   "",
		`repo.Select[struct{ ID int64 }](products).Get(ctx, "1")`: `cannot use "1"`,

		`query.Predicate[shop.Product]{1}`: "implicit assignment to unexported field",
	} {
		source := `package p
import ("context"; "fmt"; "github.com/smrt-go/smrt/query"; "github.com/smrt-go/smrt/repo"; "github.com/smrt-go/smrt/internal/shop")
var _ = fmt.Sprint
func f(ctx context.Context, input string, products *repo.Repository[shop.Product, int64], orders *repo.Repository[shop.Order, int64]) {
	_ = query.All[shop.Product]
	` + code + `
}`
		if err := typeCheck(imports, source); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", code, err, want)
		}
	}
}

// typeCheck returns the first error that is a mistake and not an unused value.
func typeCheck(imports types.Importer, source string) error {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "p.go", source, 0)
	if err != nil {
		return err
	}
	var first error
	cfg := types.Config{Importer: imports, Error: func(err error) {
		if first == nil && !strings.Contains(err.Error(), "is not used") {
			first = err
		}
	}}
	_, _ = cfg.Check("p", fset, []*ast.File{file}, nil)
	return first
}
