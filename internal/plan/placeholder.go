package plan

import (
	"strconv"
	"strings"
)

// index stands for an argument while squirrel renders: what comes back in
// squirrel's argument list says which placeholder is which argument.
type index int

// again stands for an argument that has a placeholder further in front.
type again index

// placed writes $1, $2, ... in place of the question marks of a statement, and
// returns which argument each stands for. Squirrel's own numbering has no way to
// use one twice.
//
// An argument that a fragment names twice has two places, which may be of two types.
// Where the fragment is repeated they are the same two again, in their order.
func placed(sql string, places []any) (string, []int) {
	return placedAfter(0, make([]int, 0, len(places)), sql, places) // not nil: an argument may have no place
}

// placedAfter is placed for a part of a statement: so many parameters are the
// statement's own, and those after them stand for the arguments in order, to which
// it appends.
func placedAfter(own int, order []int, sql string, places []any) (string, []int) {
	var b strings.Builder
	of, repeated := map[int][]int{}, map[int]int{}
	for {
		before, after, found := strings.Cut(sql, "?")
		b.WriteString(before)
		if !found {
			return b.String(), order
		}
		if sql = after; strings.HasPrefix(sql, "?") { // one that is meant
			b.WriteByte('?')
			sql = sql[1:]
			continue
		}
		var n int
		switch at := places[0].(type) {
		case index:
			order = append(order, int(at))
			n = own + len(order)
			of[int(at)] = append(of[int(at)], n)
		case again:
			all := of[int(at)]
			n = all[repeated[int(at)]%len(all)]
			repeated[int(at)]++
		}
		places = places[1:]
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(n))
	}
}

// argumentOrder returns which argument each placeholder stands for, nil if every
// argument is used once, in order.
func argumentOrder(order []int, args int) []int {
	for i, x := range order {
		if x != i {
			return order
		}
	}
	if len(order) != args {
		return order
	}
	return nil
}

func (w *renderer) arg() any {
	w.next++
	if w.sharing {
		return again(w.next - 1)
	}
	return index(w.next - 1)
}

// arrange puts the arguments in the order of the placeholders.
func (p *rendered) arrange(args []any) []any {
	if p.order == nil {
		return args
	}
	out := make([]any, len(p.order))
	for i, j := range p.order {
		out[i] = args[j]
	}
	return out
}
