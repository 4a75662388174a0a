package pagila

import (
	"time"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/smrt-go/smrt/query"
)

// Rating is the enum mpaa_rating.
type Rating string

type (
	// Actor is a row of the table actor, as the types below are of theirs.
	Actor struct {
		ActorID    int32
		FirstName  string
		LastName   string
		LastUpdate time.Time
	}
	Address struct {
		AddressID  int32
		Address    string
		Address2   *string
		District   string
		CityID     int32
		PostalCode *string
		Phone      string
		LastUpdate time.Time
	}
	Category struct {
		CategoryID int32
		Name       string
		LastUpdate time.Time
	}
	City struct {
		CityID     int32
		City       string
		CountryID  int32
		LastUpdate time.Time
	}
	Country struct {
		CountryID  int32
		Country    string
		LastUpdate time.Time
	}
	Customer struct {
		CustomerID int32
		StoreID    int32
		FirstName  string
		LastName   string
		Email      *string
		AddressID  int32
		Activebool bool
		CreateDate time.Time
		LastUpdate *time.Time
		Active     *int32
	}
	Film struct {
		FilmID             int32
		Title              string
		Description        *string
		ReleaseYear        *int32
		LanguageID         int32
		OriginalLanguageID *int32
		RentalDuration     int16
		RentalRate         pgtype.Numeric
		Length             *int16
		ReplacementCost    pgtype.Numeric
		Rating             *Rating
		LastUpdate         time.Time
		SpecialFeatures    []string
		Fulltext           pgtype.TSVector
	}
	FilmActor struct {
		ActorID    int32
		FilmID     int32
		LastUpdate time.Time
	}
	FilmActorKey struct{ ActorID, FilmID int32 }
	FilmCategory struct {
		FilmID     int32
		CategoryID int32
		LastUpdate time.Time
	}
	FilmCategoryKey struct{ FilmID, CategoryID int32 }
	Inventory       struct {
		InventoryID int32
		FilmID      int32
		StoreID     int32
		LastUpdate  time.Time
	}
	Language struct {
		LanguageID int32
		Name       string
		LastUpdate time.Time
	}
	Payment struct {
		PaymentID   int32
		CustomerID  int32
		StaffID     int32
		RentalID    int32
		Amount      pgtype.Numeric
		PaymentDate time.Time
	}
	PaymentKey struct {
		PaymentDate time.Time
		PaymentID   int32
	}
	Rental struct {
		RentalID    int32
		RentalDate  time.Time
		InventoryID int32
		CustomerID  int32
		ReturnDate  *time.Time
		StaffID     int32
		LastUpdate  time.Time
	}
	Staff struct {
		StaffID    int32
		FirstName  string
		LastName   string
		AddressID  int32
		Email      *string
		StoreID    int32
		Active     bool
		Username   string
		Password   *string
		LastUpdate time.Time
		Picture    []byte
	}
	Store struct {
		StoreID        int32
		ManagerStaffID int32
		AddressID      int32
		LastUpdate     time.Time
	}
	CustomerEntry struct {
		ID      int32
		Name    string
		Address string
		ZipCode *string `db:"zip code"`
		Phone   string
		City    string
		Country string
		Notes   string
		SID     int32 `db:"sid"`
	}
	FilmEntry struct {
		FID         int32 `db:"fid"`
		Title       string
		Description *string
		Category    string
		Price       pgtype.Numeric
		Length      *int16
		Rating      *Rating
		Actors      string
	}
	CategorySales struct {
		Category   string
		TotalSales pgtype.Numeric
	}
)

// The tables and views.
var (
	Actors     = query.NewTable("actor", func(a *Actor) *int32 { return &a.ActorID })
	Addresses  = query.NewTable("address", func(a *Address) *int32 { return &a.AddressID })
	Categories = query.NewTable("category", func(c *Category) *int32 { return &c.CategoryID })
	Cities     = query.NewTable("city", func(c *City) *int32 { return &c.CityID })
	Countries  = query.NewTable("public.country", func(c *Country) *int32 { return &c.CountryID })
	Customers  = query.NewTable("customer", func(c *Customer) *int32 { return &c.CustomerID })
	Films      = query.NewTable("public.film", func(f *Film) *int32 { return &f.FilmID },
		query.UpdatedAt(func(f *Film) *time.Time { return &f.LastUpdate }),
		query.Computed[Film](query.Col(func(f *Film) *pgtype.TSVector { return &f.Fulltext })))
	FilmActors = query.NewCompositeTable("film_actor", query.Key[FilmActor, FilmActorKey]{
		query.Part(func(a *FilmActor) *int32 { return &a.ActorID }, func(k *FilmActorKey) *int32 { return &k.ActorID }),
		query.Part(func(a *FilmActor) *int32 { return &a.FilmID }, func(k *FilmActorKey) *int32 { return &k.FilmID }),
	})
	FilmCategories = query.NewCompositeTable("film_category", query.Key[FilmCategory, FilmCategoryKey]{
		query.Part(func(c *FilmCategory) *int32 { return &c.FilmID }, func(k *FilmCategoryKey) *int32 { return &k.FilmID }),
		query.Part(func(c *FilmCategory) *int32 { return &c.CategoryID }, func(k *FilmCategoryKey) *int32 { return &k.CategoryID }),
	})
	Inventories = query.NewTable("inventory", func(i *Inventory) *int32 { return &i.InventoryID })
	Languages   = query.NewTable("language", func(l *Language) *int32 { return &l.LanguageID })
	Payments    = query.NewCompositeTable("payment", query.Key[Payment, PaymentKey]{
		query.Part(func(p *Payment) *time.Time { return &p.PaymentDate }, func(k *PaymentKey) *time.Time { return &k.PaymentDate }),
		query.Part(func(p *Payment) *int32 { return &p.PaymentID }, func(k *PaymentKey) *int32 { return &k.PaymentID }),
	}, query.KeyByDatabase[Payment](query.Col(func(p *Payment) *int32 { return &p.PaymentID })))
	Rentals = query.NewTable("rental", func(r *Rental) *int32 { return &r.RentalID })
	Staffs  = query.NewTable("staff", func(s *Staff) *int32 { return &s.StaffID })
	Stores  = query.NewTable("store", func(s *Store) *int32 { return &s.StoreID })

	CustomerList        = query.NewView[CustomerEntry]("customer_list")
	FilmList            = query.NewView[FilmEntry]("film_list")
	SalesByFilmCategory = query.NewView[CategorySales]("sales_by_film_category")
)
