// Package values has the types that sqlc's models use for single columns. It imports neither billingdb, whose models
// import it, nor billing, which imports billingdb.
package values

// Attributes is the document in products.attributes.
type Attributes struct {
	Color string   `json:"color,omitempty"`
	Sizes []string `json:"sizes,omitempty"`
}
