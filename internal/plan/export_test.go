package plan

// SplitRaw returns the text and the order of a fragment.
func SplitRaw(sql string, args int) (string, []int, error) {
	f := fragment{sql: sql}
	err := f.translate(args)
	return f.text.String(), f.order, err
}

// Render renders a request for which so many arguments were collected.
func Render(t *Table, r *Request, args int) error {
	_, err := render(t, r, &builder{args: make([]any, args)})
	return err
}
