package gen

import "golang.org/x/tools/go/packages"

// RunWith runs with another way to compile packages.
func RunWith(in Input, load func(dir string, overlay map[string][]byte) (*packages.Package, error)) (*Result, error) {
	return start(in, load)
}

// Content returns what a file would have.
func (f File) Content() string { return string(f.content) }

// ColumnsOf returns the columns of structs by the names of those.
func ColumnsOf(pkg *packages.Package) map[string][]string {
	all := map[string][]string{}
	for _, s := range structsOf(pkg) {
		for _, f := range s.fields {
			all[s.name] = append(all[s.name], f.column)
		}
	}
	return all
}

// Names for tests.
var (
	Exported   = func(name string) string { return newNamer(nil).exported(name) }
	Singular   = singular
	WithoutKey = withoutKey
	Load       = load
)
