package model

import (
	"strconv"
	"time"
)

// Filter says which customers are wanted. What is nil does not matter.
type Filter struct {
	Country *string
	Tier    *string
	OptIn   *bool
}

// PageSize is how many rows a [Filter] finds at most, and how many a page has.
const PageSize = 20

// Filters returns different ones, by number.
func Filters(n int) Filter {
	countries, tiers, yes := [...]string{"DE", "FR", "US"}, [...]string{"standard", "gold"}, true
	var f Filter
	if n%3 != 0 {
		f.Country = &countries[n%len(countries)]
	}
	if n%2 == 0 {
		f.Tier = &tiers[n/2%len(tiers)]
	}
	if n%5 == 0 {
		f.OptIn = &yes
	}
	return f
}

// at is the time that new rows have.
func at() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }

// NewCustomers returns n customers that the table does not have. A round gives addresses of its own.
func NewCustomers(round, n int) []Customer {
	at, phone := at(), "+49 30 901820"
	cs := make([]Customer, n)
	for i := range cs {
		number := strconv.Itoa(round) + "-" + strconv.Itoa(i)
		cs[i] = Customer{
			Email: "new-" + number + "@example.com", Name: "Customer " + number, Country: "DE", Tier: "silver",
			MarketingOptIn: i%2 == 0, CreatedAt: at, UpdatedAt: at,
		}
		if i%3 == 0 {
			cs[i].Phone = &phone
		}
	}
	return cs
}

// KnownCustomers returns n customers whose addresses are the same in each round, and their names are not.
func KnownCustomers(round, n int) []Customer {
	cs := NewCustomers(0, n)
	for i := range cs {
		cs[i].Name += ", round " + strconv.Itoa(round)
	}
	return cs
}

// ChangedCustomers returns the customers with the keys 1 to n, with other values in each round.
func ChangedCustomers(round, n int) []Customer {
	cs := KnownCustomers(round, n)
	for i := range cs {
		cs[i].ID, cs[i].Email = int64(i+1), "changed-"+strconv.Itoa(i)+"@example.com"
	}
	return cs
}

// Items is how many an order of [NewOrder] has.
const Items = 10

// NewOrder returns an order with its items.
func NewOrder(customer int64) Order {
	o := Order{
		CustomerID: customer, Status: "pending", Version: 1, ShippingAddress: []byte(`{"city": "Berlin"}`),
		PlacedAt: at(), UpdatedAt: at(), Items: make([]OrderItem, Items),
	}
	for i := range o.Items {
		o.Items[i] = OrderItem{LineNo: int32(i + 1), ProductID: int64(i + 1), Quantity: int32(i%3 + 1), UnitPriceCents: 100}
		o.TotalCents += int64(o.Items[i].Quantity) * 100
	}
	return o
}

// Position is where a page of orders begins: after this one.
type Position struct {
	PlacedAt time.Time
	ID       int64
}
