package unit

import (
	"math/rand/v2"
	"testing"

	"github.com/smrt-go/smrt/internal/check"
)

// reach returns which nodes lead to which, found without an algorithm worth the
// name.
func (g *graph) reach() [][]bool {
	to := make([][]bool, g.nodes)
	for i := range to {
		to[i] = make([]bool, g.nodes)
	}
	for range g.nodes {
		for _, e := range g.edges {
			if e.gone {
				continue
			}
			to[e.from][e.to] = true
			for node, ok := range to[e.to] {
				to[e.from][node] = to[e.from][node] || ok
			}
		}
	}
	return to
}

// TestComponents compares rings and levels with what paths say, on graphs of all
// densities, from which edges are taken until no ring is left.
func TestComponents(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		g := &graph{nodes: 1 + random.IntN(9)}
		for range random.IntN(3 * g.nodes) {
			g.edges = append(g.edges, edge{from: random.IntN(g.nodes), to: random.IntN(g.nodes)})
		}
		for {
			list := g.components()
			in, n := g.rings(list)
			reach := g.reach()
			seen := make([]bool, g.nodes)
			for _, nodes := range list {
				for _, node := range nodes {
					check.Same(t, "seen before", seen[node], false)
					seen[node] = true
					for other := range g.nodes {
						if reach[node][other] && !reach[other][node] && !seen[other] {
							t.Fatalf("%d comes before %d, which it refers to: %v", node, other, g.edges)
						}
						check.Same(t, "in a ring with another", in[node] != 0 && in[node] == in[other], reach[node][other] && reach[other][node])
					}
				}
			}
			if n == 0 {
				levels := g.levels(list)
				for _, e := range g.edges {
					if !e.gone && levels[e.from] <= levels[e.to] {
						t.Fatalf("levels %v: %v", levels, g.edges)
					}
				}
				break
			}
			takeOne(t, g, in)
		}
	}
}

// takeOne takes an edge of the first ring, after following the ring once.
func takeOne(t *testing.T, g *graph, in []int) {
	t.Helper()
	ring := g.cycle(in, 1, func(int) string { return "t" })
	check.Same(t, "tables and constraints", len(ring.Tables), len(ring.Constraints))
	for i := range g.edges {
		if e := &g.edges[i]; within(e, in) && in[e.from] == 1 {
			e.gone = true
			return
		}
	}
	t.Fatal("a ring without edges")
}

// TestLongChain proves that the depth of a graph is no limit.
func TestLongChain(t *testing.T) {
	g := &graph{nodes: 100_000}
	for i := range g.nodes - 1 {
		g.edges = append(g.edges, edge{from: i, to: i + 1})
	}
	levels := g.levels(g.components())
	check.Same(t, "level of the first", levels[0], g.nodes-1)
}
