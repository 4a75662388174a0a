// Package model has what the contestants read and write: rows of the shop, and the values that tasks are given.
//
// Those whose structs are written by hand share these, with the tags that each of them documents. Those that generate
// structs have their own.
package model

import (
	"strconv"
	"time"
)

// Customer is a row of customers.
type Customer struct {
	ID             int64     `db:"id" gorm:"primaryKey" bun:"id,pk,autoincrement"`
	Email          string    `db:"email"`
	Name           string    `db:"name"`
	Phone          *string   `db:"phone"`
	Country        string    `db:"country"`
	Tier           string    `db:"tier"`
	MarketingOptIn bool      `db:"marketing_opt_in"`
	CreatedAt      time.Time `db:"created_at"`
	UpdatedAt      time.Time `db:"updated_at" gorm:"autoUpdateTime:false"`
}

// Filter says which customers are wanted. What is nil does not matter.
type Filter struct {
	Country *string
	Tier    *string
	OptIn   *bool
}

// FindLimit is how many customers a [Filter] finds at most, the newest.
const FindLimit = 20

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

// NewCustomers returns n customers that the table does not have. A round gives addresses of its own.
func NewCustomers(round, n int) []Customer {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	phone := "+49 30 901820"
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
