package seed

import (
	"math/rand/v2"
	"time"
)

// A topic keeps the dice of one kind of thing apart from those of another.
type topic uint64

const (
	productTopic topic = iota + 1
	stockTopic
	historyTopic
	reviewTopic
	customerTopic
	orderTopic
	cartTopic
)

// dice makes the choices for one thing at a time: after throwFor, they depend on the topic and the number of the thing
// alone. That is what lets tables be made in parallel, in parts, and twice, and still agree.
type dice struct {
	source rand.PCG
	random *rand.Rand
}

func newDice() *dice {
	d := &dice{}
	d.random = rand.New(&d.source)
	return d
}

// throwFor takes up the dice of thing number id.
func (d *dice) throwFor(t topic, id int) {
	// Neighbouring numbers must not start from neighbouring states; the multiplier is the one of splitmix64.
	d.source.Seed(uint64(t)*0xd1342543de82ef95, uint64(id)*0x9e3779b97f4a7c15)
}

// upTo returns a number from 0 to n-1.
func (d *dice) upTo(n int) int { return d.random.IntN(n) }

// between returns a number from low to high, both included.
func (d *dice) between(low, high int) int { return low + d.random.IntN(high-low+1) }

// chance is true in so many of a hundred cases.
func (d *dice) chance(percent int) bool { return d.random.IntN(100) < percent }

// skewed returns a number from 0 to n-1, the lower ones far more often: half of the throws fall on the first eighth.
func (d *dice) skewed(n int) int {
	x := d.random.Float64()
	return int(x * x * x * float64(n))
}

// duration returns a whole number of seconds, less than limit.
func (d *dice) duration(limit time.Duration) time.Duration {
	return time.Duration(d.random.Int64N(int64(limit/time.Second))) * time.Second
}

// pick returns one of the choices.
func pick[T any](d *dice, choices []T) T { return choices[d.random.IntN(len(choices))] }

// cycle gives thing number id its number of parts. It looks irregular but is no throw of the dice: ten neighbours
// always have the same sum, so the size of a table is known before its rows are made.
type cycle [10]int

func (c cycle) of(id int) int { return c[id*7%10] }

// upTo sums the parts of the things 1 to n.
func (c cycle) upTo(n int) int {
	sum := 0
	for _, parts := range c {
		sum += parts
	}
	sum *= n / 10
	for id := n/10*10 + 1; id <= n; id++ {
		sum += c.of(id)
	}
	return sum
}

var (
	placesOfProduct  = cycle{1, 2, 3, 2, 1, 2, 2, 3, 2, 2}
	tagsOfProduct    = cycle{2, 1, 3, 2, 0, 4, 2, 1, 3, 2}
	changesOfProduct = cycle{0, 1, 0, 0, 2, 0, 0, 1, 0, 1}
	reviewsOfProduct = cycle{0, 1, 0, 3, 1, 0, 5, 1, 2, 2}
	linesOfOrder     = cycle{1, 3, 2, 8, 1, 4, 10, 2, 6, 3}
	productsOfCart   = cycle{1, 2, 0, 4, 3, 1, 6, 2, 5, 1}
)
