package traced

// Accounted returns how many of n rows a Decoding has a time for.
func Accounted(n int) int {
	d := Decoding{conn: &Conn{}}
	for range n {
		d.Row()
		d.Done()
	}
	return d.rows
}
