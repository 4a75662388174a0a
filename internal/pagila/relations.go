package pagila

import "github.com/smrt-go/smrt/preload"

// Relations of the tables.
var (
	FilmLanguage   = preload.BelongsTo(Films, Languages, func(f *Film) *int32 { return &f.LanguageID })
	FilmOriginally = preload.BelongsTo(Films, Languages, func(f *Film) **int32 { return &f.OriginalLanguageID })
	LanguageFilms  = preload.HasMany(Languages, Films, func(f *Film) *int32 { return &f.LanguageID })
	FilmCast       = preload.ManyToMany(Films, FilmActors, Actors,
		func(a *FilmActor) *int32 { return &a.FilmID }, func(a *FilmActor) *int32 { return &a.ActorID })
	ActorFilms = preload.ManyToMany(Actors, FilmActors, Films,
		func(a *FilmActor) *int32 { return &a.ActorID }, func(a *FilmActor) *int32 { return &a.FilmID })
	FilmGenres = preload.ManyToMany(Films, FilmCategories, Categories,
		func(c *FilmCategory) *int32 { return &c.FilmID }, func(c *FilmCategory) *int32 { return &c.CategoryID })
	FilmCopies      = preload.HasMany(Films, Inventories, func(i *Inventory) *int32 { return &i.FilmID })
	CopyFilm        = preload.BelongsTo(Inventories, Films, func(i *Inventory) *int32 { return &i.FilmID })
	CopyRentals     = preload.HasMany(Inventories, Rentals, func(r *Rental) *int32 { return &r.InventoryID })
	RentalCopy      = preload.BelongsTo(Rentals, Inventories, func(r *Rental) *int32 { return &r.InventoryID })
	RentalCustomer  = preload.BelongsTo(Rentals, Customers, func(r *Rental) *int32 { return &r.CustomerID })
	CustomerRentals = preload.HasMany(Customers, Rentals, func(r *Rental) *int32 { return &r.CustomerID })
	CustomerAddress = preload.BelongsTo(Customers, Addresses, func(c *Customer) *int32 { return &c.AddressID })
	AddressCity     = preload.BelongsTo(Addresses, Cities, func(a *Address) *int32 { return &a.CityID })
	CityAddresses   = preload.HasMany(Cities, Addresses, func(a *Address) *int32 { return &a.CityID })
	CityCountry     = preload.BelongsTo(Cities, Countries, func(c *City) *int32 { return &c.CountryID })
)
