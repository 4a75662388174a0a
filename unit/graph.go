package unit

import (
	"slices"

	"github.com/smrt-go/smrt/internal/flush"
)

// graph is tables or rows, by number, and what they refer to. All that ordering
// needs is here: what is in a ring, in which order the rest comes, and which
// ring an error should name. Nodes and edges are numbers in slices, because a
// unit may have a hundred thousand rows.
type graph struct {
	nodes int
	edges []edge
}

// edge says that one table or row refers to another.
type edge struct {
	from, to int
	key      *flush.ForeignKey // nil: a reference without a foreign key in the schema
	ref      bool              // between rows: by a key that is not known yet
	opens    bool              // between rows: the columns can be NULL at first
	gone     bool              // it was taken out, to open a ring
}

// outgoing returns the edges that are left, by the node they leave from: those
// of node i are list[start[i]:start[i+1]].
func (g *graph) outgoing() (start, list []int32) {
	start = make([]int32, g.nodes+2)
	for i := range g.edges {
		if e := &g.edges[i]; !e.gone {
			start[e.from+2]++
		}
	}
	for i := 2; i < len(start); i++ {
		start[i] += start[i-1]
	}
	list = make([]int32, start[g.nodes+1])
	for i := range g.edges {
		if e := &g.edges[i]; !e.gone {
			list[start[e.from+1]] = int32(i)
			start[e.from+1]++
		}
	}
	return start[:g.nodes+1], list
}

// components returns the sets of nodes that refer to each other in a ring, and
// the other nodes one by one, those referred to first.
func (g *graph) components() [][]int {
	c := components{
		g: g, number: make([]int, g.nodes), low: make([]int, g.nodes), stack: make([]int, 0, g.nodes),
		members: make([]int, 0, g.nodes), found: make([][]int, 0, g.nodes),
	}
	c.start, c.list = g.outgoing()
	for node := range g.nodes {
		if c.number[node] == 0 {
			c.visit(node)
		}
	}
	return c.found
}

// components is R. Tarjan's algorithm (1972). The nodes of a component are
// those that are still on the stack, from the first of them that was visited.
type components struct {
	g           *graph
	start, list []int32
	number      []int // in the order of visits, from 1
	low         []int // the lowest number on the stack that can be reached; done: off the stack
	stack       []int
	next        int
	members     []int // of all components, one after the other
	found       [][]int
}

// done is above every number.
const done = int(^uint(0) >> 1)

func (c *components) visit(node int) {
	c.next++
	number, at := c.next, len(c.stack)
	c.number[node], c.low[node] = number, number
	c.stack = append(c.stack, node)
	for _, i := range c.list[c.start[node]:c.start[node+1]] {
		to := c.g.edges[i].to
		if c.number[to] == 0 {
			c.visit(to)
		}
		c.low[node] = min(c.low[node], c.low[to])
	}
	if c.low[node] != number {
		return
	}
	from := len(c.members)
	c.members = append(c.members, c.stack[at:]...)
	c.stack = c.stack[:at]
	for _, m := range c.members[from:] {
		c.low[m] = done
	}
	c.found = append(c.found, c.members[from:])
}

// rings returns for each node the ring that it is in, from 1, and how many
// rings there are. A node that refers to itself is a ring.
func (g *graph) rings(list [][]int) (in []int, n int) {
	in = make([]int, g.nodes)
	for _, members := range list {
		if len(members) > 1 {
			n++
			for _, m := range members {
				in[m] = n
			}
		}
	}
	for i := range g.edges {
		if e := &g.edges[i]; !e.gone && e.from == e.to && in[e.from] == 0 {
			n++
			in[e.from] = n
		}
	}
	return in, n
}

// within reports whether an edge is left and part of a ring.
func within(e *edge, in []int) bool { return !e.gone && in[e.from] != 0 && in[e.from] == in[e.to] }

// levels returns the level of each node of a graph without rings, whose
// components are given: above all nodes that it refers to.
func (g *graph) levels(list [][]int) []int {
	levels := make([]int, g.nodes)
	start, edges := g.outgoing()
	for _, members := range list {
		node := members[0]
		for _, i := range edges[start[node]:start[node+1]] {
			levels[node] = max(levels[node], levels[g.edges[i].to]+1)
		}
	}
	return levels
}

// cycle follows the edges inside a ring until a node comes again. table names
// the table of a node.
func (g *graph) cycle(in []int, ring int, table func(node int) string) *CycleError {
	start, list := g.outgoing()
	seen := map[int]int{}
	var path []*edge
	at := slices.Index(in, ring)
	for {
		if first, ok := seen[at]; ok {
			path = path[first:]
			break
		}
		seen[at] = len(path)
		for _, i := range list[start[at]:start[at+1]] {
			if e := &g.edges[i]; within(e, in) {
				path, at = append(path, e), e.to
				break
			}
		}
	}
	err := &CycleError{}
	for _, e := range path {
		name := ""
		if e.key != nil {
			name = e.key.Name
		}
		err.Tables, err.Constraints = append(err.Tables, table(e.from)), append(err.Constraints, name)
	}
	return err
}
