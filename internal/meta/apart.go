package meta

// Apart makes the next row share no memory with the rows before it. Rows of one
// result share chunks, which is cheap as long as they are kept or dropped
// together; rows that go to different callers are not.
func (d *Decoder) Apart() {
	d.single = true
	d.arena, d.values = arena{}, slab{}
}
