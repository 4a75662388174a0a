package plan

// SplitRaw is the scanner of fragments.
var SplitRaw = splitRaw

// Render renders a request for which so many arguments were collected.
func Render(t *Table, r *Request, args int) error {
	_, err := render(t, r, args)
	return err
}
