package query

// Page says which page of a query's rows to read. Without After and Before it is
// the first page.
type Page struct {
	Size   int    // rows on a page
	After  string // the Next of another page
	Before string // the Prev of another page
}
