package traced

// Accounted returns how many of n rows a Decoding has a time for.
func Accounted(n int) int { return DecodeRows(&Conn{}, n) }

// DecodeRows decodes a result of n rows, and returns how many of them have a time.
func DecodeRows(c *Conn, n int) int {
	d := Decoding{conn: c}
	for range n {
		d.Row()
		d.Done(nil, nil)
	}
	return d.rows
}
