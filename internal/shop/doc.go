// Package shop is the reference domain: a shop with a catalog, warehouses, orders and reviews.
//
// The examples, the demo, the benchmarks and many tests of this module run on it. Its tables are made by the migrations
// in queries/schema (Migrate). Its entities are what sqlc makes of those tables, unchanged, under shorter names:
// Product, Order and so on. Its tables, columns and relations are what smrt gen declares in package tables, under shorter
// names too. The queries that sqlc compiles are methods of shopdb.Queries, and package seed fills the tables.
package shop
